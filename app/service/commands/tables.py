"""The way of a command into the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.service.commands.flags import settings_of

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextlib.contextmanager
def tables(home: str | None, database_url: str | None) -> Iterator[Engine]:
    """The engine of the database, whose tables are brought to this version first."""
    from app.db.engine import connect
    from app.db.migrations import migrate
    from app.service.database import database

    with database(settings_of(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        engine = connect(settings.database_url)
        migrate(engine)
        yield engine
        engine.dispose()
