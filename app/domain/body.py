"""What posted bodies share: strict fields, options by a bare name, and pydantic's findings in our words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType, no_info_after_validator_function

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


def plain_sentence(finding: Mapping[str, Any]) -> str:
    """What pydantic found wrong with a field, as a sentence whose subject is the field: `must be odd, not 4`."""
    kind, context = finding["type"], finding.get("ctx", {})
    if nouns := _NOUNS.get(kind.rsplit("_", 1)[0] if kind.endswith(_WRONG_TYPE) else kind):
        return f"must be {nouns}, not {as_json(finding['input'])}"
    if sentence := _LENGTHS.get(kind):
        bound = context.get("min_length", context.get("max_length"))
        return sentence.format(
            f"{bound:,} {_UNITS[kind.startswith('string')][bound != 1]}", context.get("actual_length")
        )
    message: str = finding["msg"]
    return message.removeprefix("Value error, ").replace("Input should be", "must be")


_WRONG_TYPE = ("_type", "_parsing")
_NOUNS = {
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "uuid": "an id like 0f8fad5b-d9cb-469f-a165-70867728950e",
    "datetime": "a time like 2026-01-31T12:00:00Z",
    "datetime_from_date": "a time like 2026-01-31T12:00:00Z",
}
_UNITS = (("entry", "entries"), ("character", "characters"))
_LENGTHS = {
    "too_short": "must have at least {0}, not {1:,}",
    "too_long": "must have at most {0}",
    "string_too_short": "must have at least {0}",
    "string_too_long": "must have at most {0}",
}


def as_json(value: object) -> str:
    """A value that was posted, as a sentence quotes it."""
    try:
        return json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return "what is nested so deeply"


@dataclass(frozen=True)
class Matching:
    """Of a text: all of it has to match the pattern, which the sentence about a wrong one describes as `form`."""

    pattern: str
    form: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _checked(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"must be {self.form}")  # not quoted: it may be a secret
        return text
