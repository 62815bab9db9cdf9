"""The list of sweeps in a browser: what is typed and selected outlives news; several sweeps are changed at once."""

import re
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, Route, expect

from app.config import Settings
from app.service.up import Service
from tests.conftest import new_database
from tests.support.web.sweep_pages import BODY, expect_live, is_same_document, mark_document, post

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One without workers for all tests of this module: what is paused before it began can't have ended."""
    with new_database(postgres, template) as url:
        settings = Settings(home=tmp_path_factory.mktemp("list"), DATABASE_URL=url, port=0, workers=0, device="cpu")
        with Service(settings) as service:
            yield service.url


def paused_sweeps(server: str, tag: str, count: int) -> list[int]:
    """Sweeps with this tag that stay as they are."""
    numbers = []
    for number in range(count):
        path = post(server, BODY | {"name": f"{tag} {number}", "tags": [tag], "priority": -100})
        httpx.post(f"{server}/api/v1{path}/pause")
        numbers.append(int(path.rpartition("/")[2]))
    return numbers


def refresh(page: Page) -> None:
    """Lets the page fetch itself again, and waits until it has."""
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.evaluate("document.body.dispatchEvent(new Event('live'))")


def state_of(page: Page, number: int) -> str:
    return page.locator(f"#sweep-{number} .badge").inner_text()


def test_selection_search_and_scroll_outlive_news(page: Page, server: str) -> None:
    """Also what is selected and out of sight; a search keeps the focus and is in the address."""
    first, second, _ = paused_sweeps(server, "kept", 3)
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto("/?tag=kept")
    expect_live(page)
    mark_document(page)
    page.get_by_label("Select kept 0").check()
    page.get_by_label("Select kept 1").check()
    expect(page.locator("#selection-count")).to_have_text("2 selected")
    page.evaluate("scrollTo(0, 150)")
    refresh(page)
    assert page.evaluate("scrollY") == 150
    expect(page.get_by_label("Select kept 1")).to_be_checked()
    search = page.get_by_label("Search names, tags and notes")
    search.fill(f"#{first}")
    expect(page.locator(f"#sweep-{second}")).to_have_count(0)
    expect(search).to_be_focused()
    expect(page.locator("#selection-count")).to_have_text("2 selected, 1 of them not shown here")
    assert page.url.endswith(f"/?q=%23{first}&tag=kept")
    search.fill("")
    expect(page.get_by_label("Select kept 1")).to_be_checked()
    assert is_same_document(page)


def test_several_sweeps_are_resumed_and_cancelled(page: Page, server: str) -> None:
    """One button each, a question before what drops trials, the results of each, and an undo."""
    sweeps = paused_sweeps(server, "several", 2)
    ended_path = post(server, BODY | {"name": "ended", "tags": ["several"], "priority": -100})
    httpx.post(f"{server}/api/v1{ended_path}/cancel")
    page.goto("/?tag=several")
    expect_live(page)
    mark_document(page)
    expect(page.get_by_role("button", name="Cancel…")).to_be_disabled()
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel 2 sweeps?")
    expect(dialog).to_contain_text("12 waiting trials are dropped.")
    expect(dialog).to_contain_text("What is paused goes on then.")
    expect(dialog).to_contain_text("ended is cancelled")
    dialog.get_by_role("button", name="Keep running").click()
    expect(dialog).to_have_count(0)
    assert [state_of(page, number) for number in sweeps] == ["paused", "paused"]
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel 2 sweeps").click()
    results = page.locator(".bulk-results")
    expect(results).to_contain_text("Cancelled 2 sweeps: several 0, several 1")
    for number in sweeps:
        expect(page.locator(f"#sweep-{number} .badge")).to_have_text("cancelled")
    expect(page.locator("#selection-count")).to_have_text("Select all on this page")
    results.get_by_role("button", name="Undo").click()
    expect(results).to_contain_text("Took up the dropped trials of 2 sweeps")
    for number in sweeps:
        expect(page.locator(f"#sweep-{number} .badge")).to_have_text(re.compile("queued|running|completed"))
    assert is_same_document(page)


def test_news_of_before_a_click_do_not_undo_it(page: Page, server: str) -> None:
    """An answer that was asked for in the old order, and comes after the new one, is not shown."""
    first, second = paused_sweeps(server, "reordered", 2)
    page.goto("/?tag=reordered")
    expect_live(page)
    rows = page.locator(".sweep-table tbody tr")
    expect(rows.first).to_have_id(f"sweep-{second}")
    held: list[Route] = []
    page.route(lambda url: url.endswith("/?tag=reordered"), lambda route: held.append(route))
    page.evaluate("document.body.dispatchEvent(new Event('live'))")
    while not held:
        page.wait_for_timeout(20)
    page.get_by_role("columnheader", name="Sweep").get_by_role("link").click()
    expect(rows.first).to_have_id(f"sweep-{first}")
    with page.expect_response(lambda response: "order_by" in response.url):  # it is asked for anew
        held[0].continue_()
    expect(rows.first).to_have_id(f"sweep-{first}")


def test_sweeps_are_sorted_and_tagged(page: Page, server: str) -> None:
    """The order is in the address, also after a click on the same column; a tag is suggested and shown at once."""
    first, second = paused_sweeps(server, "sorted", 2)
    page.goto("/?tag=sorted")
    rows = page.locator(".sweep-table tbody tr")
    expect(rows.first).to_have_id(f"sweep-{second}")
    page.get_by_role("columnheader", name="Sweep").get_by_role("link").click()
    expect(rows.first).to_have_id(f"sweep-{first}")
    page.get_by_role("columnheader", name="Sweep").get_by_role("link").click()
    page.wait_for_url("**/?tag=sorted&order_by=-name")
    expect(rows.first).to_have_id(f"sweep-{second}")
    page.get_by_label("Select sorted 0").check()
    page.get_by_role("button", name="Tag…").click()
    expect(page.get_by_label("Tag", exact=True)).to_be_focused()
    page.get_by_label("Tag", exact=True).fill("for the night")
    page.keyboard.press("Enter")
    expect(page.locator(f"#sweep-{first}")).to_contain_text("for the night")
    expect(page.locator(".bulk-results")).to_contain_text("Tagged 1 sweep: sorted 0")
