"""Pages of a list, problems, and times in UTC, which all responses share."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, Field

UtcTime = Annotated[datetime, AfterValidator(lambda time: time.astimezone(UTC))]
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is the cursor to pass as `after`, null on the last page."""

    items: list[Item]
    next: str | None = None


class FieldProblem(BaseModel):
    """What is wrong with one field of a body or query."""

    loc: list[str | int] = Field(description="Its path; empty for the body as a whole.")
    msg: str = Field(description="What would be right.")


class Problem(BaseModel):
    """An error, as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str | None = Field(None, description="The answer's X-Request-ID: the server's log has it too.")
    errors: list[FieldProblem] | None = None
