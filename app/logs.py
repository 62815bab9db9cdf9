"""Logging: one line an event, to standard error or to a file."""

import logging
import sys
import time
from pathlib import Path


class _OneLine(logging.Formatter):
    """Times in UTC; a traceback follows its event, indented, so that every event starts a line of its own."""

    converter = time.gmtime  # type: ignore[assignment]

    def formatException(self, ei: object) -> str:  # noqa: N802 (logging's name)
        return "\n".join("    " + line for line in super().formatException(ei).splitlines())  # type: ignore[arg-type]


def configure(source: str, file: Path | None = None) -> None:
    """Sends this process's log to standard error, or to a file; `source` stands in each line."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file) if file is not None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(f"%(asctime)sZ {source} %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("httpx", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
