"""Rows in Postgres's binary format."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app.db.engine import transaction
from app.queries.binary import read_binary


def test_a_connection_that_ends_is_told_as_by_other_statements(engine: Engine) -> None:
    """The server says then that the database is away; and who comes next gets another connection."""
    with pytest.raises(OperationalError, match="terminating connection"), transaction(engine) as session:
        read_binary(session, "SELECT pg_terminate_backend(pg_backend_pid())", {})
    with transaction(engine) as session:
        assert read_binary(session, "SELECT %(number)s::float8", {"number": 0.1}) == [(0.1,)]
