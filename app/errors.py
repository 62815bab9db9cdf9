"""One base error: the status and the title stand on the class, the sentence comes with the instance."""

from collections.abc import Sequence
from typing import NamedTuple


class FieldError(NamedTuple):
    """What is wrong with one field of a body: its path and what would be right."""

    loc: tuple[str | int, ...]
    msg: str


class PerceptuneError(Exception):
    """An error that is meant for the user; anything else is a bug."""

    status = 500
    title = "Something went wrong"

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class NotFoundError(PerceptuneError):
    status = 404
    title = "Not found"


class ConflictError(PerceptuneError):
    status = 409
    title = "Conflict"


class InvalidError(PerceptuneError):
    """A body or a query that can't be accepted; `errors` names each field."""

    status = 422
    title = "Invalid request"


class TooLargeError(PerceptuneError):
    status = 413
    title = "Too large"


class UnauthorizedError(PerceptuneError):
    status = 401
    title = "API key required"


class ForbiddenError(PerceptuneError):
    status = 403
    title = "Refused"


class UnavailableError(PerceptuneError):
    status = 503
    title = "Not available"


class StartError(PerceptuneError):
    """The program can't start; the sentence says what to do. Shown by the command line without a traceback."""

    title = "Can't start"
