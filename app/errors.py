"""The errors that are meant for the user, each class with its HTTP status, each error with one sentence."""

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple


class FieldError(NamedTuple):
    """What is wrong with one field of a body: its path, and what would be right."""

    loc: tuple[str | int, ...]
    msg: str


class PerceptuneError(Exception):
    """An error that is meant for the user; anything else is a bug."""

    status = 500
    title = "Something went wrong"
    retry_after_seconds: int | None = None  # when the same call may be answered, where that is known

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class NotFoundError(PerceptuneError):
    """Nothing has this number or name."""

    status = 404
    title = "Not found"


class ConflictError(PerceptuneError):
    """The request is right, but not in the present state of what it is about."""

    status = 409
    title = "Conflict"


class InvalidError(PerceptuneError):
    """A body or a query that can't be accepted; `errors` names each field."""

    status = 422
    title = "Invalid request"


class TooSlowError(PerceptuneError):
    """A body that did not come in its time."""

    status = 408
    title = "Too slow"


class LengthRequiredError(PerceptuneError):
    """A body that does not say how long it is, where that has to be told before it is read."""

    status = 411
    title = "Length required"


class TooLargeError(PerceptuneError):
    """A body of more bytes than are accepted."""

    status = 413
    title = "Too large"


class UnauthorizedError(PerceptuneError):
    """A call without a valid key, where one is needed."""

    status = 401
    title = "API key required"


class ForbiddenError(PerceptuneError):
    """A call beyond the caller's role, one that a browser sends for a foreign page, or under a foreign host name."""

    status = 403
    title = "Refused"


class VersionError(PerceptuneError):
    """A call of a program of another version, where both ends have to be of one."""

    status = 426
    title = "Other version"


class TooManyAttemptsError(PerceptuneError):
    """Wrong keys came one after another: the next is looked at in a while."""

    status = 429
    title = "Too many attempts"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(PerceptuneError):
    """Something that the answer needs, such as the database, is not there at the moment."""

    status = 503
    title = "Not available"
    retry_after_seconds = 5


class BusyError(UnavailableError):
    """All places for such a call are taken; it can be made again a few seconds later."""


class StartError(PerceptuneError):
    """The program can't start; the sentence says what to do. Shown by the command line without a traceback."""

    title = "Can't start"


def in_short(error: BaseException) -> str:
    """The first line of what another library's error says, or the error's name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def exit_on_error(worker_packages: Collection[str] = ()) -> Iterator[None]:
    """Ends a program with one sentence and exit code 1 where an error that is meant for the user is raised.

    worker_packages: packages of the extra `worker` that may not be installed; then the sentence says how they are.
    """
    try:
        yield
    except PerceptuneError as error:
        print(f"perceptune: {error.detail}", file=sys.stderr)
        for field in error.errors:
            if _same_sentence(error.detail, field.msg):
                continue
            print(f"  {'.'.join(map(str, field.loc))} {field.msg}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in worker_packages:
            raise
        print(f"perceptune: {error.name} is missing: pip install 'perceptune[worker]'", file=sys.stderr)
        sys.exit(1)


def _same_sentence(detail: str, msg: str) -> bool:
    """Whether a sentence says no more than what is wrong with a field."""
    return detail.removesuffix(".").casefold() == msg.casefold()
