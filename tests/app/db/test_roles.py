"""Two roles of Postgres, as docs/security.md makes them: an owner that migrates, a plain one that serves and trains."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from app.config import Settings
from app.db.engine import connect
from app.db.migrations import migrate
from app.errors import StartError
from app.service.up import Service
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

DATABASE = "of_two_roles"
OWNER, PLAIN = "perceptune_owner", "perceptune_app"


def statements() -> list[str]:
    """Those of the document, without its passwords and with a database of the test's own."""
    (block,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), re.DOTALL)
    block = re.sub(r" PASSWORD '[^']*'", "", block).replace("DATABASE perceptune", f"DATABASE {DATABASE}")
    return [statement.strip() for statement in block.split(";") if statement.strip()]


def run(url: str, *lines: str) -> None:
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for line in lines:
            connection.execute(text(line))
    engine.dispose()


def acting_as(url: str, role: str) -> str:
    """The URL under which every connection is this role's: the embedded Postgres lets nobody else log in."""
    return make_url(url).update_query_dict({"options": f"-c role={role}"}).render_as_string(hide_password=False)


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """An empty database with its two roles, of which the URL says neither."""
    before: list[str] = []
    after: list[str] = []
    for statement in statements():
        (after if "IN SCHEMA" in statement else before).append(statement)
    url = make_url(postgres).set(database=DATABASE).render_as_string(hide_password=False)
    run(postgres, *before)
    run(url, *after)
    yield url
    run(postgres, f"DROP DATABASE {DATABASE} WITH (FORCE)", f"DROP ROLE {OWNER}", f"DROP ROLE {PLAIN}")


@pytest.fixture
def plain(database: str) -> Iterator[Engine]:
    engine = connect(acting_as(database, PLAIN))
    yield engine
    engine.dispose()


def test_the_plain_role_serves_and_trains_and_can_not_drop(database: str, plain: Engine, settings: Settings) -> None:
    """Before the owner has made the tables it says so; afterwards all of it works, and no table can be taken away."""
    with pytest.raises(StartError, match="can't be brought to this version: permission denied"):
        migrate(plain)
    owner = connect(acting_as(database, OWNER))
    migrate(owner)
    owner.dispose()
    changes = {"database_url": acting_as(database, PLAIN), "workers": 1}
    with Service(settings.model_copy(update=changes)) as service, httpx2.Client(base_url=service.url) as api:
        space = {"hidden_units": [4], "epochs": 1}
        body = {"name": "plain", "dataset": "digits", "space": space, "sampler": "grid"}
        sweep = api.post("/api/v1/sweeps", json=body).raise_for_status().headers["Location"]
        wait_until(lambda: api.get(sweep).json()["state"] == "completed")
        api.delete(sweep).raise_for_status()
    for statement in ("DROP TABLE sweeps", "TRUNCATE keys", "ALTER TABLE trials ADD x int", "CREATE TABLE x ()"):
        with pytest.raises(ProgrammingError, match=r"must be owner|permission denied"), plain.begin() as connection:
            connection.execute(text(statement))
