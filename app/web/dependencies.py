"""Parameters that routes share: the database session, numbers in the path, and the page of a list."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.access.callers import Caller
from app.db.engine import transaction
from app.errors import FieldError, InvalidError
from app.lifecycle import sweep_log


def _session(request: Request) -> Iterator[Session]:
    with transaction(request.app.state.engine) as session:
        sweep_log.set_caller(session, caller_name(request))
        yield session


# scope="function": the transaction is committed before the answer is sent, so what was answered is stored
DatabaseSession = Annotated[Session, Depends(_session, scope="function")]

SweepId = Annotated[int, Path(ge=1, le=2**62, description="Number of the sweep.")]
MAX_TRIAL_NUMBER = 2**31
TrialNumber = Annotated[
    int, Path(ge=0, le=MAX_TRIAL_NUMBER, description="Number of the trial within its sweep, from 0.")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items a page.")]
Cursor = Annotated[int | None, Query(ge=0, le=2**62, description="The `next` of the page before.")]
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=200, description="The same key makes the same thing once.")
]


def caller_name(request: Request) -> str | None:
    """The name of the key with which the request came, None where none is needed."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return None if caller is None else caller.name


def refuse_unknown_parameters(request: Request) -> None:
    """Refuses query parameters that the route does not declare: a misspelt filter must not answer with everything.

    Raises InvalidError that names them and the ones that there are.
    """
    names = sorted(_query_names(request.scope["route"].dependant))
    unknown = list(dict.fromkeys(name for name in request.query_params if name not in names))
    if unknown:
        right = f"is unknown; this call has {', '.join(names) or 'no parameters'}"
        errors = [FieldError(("query", name), right) for name in unknown]
        raise InvalidError(f"The query parameter {', '.join(unknown)} {right}.", errors)


def _query_names(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of all that it depends on."""
    inner_names = (_query_names(inner) for inner in dependant.dependencies)
    return {name for field in dependant.query_params for name in _names_in(field)}.union(*inner_names)


def _names_in(field: Any) -> Iterable[str]:
    """A parameter's name, or those of all of a model's fields, which are parameters each."""
    annotation = field.field_info.annotation
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation.model_fields if is_model else [field.alias]


async def _posted_fields(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}


PostedForm = Annotated[dict[str, str], Depends(_posted_fields)]
