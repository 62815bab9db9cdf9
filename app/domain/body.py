"""What posted bodies share: strict fields, options by a bare name, and pydantic's findings in our words."""

from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from app.domain.nearest import did_you_mean

MAX_FIELDS = 100  # of one object in a body, known and unknown ones

_PYDANTICS_OWN = frozenset(get_args(ErrorType))


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

    @model_validator(mode="wrap")
    @classmethod
    def _names_the_nearest_fields(cls, value: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Says of an unknown field which of this object's fields was probably meant."""
        try:
            return validate(value)
        except ValidationError as error:
            details = [_with_nearest_field(finding, cls.model_fields) for finding in error.errors()]
            raise ValidationError.from_exception_data(error.title, details) from None


def _with_nearest_field(finding: Any, names: Any) -> InitErrorDetails:
    """The finding anew; where it is of an unknown field of this object, with the nearest name that it has."""
    path, kind, context = finding["loc"], finding["type"], finding.get("ctx", {})
    details = InitErrorDetails(type=kind, loc=path, input=finding["input"], ctx=context)
    if kind == "extra_forbidden" and len(path) == 1:
        nearest_field = did_you_mean(path[0], names) or "; leave it out"
        return {**details, "type": PydanticCustomError("unknown_field", f"is unknown{nearest_field}")}
    if kind not in _PYDANTICS_OWN:
        return {**details, "type": PydanticCustomError(kind, finding["msg"])}
    return details


def with_options(value: object) -> object:
    """Options of a sampler or pruner as an object: a bare name means the defaults."""
    return {"name": value} if isinstance(value, str) else value


def plain_sentence(message: str) -> str:
    """Pydantic's words as ours: `Value error, must be odd` and `Input should be odd` as `must be odd`."""
    message = message.removeprefix("Value error, ")
    return message.replace("Input should be", "must be").replace("String should have", "must have")
