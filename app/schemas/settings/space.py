"""The search space as the OpenAPI document shows it; `app.domain.space` reads it, and says what is wrong with it."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Value = bool | int | float | str | list[int]
Conditions = Annotated[
    dict[str, Value | list[Value]],
    Field(description="Exists only where these hyperparameters have one of these values, e.g. {depth: [2, 3]}."),
]


class RangeDomain(BaseModel):
    """The numbers from `low` to `high`, both included."""

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = Field(False, description="Whether it is drawn by its logarithm.")
    when: Conditions | None = None


class ChoiceDomain(BaseModel):
    """One of a few values, in the form that can have a condition."""

    values: list[Value]
    when: Conditions | None = None


class ConstantDomain(BaseModel):
    """Always the same value, in the form that can have a condition."""

    value: Value
    when: Conditions | None = None


_SPACE: TypeAdapter[Any] = TypeAdapter(dict[str, RangeDomain | ChoiceDomain | ConstantDomain | list[Value] | Value])


class _Documented:
    """Shows what is any object as one of domains by the name of the hyperparameter."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_SPACE.core_schema)


SpaceBody = Annotated[dict[str, Any], _Documented()]
