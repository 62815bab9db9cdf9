"""What posted bodies have in common: strict types, no unknown fields, and options by a bare name."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A body with strict fields: `"1"` is no number, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


def with_options(value: object) -> object:
    """Options of a sampler or pruner as an object: a bare name means the defaults."""
    return {"name": value} if isinstance(value, str) else value
