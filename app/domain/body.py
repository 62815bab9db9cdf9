"""The base of everything that is posted: strict types, no unknown fields."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """Takes what its fields say and nothing else: `"1"` is no number, and an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)
