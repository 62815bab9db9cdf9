"""The base class of posted bodies: strict types, no unknown fields."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A body with strict fields: `"1"` is no number, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)
