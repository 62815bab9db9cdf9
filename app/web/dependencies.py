"""What routes are given: the database session of their request, and the page of a list."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant
from sqlalchemy.orm import Session

from app import schemas
from app.db.engine import transaction
from app.errors import FieldError, InvalidError


def _session(request: Request) -> Iterator[Session]:
    with transaction(request.app.state.engine) as session:
        yield session


# scope="function": the transaction is committed before the answer is sent, so what was answered is stored
DatabaseSession = Annotated[Session, Depends(_session, scope="function")]

Limit = Annotated[int, Query(ge=1, le=1000, description="Items a page.")]
Cursor = Annotated[int | None, Query(ge=0, le=2**62, description="The `next` of the page before.")]


def known_query(request: Request) -> None:
    """Refuses query parameters that the call does not have: a misspelt filter must not answer with everything."""
    known = sorted(_query_names(request.scope["route"].dependant))
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        right = f"is unknown; this call has {', '.join(known)}" if known else "is unknown; this call has no parameters"
        errors = [FieldError(("query", name), right) for name in dict.fromkeys(unknown)]
        raise InvalidError(f"The query parameter {', '.join(dict.fromkeys(unknown))} {right}.", errors)


def _query_names(dependant: Dependant) -> set[str]:
    inner = (_query_names(one) for one in dependant.dependencies)
    return {field.alias for field in dependant.query_params}.union(*inner)


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """How the OpenAPI document shows the errors of a call."""
    content = {"application/problem+json": {"schema": schemas.Problem.model_json_schema()}}
    return {status: {"description": "Problem", "content": content} for status in sorted({422, *statuses})}
