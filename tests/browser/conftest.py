"""A real Chromium, one for all tests; a page of its own for each, which must not complain in its console.

What they share ends with the last of them: an idle browser, server and worker take time from the tests that follow.
"""

import shutil
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect, sync_playwright
from sqlalchemy import Engine

from app.config import Settings
from app.db.engine import connect
from tests.conftest import new_database, service_with_worker
from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import BODY, RATES_AND_WIDTHS, expect_live, is_same_document, mark_document, post

WAIT_MS = 60_000  # of a busy machine
expect.set_options(timeout=WAIT_MS)

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in BROWSERS if (found := shutil.which(name))), "")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip(
            "no Chromium here: `make test` installs Debian's where it can (apt-get install chromium-headless-shell)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def shared_settings(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Those of a server with one worker, for tests that look at sweeps and leave them to the next test."""
    with new_database(postgres, template) as url:
        home = tmp_path_factory.mktemp("shared")
        yield Settings(home=home, DATABASE_URL=url, port=0, workers=0, device="cpu", lease_seconds=5)


@pytest.fixture(scope="package")
def shared_server(shared_settings: Settings) -> Iterator[str]:
    """The URL of that server."""
    with service_with_worker(shared_settings) as service:
        yield service.url


@pytest.fixture(scope="package")
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
    listen(page, complaints)
    yield page
    assert complaints == []


def listen(page: Page, complaints: list[str]) -> None:
    """Notes what the page says in its console."""

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def broke(error: Error) -> None:
        complaints.append(f"exception: {error}")

    page.on("console", heard)
    page.on("pageerror", broke)


@pytest.fixture(scope="package")
def path(shared_server: str) -> str:
    """A completed sweep of 14 trials, which many tests look at."""
    body = BODY | {"name": "looked at", "space": RATES_AND_WIDTHS, "sampler": "random", "n_trials": 14}
    path = post(shared_server, body)
    wait_until(lambda: httpx.get(f"{shared_server}/api/v1{path}").json()["state"] == "completed")
    return path


@pytest.fixture
def sweep(page: Page, path: str) -> Iterator[Page]:
    """A page that shows it."""
    page.goto(path)
    expect_live(page)
    mark_document(page)
    yield page
    assert is_same_document(page)
