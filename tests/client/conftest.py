"""One server with one worker for the tests of the client, and a sweep that it has trained."""

from collections.abc import Iterator

import pytest

from app.config import Settings
from app.service.up import Service
from perceptune import Client, Sweep
from tests.conftest import new_database, service_with_worker


@pytest.fixture(scope="package")
def trained_server(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of that server."""
    with new_database(postgres, template) as url:
        home = tmp_path_factory.mktemp("client")
        settings = Settings(home=home, DATABASE_URL=url, port=0, workers=0, device="cpu")
        with service_with_worker(settings) as service:
            yield service.url


@pytest.fixture(scope="package")
def trained(trained_server: str) -> Iterator[Sweep]:
    """Two widths on digits, two seeds each."""
    with Client(trained_server) as client:
        space = {"hidden_units": [2, 16], "epochs": 8, "learning_rate": 0.5}
        yield client.sweep("width", space=space, dataset="digits", sampler="grid", seeds=2).wait(timeout=120)


@pytest.fixture
def idle_server(settings: Settings) -> Iterator[str]:
    """The URL of a server of the test's own, whose sweeps nobody trains."""
    with Service(settings) as service:
        yield service.url
