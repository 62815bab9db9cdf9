"""Changing a sweep and its trials in a real browser, while its page is live."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.web.sweep_pages import BODY, LONG, expect_live, expect_state, is_same_document, mark_document, post

pytestmark = pytest.mark.browser

RANDOM = LONG | {"name": "endless", "sampler": "random", "n_trials": 1}


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


@pytest.fixture
def long_path(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The path of a sweep that trains until the test has ended."""
    path = post(server, getattr(request, "param", LONG))
    yield path
    httpx.post(f"{server}/api/v1{path}/cancel").raise_for_status()


def test_words_and_tags_are_edited_in_place(page: Page, long_path: str) -> None:
    """What is typed outlives the page's own refreshes, is shown at once, and its tag finds the sweep in the list."""
    page.goto(long_path)
    expect_state(page, "running")
    expect_live(page)
    mark_document(page)
    page.get_by_role("button", name="Edit…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("renamed")
    dialog.get_by_label("Tags").fill("night, b")
    dialog.get_by_label("Priority").fill("3")
    with page.expect_response(lambda answer: answer.request.method == "GET" and "/sweeps/" in answer.url):
        page.evaluate("document.body.dispatchEvent(new Event('live'))")
    expect(dialog.get_by_label("Name")).to_have_value("renamed")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("renamed")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".sweep-about")).to_contain_text("priority 3")
    assert is_same_document(page)
    page.locator(".sweep-about").get_by_role("link", name="night").click()
    page.wait_for_url("**/?tag=night")
    expect(page.get_by_role("row", name="renamed")).to_be_visible()


@pytest.mark.parametrize("long_path", [RANDOM], ids=["random"], indirect=True)
def test_a_sweep_is_extended(page: Page, long_path: str) -> None:
    """Further trials wait in the same sweep."""
    page.goto(long_path)
    expect_state(page, "running")
    page.get_by_role("button", name="Add trials…").click()
    expect(page.get_by_label("Further trials")).to_be_focused()
    page.get_by_label("Further trials").fill("4")
    page.get_by_role("button", name="Add them").click()
    expect(page.locator(".summary-panel")).to_contain_text("4 waiting")


def test_the_best_trial_is_excluded_and_included(page: Page, server: str) -> None:
    """The star moves to the next best and back, and the view of the trials stays as it was."""
    path = post(server, BODY)
    page.goto(f"{path}?order_by=-value")
    expect_state(page, "completed")
    best = httpx.get(f"{server}/api/v1{path}").json()["best"]["number"]
    mark_document(page)
    row = page.locator(f"#trial-{best}")
    expect(row).to_have_class("best-row")
    page.locator(f"#open-{best}").click()
    panel = page.get_by_role("complementary")
    panel.get_by_role("button", name="Exclude").click()
    expect(row).to_contain_class("excluded-row")
    expect(page.locator(".trial-table tbody.best-row")).to_have_count(1)
    panel.get_by_role("button", name="Include").click()
    expect(row).to_contain_class("best-row")
    assert is_same_document(page)
    assert page.url.endswith(f"?order_by=-value&trial={best}")


def test_one_running_trial_is_cancelled(page: Page, long_path: str) -> None:
    """Its neighbour goes on."""
    page.goto(long_path)
    expect_state(page, "running")
    page.locator("#open-0").click()
    page.get_by_role("complementary").get_by_role("button", name="Cancel").click()
    expect(page.locator("#trial-0 .badge")).to_have_text("cancelled")
    expect(page.locator("#trial-1 .badge")).to_have_text("running")


def test_trials_are_trained_longer(page: Page, server: str) -> None:
    """The best ones by a dialog and a single one by the form in its row: new trials that say where they come from."""
    page.goto(post(server, BODY))
    expect_state(page, "completed")
    mark_document(page)
    page.get_by_role("button", name="Train longer…").click()
    expect(page.get_by_label("Epochs, all together")).to_have_value("6")
    page.get_by_label("Configurations").fill("2")
    page.get_by_role("dialog").get_by_role("button", name="Train longer").click()
    expect(page.locator("#trial-7")).to_contain_text("on to 6 epochs")
    expect_state(page, "completed")
    page.locator("#open-0").click()
    panel = page.get_by_role("complementary")
    panel.get_by_label("Train on to").fill("4")
    panel.get_by_role("button", name="Train longer").click()
    expect(page.locator("#trial-8")).to_contain_text("trial 0 on to 4 epochs")
    assert is_same_document(page)
