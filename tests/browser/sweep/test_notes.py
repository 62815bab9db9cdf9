"""Notes and setup on a sweep's page, in a real browser."""

import json

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.web.sweep_pages import BODY, expect_live, is_same_document, mark_document, post

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """The one for all tests of this module."""
    return shared_server


@pytest.fixture
def paused_sweep(server: str) -> str:
    """The path of a sweep that stays as it is."""
    path = post(server, BODY | {"name": "noted", "priority": -100})
    httpx.post(f"{server}/api/v1{path}/pause")
    return path


def test_notes_are_written_in_place(page: Page, paused_sweep: str) -> None:
    """What is typed outlives news of the sweep; saved, it is Markdown that runs nothing and calls nobody else."""
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(paused_sweep)
    expect_live(page)
    mark_document(page)
    page.get_by_text("Add notes").click()
    field = page.get_by_label("Notes", exact=True).and_(page.get_by_role("textbox"))
    expect(field).to_be_focused()
    notes = (
        "# Why\n**bold** <script>window.attacked = true</script>\n"
        "![far](http://192.0.2.1/p.png) [run](javascript:window.attacked=true)"
    )
    field.fill(notes)
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.evaluate("document.body.dispatchEvent(new Event('live'))")
    expect(field).to_have_value(notes)
    page.get_by_role("button", name="Save notes").click()
    expect(page.locator("#notes h3")).to_have_text("Why")
    expect(page.locator("#notes strong")).to_have_text("bold")
    expect(page.locator("#notes").get_by_role("link", name="far")).to_be_visible()
    expect(page.locator("#notes .markdown")).to_contain_text("<script>")
    expect(field).to_be_hidden()
    assert page.evaluate("window.attacked") is None
    assert [url for url in requested if "192.0.2.1" in url] == []
    assert is_same_document(page)


def test_the_setup_is_copied(page: Page, server: str, paused_sweep: str) -> None:
    """The tab has the body, and its button puts it into the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{paused_sweep}?tab=setup")
    expect_live(page)
    json_part = page.locator("#setup-json")
    expect(json_part.locator("pre")).to_contain_text('"name": "noted"')
    json_part.get_by_role("button", name="Copy").click()
    expect(json_part.get_by_role("button", name="Copied")).to_be_visible()
    body = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert httpx.post(f"{server}/api/v1/sweeps/preview", json=body).json()["n_trials"] == 6
    page.get_by_text("curl", exact=True).click()
    page.evaluate("document.body.dispatchEvent(new Event('live'))")
    expect(page.locator("#setup-curl pre")).to_be_visible()
