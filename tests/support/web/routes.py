"""Every route of an application, with its methods."""

from collections.abc import Iterable, Iterator

from fastapi import FastAPI


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of whatever the application answers, static files aside."""
    yield from _routes(app.routes)


def _routes(entries: Iterable[object]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        router = getattr(entry, "original_router", None)
        if router is not None:
            yield from _routes(router.routes)
            continue
        for method in getattr(entry, "methods", None) or ():
            if method != "HEAD":
                yield method, str(getattr(entry, "path", ""))
