"""How a worker's call may fail: out of reach, so that it may be made again, or refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.engine import first_line, is_gone

MAX_REASON_LENGTH = 2_000  # characters of an error that are stored with each trial
# Classes of Postgres' errors that are about what was to be written: data, constraints, limits, and what triggers raise.
_OF_CONTENT = {"22", "23", "54", "P0"}


class CallError(Exception):
    """A call of a worker that was not answered; the text says why."""


class UnreachableError(CallError):
    """It may be answered when it is made again: what answers could not be reached, or had too much to do."""


class RefusedError(CallError):
    """It would be refused again."""


class FaultError(RefusedError):
    """It was refused for no fault of what was sent: who answers has one, or lets this worker in no more."""


@contextmanager
def call_errors() -> Iterator[None]:
    """Raises what the database says within the block as CallError."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or is_gone(error):
            raise UnreachableError(first_line(error)) from error
        is_of_content = (getattr(error.orig, "sqlstate", None) or "")[:2] in _OF_CONTENT
        refusal = RefusedError if is_of_content else FaultError
        raise refusal(f"{type(error).__name__}: {first_line(error)}") from error
    except PoolTimeoutError as error:
        raise UnreachableError("all of its connections to the database are busy") from error


def reason_of(error: BaseException | None) -> str:
    """An error as it is stored with the trials against which it counts."""
    if isinstance(error, CallError):
        return str(error)
    return f"{type(error).__name__}: {first_line(error) if isinstance(error, DBAPIError) else error}"


def storable(reason: str) -> str:
    """So much of it as is stored, without what Postgres can't: U+0000, and half of a surrogate pair."""
    return reason[:MAX_REASON_LENGTH].replace("\0", "").encode(errors="replace").decode()
