"""Sweeps that browser tests post, and what they wait for on the pages."""

import httpx2 as httpx
from playwright.sync_api import Page, expect

BODY = {
    "name": "rates",
    "dataset": "digits",
    "space": {"learning_rate": [0.01, 0.1, 1.0], "hidden_units": [8, 32], "epochs": 3},
    "sampler": "grid",
    "seeds": 2,
}
RATES_AND_WIDTHS = {"learning_rate": {"low": 0.01, "high": 1.0, "log": True}, "hidden_units": [4, 8, 16], "epochs": 3}
LONG = BODY | {"name": "long", "space": {"hidden_units": [8, 16], "batch_size": 16, "epochs": 10_000}, "seeds": 1}


def post(server: str, body: dict[str, object]) -> str:
    """The path of a new sweep's page."""
    answer = httpx.post(f"{server}/api/v1/sweeps", json=body)
    assert answer.status_code == 201, answer.text
    return f"/sweeps/{answer.json()['id']}"


def expect_state(page: Page, state: str) -> None:
    """Waits until the page says that the sweep is in this state."""
    expect(page.locator("h1 .badge")).to_have_text(state)


def expect_live(page: Page) -> None:
    """Waits until the page follows the server's events."""
    expect(page.locator("#connection")).to_have_text("live")


def is_same_document(page: Page) -> bool:
    """Whether the page was never loaded again since `mark_document`."""
    return bool(page.evaluate("window.untouched === true"))


def mark_document(page: Page) -> None:
    """Leaves a mark that is gone when the page is loaded again."""
    page.evaluate("window.untouched = true")
