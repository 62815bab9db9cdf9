"""A real Chromium, one for all tests; a page of its own for each, which must not complain in its console."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect, sync_playwright
from sqlalchemy import Engine

from app.config import Settings
from app.db.engine import connect
from app.service.up import Service
from tests.conftest import new_database

WAIT_MS = 20_000  # of a busy machine
expect.set_options(timeout=WAIT_MS)

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium here: `make test` installs Debian's where it can (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_settings(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Those of a server with one worker, for tests that look at sweeps and leave them to the next test."""
    with new_database(postgres, template) as url:
        home = tmp_path_factory.mktemp("shared")
        yield Settings(home=home, DATABASE_URL=url, port=0, workers=1, device="cpu", lease_seconds=5)


@pytest.fixture(scope="session")
def shared_server(shared_settings: Settings) -> Iterator[str]:
    """The URL of that server."""
    with Service(shared_settings) as service:
        yield service.url


@pytest.fixture(scope="session")
def shared_engine(shared_settings: Settings) -> Iterator[Engine]:
    """A way into that server's database."""
    engine = connect(str(shared_settings.database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=server, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """What pages said in their console, as it comes in; a test that provokes errors empties it."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Iterator[Page]:
    """A page that fails its test when there was an error in its console."""
    page = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def broke(error: Error) -> None:
        complaints.append(f"exception: {error}")

    page.on("console", heard)
    page.on("pageerror", broke)
    yield page
    assert complaints == []
