"""A child process with limits on memory and time, in which files of strangers are read.

A file of some kilobytes can take gigabytes once it is unpacked. Here it takes them from a process of its own, which may
end at any moment: nobody else notices, and what it had begun to write is rolled back with its connection.
"""

import json
import logging
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from app import errors
from app.errors import BusyError, FieldError, InvalidError, PerceptuneError, UnavailableError

logger = logging.getLogger(__name__)

WAITING = 2  # times as long as it may compute: others compute too, and the database may be waited for
MAX_ANSWER_BYTES = 2**20
MAX_SENTENCE = 1_000  # characters of an error's part that the child hands over

# it has imported what a child needs, and forks one within milliseconds
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["app.files.imports", "app.files.tables.storing"])


@dataclass(frozen=True)
class Limits:
    """What a child may take."""

    memory_bytes: int = 2 * 2**30
    seconds: float = 300.0
    """Of a processor."""
    advice: str = "export the sweep without its epochs"
    """What to do where the memory or the time is not enough."""


LIMITS = Limits()


def run_in_child(work: Callable[..., Any], *arguments: Any, limits: Limits | None = None) -> Any:
    """What `work`, a function of a module, returns as JSON can hold it; computed in a child process.

    Raises the errors that are meant for the user as the child raised them, and InvalidError where it came to a limit.
    """
    limits = limits or LIMITS
    receiver, sender = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_answer, args=(sender, limits, work, arguments), daemon=True)
    with receiver:
        with sender:
            process.start()
        try:
            if not receiver.poll(WAITING * limits.seconds):
                raise _too_long(limits)
            answer = json.loads(receiver.recv_bytes(MAX_ANSWER_BYTES))
        except (EOFError, OSError):  # it was killed, or ended itself where memory was lacking
            process.join()
            raise _error_of_end(process.exitcode, limits) from None
        finally:
            process.kill()
            process.join()
    if "error" in answer:
        raise _error_of(answer["error"])
    return answer["result"]


def _answer(sender: Connection, limits: Limits, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Runs in the child: sends what the work returned, or how it failed."""
    _limit_self(limits)
    try:
        answer = {"result": work(*arguments)}
    except PerceptuneError as error:
        answer = {"error": _fields_of(error)}
    except (OperationalError, InterfaceError):
        answer = {"error": _fields_of(UnavailableError("The database can't be reached right now; try again."))}
    except MemoryError:
        answer = {"error": _fields_of(_too_much_memory(limits))}
    except Exception:
        logger.exception("unexpected error while a file was read")
        answer = {"error": _fields_of(PerceptuneError("This is a bug of the server; its log says more."))}
    sender.send_bytes(json.dumps(answer).encode())


def _limit_self(limits: Limits) -> None:
    """Bounds this process: its memory beyond what it has now, its computing time, and no dump where it fails.

    Where the machine's or the container's memory ends, the system ends this process, and not the server.
    """
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others reserve more than they use
    seconds = ceil(limits.seconds)
    bounds = {resource.RLIMIT_CPU: (seconds, seconds + 1), resource.RLIMIT_CORE: (0, 0)}
    with suppress(OSError):  # not on macOS
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + limits.memory_bytes
        bounds[resource.RLIMIT_AS] = (size, size)
        Path("/proc/self/oom_score_adj").write_text("1000")
    for kind, bound in bounds.items():
        with suppress(OSError, ValueError):  # a lower limit stands already
            resource.setrlimit(kind, bound)


def _error_of_end(exit_code: int | None, limits: Limits) -> PerceptuneError:
    """Why a child ended itself, or was ended, without an answer."""
    if exit_code == -signal.SIGKILL:
        return BusyError(f"The server lacks memory to read the file now: try again later, or {limits.advice}.")
    return (_too_long if exit_code == -signal.SIGXCPU else _too_much_memory)(limits)


def _too_long(limits: Limits) -> InvalidError:
    return InvalidError(f"The file takes more than {limits.seconds:g} seconds to read: {limits.advice}.")


def _too_much_memory(limits: Limits) -> InvalidError:
    return InvalidError(
        f"The file takes more than {limits.memory_bytes / 2**30:g} GiB of memory to read: {limits.advice}."
    )


def _fields_of(error: PerceptuneError) -> dict[str, Any]:
    fields = [[list(field.loc), field.msg[:MAX_SENTENCE]] for field in error.errors]
    return {"class": type(error).__name__, "detail": error.detail[:MAX_SENTENCE], "errors": fields}


def _error_of(fields: dict[str, Any]) -> PerceptuneError:
    """The error anew, of its own class."""
    error_class = getattr(errors, fields["class"], PerceptuneError)
    error: PerceptuneError = error_class(
        fields["detail"], [FieldError(tuple(loc), msg) for loc, msg in fields["errors"]]
    )
    return error
