"""What posted bodies share: strict fields, options by a bare name, and pydantic's findings in our words."""

from pydantic import BaseModel, ConfigDict, model_validator

MAX_FIELDS = 100  # of one object in a body, known and unknown ones


class Body(BaseModel):
    """A body with strict fields: `"1"` is no number, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, value: object) -> object:
        """Refuses what has very many fields as a whole: an error for each of them would take the server's memory."""
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"has {len(value):,} fields, and can have {len(cls.model_fields)}")
        return value


def with_options(value: object) -> object:
    """Options of a sampler or pruner as an object: a bare name means the defaults."""
    return {"name": value} if isinstance(value, str) else value


def plain_sentence(message: str) -> str:
    """Pydantic's words as ours: `Value error, must be odd` and `Input should be odd` as `must be odd`."""
    message = message.removeprefix("Value error, ")
    return message.replace("Input should be", "must be").replace("String should have", "must have")
