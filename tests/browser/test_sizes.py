"""What pages show at the size of a phone, and of a laptop without scrolling, in a real browser."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.web.sweep_pages import BODY, expect_state, post

pytestmark = pytest.mark.browser

PHONE, LAPTOP = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
SCREENS = 5  # of a phone: as far as somebody scrolls to find a name
LINES = 3  # of a row, and what is around them
WIDE = {"learning_rate": {"low": 0.01, "high": 1.0, "log": True}, "hidden_units": {"low": 4, "high": 32}, "epochs": 1}


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


@pytest.fixture
def phone(browser: Browser, server: str) -> Iterator[Page]:
    page = browser.new_page(base_url=server, viewport=PHONE, has_touch=True)
    yield page
    page.close()


@pytest.fixture(scope="module")
def path(server: str) -> str:
    """A sweep of enough configurations to tell what matters."""
    body = BODY | {"name": "what matters", "space": WIDE, "sampler": "random", "n_trials": 24}
    return post(server, body)


def test_hyperparameters_are_found_on_a_phone(phone: Page) -> None:
    """A line for each; what is said of it opens at a touch, or by its address."""
    phone.goto("/hyperparameters")
    assert phone.evaluate("document.documentElement.scrollHeight") < SCREENS * PHONE["height"]
    entry = phone.locator("details", has=phone.locator("#momentum"))
    expect(entry.get_by_text("default")).to_be_hidden()
    entry.locator("summary").click()
    expect(entry.get_by_text("default")).to_be_visible()
    phone.goto("/sweeps/new")
    phone.goto("/hyperparameters#momentum")
    expect(phone.locator("details[open] #momentum")).to_have_count(1)
    expect(phone.locator("details[open]")).to_have_count(1)
    expect(phone.locator("details[open] summary")).to_be_in_viewport()


def test_titles_of_charts_fit_a_phone(phone: Page, path: str) -> None:
    """The longest of them ends within its chart, also where that is presented."""
    phone.goto(path)
    expect_state(phone, "completed")
    phone.locator("#further-charts > summary").click()
    for name in ("parallel_coordinates", "edf", "importance"):
        title = phone.locator(f"#{name} .gtitle")
        title.scroll_into_view_if_needed()
        box, chart = title.bounding_box(), phone.locator(f"#{name}").bounding_box()
        assert box is not None
        assert chart is not None
        assert box["x"] + box["width"] <= chart["x"] + chart["width"], name
    phone.get_by_role("button", name="Present: What matters").click()
    expect(phone.locator("#importance-panel")).to_contain_class("presented")
    box = phone.locator("#importance .gtitle").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]


def test_a_shared_sweep_is_short_on_a_phone(phone: Page, server: str, path: str) -> None:
    """Two lines for each trial, of which the ten best come first; the others at a touch."""
    phone.goto(path)
    expect_state(phone, "completed")
    made = httpx.post(f"{server}/api/v1{path}/share", json={}).raise_for_status().json()
    phone.goto(made["url"])
    rows = phone.locator(".trial-table tbody")
    expect(rows.locator("visible=true")).to_have_count(10)
    boxes = [box for row in rows.locator("visible=true").all() if (box := row.bounding_box())]
    assert max(box["height"] for box in boxes) < LINES * 24
    values = [float(text.split()[0]) for text in rows.locator(".row-value").all_inner_texts()[:10]]
    assert values == sorted(values, reverse=True)
    assert phone.evaluate("document.documentElement.scrollHeight") < SCREENS * PHONE["height"]
    phone.get_by_text("Show all 24 rows").click()
    expect(rows.locator("visible=true")).to_have_count(24)


def test_what_matters_is_seen_at_once(page: Page, path: str) -> None:
    """On the page of a sweep, without scrolling or opening anything; a button leads to its chart, the second one."""
    page.set_viewport_size(LAPTOP)
    page.goto(path)
    expect_state(page, "completed")
    expect(page.locator(".matters")).to_be_in_viewport(ratio=1)
    expect(page.locator(".chart-grid .chart").nth(1)).to_have_id("importance")
    page.locator("#tab-setup").click()
    page.locator(".matters").get_by_role("button", name="Chart").click()
    expect(page.locator("#importance")).to_be_in_viewport(ratio=1)
