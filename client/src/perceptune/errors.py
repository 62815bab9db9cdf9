"""The errors of the client: a server that can't be reached, and what a server refuses, with the fields' paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import httpx

from perceptune import _models

MAX_WORDS = 300  # characters of what another program's error says


class FieldProblem(NamedTuple):
    """What is wrong with one field that was sent."""

    loc: tuple[str | int, ...]
    """Its path, e.g. `("space", "learning_rate", "low")`."""
    msg: str
    """What would be right."""

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.loc))} {self.msg}".strip()


class PerceptuneError(Exception):
    """Whatever goes wrong here that a user can do something about."""


class UnreachableError(PerceptuneError):
    """No answer came: no server is there, or the connection broke."""


class ModelFileError(PerceptuneError):
    """The bytes are no model file, or not one that this client can compute."""


class DownloadError(PerceptuneError):
    """A published data set that can't be had: no network, or what came is not what it should be."""


class MlflowError(PerceptuneError):
    """No MLflow answers where an export shall go, or it refuses what it is sent."""


class WandbError(PerceptuneError):
    """W&B's client can't write what it is given, or its service does not take it."""


class ProblemError(PerceptuneError):
    """What the server answers in place of what was asked for (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str, fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__("\n  ".join([detail, *map(str, fields)]))
        self.status = status
        self.title = title
        self.detail = detail
        self.fields = tuple(fields)


class InvalidError(ProblemError):
    """422: fields that can't be used, each in `fields` with its path and what would be right."""


class UnauthorizedError(ProblemError):
    """401: the server needs a key, and this is none of its."""


class ForbiddenError(ProblemError):
    """403: the key's role does not allow it."""


class NotFoundError(ProblemError):
    """404: nothing has this number or name."""


class ConflictError(ProblemError):
    """409: not in the present state of the sweep or trial."""


class BusyError(ProblemError):
    """429 or 503, also after the tries that the client makes by itself."""


_KINDS: dict[int, type[ProblemError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    429: BusyError,
    503: BusyError,
}


def in_short(error: Exception) -> str:
    """The first line of what another program's error says, or the error's name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:MAX_WORDS]


def problem_of(response: httpx.Response) -> ProblemError:
    """The error that an answer is."""
    kind = _KINDS.get(response.status_code, ProblemError)
    try:
        problem = _models.Problem.model_validate_json(response.content)
    except ValueError:  # something between here and the server has answered
        return kind(response.status_code, response.reason_phrase, f"{response.url} answers {response.status_code}.")
    fields = [FieldProblem(tuple(field.loc), field.msg) for field in problem.errors or []]
    return kind(problem.status, problem.title, problem.detail, fields)
