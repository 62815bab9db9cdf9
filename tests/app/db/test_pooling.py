"""Addresses that lead through PgBouncer: what they say, and what connections then do without."""

import pytest
from sqlalchemy import Engine, text

from app.db.engine import connect, connect_past_pooler, direct_url, keeps_connections
from app.errors import StartError

ADDRESS = "postgresql://app:secret@pooler:6432/perceptune?sslmode=require"


@pytest.mark.parametrize(
    ("suffix", "place"),
    [
        ("", "@pooler:6432/"),
        ("&pool_mode=session", "@pooler:6432/"),
        ("&pool_mode=transaction&direct=db.example.org", "@db.example.org:5432/"),
        ("&pool_mode=transaction&direct=db.example.org:5433", "@db.example.org:5433/"),
        ("&pool_mode=transaction&direct=[::1]:5433", "@[::1]:5433/"),
    ],
)
def test_the_way_past_the_pooler(suffix: str, place: str) -> None:
    """Another place of the same database, with the same user and the same parameters of libpq."""
    engine = connect(ADDRESS + suffix)
    assert direct_url(engine) == f"postgresql://app:secret{place}perceptune?sslmode=require"
    assert keeps_connections(engine) == ("transaction" not in suffix)
    assert engine.url.query == {"sslmode": "require"}


def test_without_a_way_past_it() -> None:
    """Nobody listens; and what needs one connection from one transaction to the next says what is missing."""
    address = ADDRESS + "&pool_mode=transaction"
    assert direct_url(connect(address)) is None
    with pytest.raises(StartError, match="add &direct=HOST:PORT"):
        connect_past_pooler(address)


@pytest.mark.parametrize("suffix", ["&pool_mode=statement", "&pool_mode=transaction&direct=:x"])
def test_a_way_that_can_t_be(suffix: str) -> None:
    """The error names what was written."""
    with pytest.raises(StartError, match=suffix.rpartition("&")[2]):
        connect(ADDRESS + suffix)


def test_the_limits_of_a_shared_connection_are_those_of_a_transaction(engine: Engine) -> None:
    """They end with it, so that nobody else's transactions have them; and nothing is prepared."""
    url = engine.url.render_as_string(hide_password=False)
    shared = connect(url + ("&" if "?" in url else "?") + "pool_mode=transaction", pool_size=1, max_overflow=0)
    with shared.connect() as connection:
        for _ in range(10):
            assert connection.scalar(text("SHOW statement_timeout")) == "2min"
            connection.rollback()
        driver_connection = connection.connection.driver_connection
        assert driver_connection is not None
        assert driver_connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert driver_connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    shared.dispose()
