"""The database that a process uses: the one that its settings name, or the embedded one."""

import contextlib
from collections.abc import Iterator

from app.config import Settings
from app.service.postgres.server import running


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Settings]:
    """The settings with the address of the database, which runs until the block ends. Raises StartError."""
    if settings.database_url is not None:
        yield settings
        return
    with running(settings.home) as url:
        yield settings.with_embedded_database(url)
