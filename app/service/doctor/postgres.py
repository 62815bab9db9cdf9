"""How the database is: reachable, of which version, with how many connections, its tables and its clock."""

import time
from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.config import Settings
from app.db.engine import connect, first_line
from app.db.migrations import revision_state
from app.errors import PerceptuneError
from app.service.database import database
from app.service.doctor.finding import Finding, fail, ok, warn

OLDEST_VERSION = 15
FEW_CONNECTIONS = 60  # of a server's two pools, a few workers and a tool
MAX_CLOCK_SECONDS = 2.0


def findings(settings: Settings) -> Iterator[Finding]:
    """Of the database that the settings name, or of the embedded one, which is started for it if it does not run."""
    try:
        with database(settings) as located:
            assert located.database_url is not None
            engine = connect(located.database_url)
            with engine.connect() as connection:
                yield from _look(connection)
            engine.dispose()
    except DBAPIError as error:
        yield fail("postgres", f"{first_line(error)}: see that it runs, and that DATABASE_URL is right.")
    except PerceptuneError as error:
        yield fail("postgres", error.detail)


def _look(connection: Connection) -> Iterator[Finding]:
    version = str(connection.scalar(text("SHOW server_version")))
    if int(version.partition(".")[0]) < OLDEST_VERSION:
        yield fail("postgres", f"This is Postgres {version}: use {OLDEST_VERSION} or later; 18 is what is tested.")
    else:
        yield ok("postgres", f"Postgres {version} answers.")
    yield _connections(connection)
    yield _migrations(connection)
    yield _clock(connection)


def _connections(connection: Connection) -> Finding:
    limit = int(connection.scalar(text("SHOW max_connections")) or 0)
    count = connection.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
    words = f"{count} of {limit} connections are in use"
    if limit < FEW_CONNECTIONS:
        return warn("connections", f"{words}: raise max_connections to {FEW_CONNECTIONS} or more.")
    return ok("connections", f"{words}.")


def _migrations(connection: Connection) -> Finding:
    state = revision_state(connection)
    if state == "none":
        return ok("tables", "There are none yet: `perceptune up` makes them.")
    if state == "older":
        return warn(
            "tables", "They are of an earlier version: `perceptune up` or `perceptune db upgrade` changes them."
        )
    if state == "newer":
        return fail("tables", "They are those of a newer Perceptune: use that one, or another DATABASE_URL.")
    return ok("tables", "They are those of this version.")


def _clock(connection: Connection) -> Finding:
    before = time.time()
    their_time = float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
    seconds = abs(their_time - (before + time.time()) / 2)
    if seconds > MAX_CLOCK_SECONDS:
        return warn("clock", f"It differs by {seconds:.0f} s from the database's, which decides: set both by NTP.")
    return ok("clock", "It agrees with the database's.")
