"""Logging: one line an event, as text or as JSON, to standard error or to a file."""

import json
import logging
import sys
import time
import unicodedata
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Format = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; every line that is logged meanwhile has it."""


# Categories of Unicode: control characters, marks of direction, halves of pairs, ends of lines.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """The text, in which what would begin another line, or tell a terminal what to do, is written out."""
    return text if text.isprintable() else "".join(map(_written_out, text))


def _written_out(character: str) -> str:
    return repr(character)[1:-1] if unicodedata.category(character) in _UNPRINTABLE else character


class _Text(logging.Formatter):
    """Times in UTC; a traceback follows its event, indented, so that every event starts a line of its own."""

    converter = time.gmtime  # type: ignore[assignment]

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the request's id before the message."""
        number = request_id.get()
        record.request = "" if number is None else f"[{number}] "
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """The line, which stays one, and says nothing to a terminal."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 (logging's name)
        return "\n".join("    " + line for line in super().formatException(ei).splitlines())  # type: ignore[arg-type]


class _Json(logging.Formatter):
    """An object a line; what a call gives as `extra={"fields": {...}}` are members of their own."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source

    def format(self, record: logging.LogRecord) -> str:
        """The line, in ASCII, so that nothing in it can begin another one."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at.replace("+00:00", "Z"),
            "source": self._source,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


def configure(source: str, file: Path | None = None, log_format: Format = "text") -> None:
    """Sends this process's log to standard error, or to a file; `source` stands in each line."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file) if file is not None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(source, log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("httpx", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter(source: str, log_format: Format) -> logging.Formatter:
    """What makes the lines."""
    if log_format == "json":
        return _Json(source)
    return _Text(f"%(asctime)sZ {source} %(levelname)s %(request)s%(message)s", "%Y-%m-%dT%H:%M:%S")
