"""Static files, at addresses that have the version of all of them: what a module imports by its name has it too."""

import hashlib
import re
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import plotly
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
_PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PIECE_BYTES = 64 * 2**10  # sent at once, and as many are in memory for each client that reads slowly
_TAG = re.compile(r'"([^"]*)"')
_VERSION = re.compile(r"[0-9a-f]{10}/")
_FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def version() -> str:
    """Another one whenever a file is another one."""
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:10]


def asset(name: str) -> str:
    """The address of a static file, which no browser has kept from before an upgrade."""
    if name == "plotly.min.js":
        return f"/static/{name}?v={plotly.__version__}"
    return f"/static/{version()}/{name}"


class VersionedFiles(StaticFiles):
    """The static files: kept for good at addresses of this version; at all others a browser asks each time.

    A page that was open before an upgrade may still fetch by the version it knows, and gets the files of today.
    """

    def get_path(self, scope: Scope) -> str:
        """The path within the folder, without the version."""
        return _VERSION.sub("", super().get_path(scope), count=1)

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """The file, or 304."""
        answer = super().file_response(*arguments, **options)
        scope: Scope = next(item for item in (*arguments, *options.values()) if isinstance(item, dict))
        is_current = super().get_path(scope).startswith(f"{version()}/")
        answer.headers["Cache-Control"] = _FOR_GOOD if is_current else "no-cache"
        return answer


async def plotly_js(request: Request) -> Response:
    """plotly.js from the installed package, so that its version is that of the figures, or 304.

    From memory: anybody may ask for it, and to read it piece by piece would take the threads of all other calls.
    """
    content, tag = _plotly()
    is_current = request.query_params.get("v") == plotly.__version__
    headers = {"Cache-Control": _FOR_GOOD if is_current else "no-cache", "ETag": f'"{tag}"'}
    if tag in _TAG.findall(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(len(content))
    return StreamingResponse(_pieces(content), headers=headers, media_type="text/javascript")


@cache
def _plotly() -> tuple[bytes, str]:
    """The file, and what tells it from that of another version."""
    content = _PLOTLY_JS.read_bytes()
    return content, hashlib.sha256(content).hexdigest()


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]
