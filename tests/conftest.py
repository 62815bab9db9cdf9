"""A real Postgres for all tests, a database of its own for each, and a real server with a real worker."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, make_url, text

from app.config import Settings
from app.db.engine import connect
from app.db.migrations import migrate
from app.db.tables import Base
from app.service.postgres.server import running
from app.service.up import Service
from app.web.app import create_app
from tests.support.forking import end_shared_parent
from tests.support.machine.data_folders import open_folder, place_in_memory
from tests.support.worker_processes import Nursery, environment, worker_process

os.environ["OMP_NUM_THREADS"] = "1"
for name in [*os.environ]:
    if name.startswith("PERCEPTUNE_") or name == "DATABASE_URL":
        del os.environ[name]  # the tests say themselves what they need

_numbers = count(1)

LONG_FOLDERS = ("chaos", "fuzz", "benchmarks", "worker", "browser")  # of tests that take long, the longest first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes long, so that at the end no process waits for another's long test."""
    places = {folder: place for place, folder in enumerate(LONG_FOLDERS)}
    items.sort(key=lambda item: places.get(item.nodeid.split("/")[1], len(places)))


def pytest_collection_finish() -> None:
    """What was imported stays: Python looks for no garbage in it, over and over."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def forked_processes() -> Iterator[None]:
    """What they were forked from ends with the tests."""
    yield
    end_shared_parent()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server that forgets on a power cut, for speed."""
    options = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with open_folder(place_in_memory()) as home, running(home, options) as url:
        yield url
        _administrator(url).dispose()


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """The name of a database that is migrated and never written to."""
    _execute(postgres, "CREATE DATABASE template_of_tests")
    engine = connect(_named(postgres, "template_of_tests"))
    migrate(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (FULL, FREEZE)"))  # so that there is less to copy
    engine.dispose()
    with engine.connect():  # which writes what every first connection to a copy would have to find out
        pass
    engine.dispose()
    return "template_of_tests"


@contextmanager
def new_database(postgres: str, template: str) -> Iterator[str]:
    """The URL of a new database like the template."""
    name = f"test_{next(_numbers)}"
    _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _named(postgres, name)
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(postgres: str, template: str) -> Iterator[str]:
    """A database of the test's own."""
    with new_database(postgres, template) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder that the embedded Postgres' own user can enter."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Those of a server without workers, on a free port."""
    return Settings(home=tmp_path, DATABASE_URL=database_url, port=0, workers=0, device="cpu", lease_seconds=5)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The server without a socket: for what a route answers."""
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def empty_database(postgres: str, template: str) -> Iterator[Engine]:
    """One in which nothing is to be stored."""
    with new_database(postgres, template) as url:
        engine = connect(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def strict_server(empty_database: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The server on it."""
    url = empty_database.url.render_as_string(hide_password=False)
    settings = Settings(home=tmp_path_factory.mktemp("strict"), DATABASE_URL=url, port=0, workers=0, device="cpu")
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def refusing(strict_server: TestClient, empty_database: Engine) -> Iterator[TestClient]:
    """A server that tests share, for what it refuses or only shows: whatever they send, no table has a row of it."""
    yield strict_server
    rows = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in Base.metadata.tables)
    with empty_database.connect() as connection:
        assert connection.scalars(text(rows)).all() == []


@contextmanager
def service_with_worker(settings: Settings) -> Iterator[Service]:
    """A real server on a real socket, with one real worker, whose log is in the data folder."""
    assert settings.database_url is not None
    variables = environment(settings.database_url, settings.home, settings.lease_seconds)
    with Service(settings) as service, worker_process(variables, settings.home / "worker.log"):
        yield service


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """A server with one worker."""
    with service_with_worker(settings) as service:
        yield service


@pytest.fixture
def worker(database_url: str, tmp_path: Path) -> Iterator[Path]:
    """One worker on the test's database, stopped in good order at the end; its log, which holds no traceback."""
    log = tmp_path / "log"
    with worker_process(environment(database_url, tmp_path), log) as process:
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Starts workers, and kills those that are left."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def server(service: Service) -> str:
    """The base URL of a real server with one real worker."""
    return service.url


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _execute(url: str, statement: str) -> None:
    with _administrator(url).connect() as connection:
        connection.execute(text(statement))


@cache
def _administrator(url: str) -> Engine:
    """For statements on whole databases, one connection for all tests."""
    return connect(url).execution_options(isolation_level="AUTOCOMMIT")
