"""What people come for, from end to end: a lesson that is presented and printed, and two who look at one sweep."""

import re
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import BODY, expect_live, expect_state, is_same_document, mark_document, post

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


@pytest.fixture(scope="module")
def path(server: str) -> str:
    """A completed grid of six trials."""
    path = post(server, BODY | {"name": "a lesson", "tags": ["lesson"]})
    wait_until(lambda: httpx.get(f"{server}/api/v1{path}").json()["state"] == "completed")
    return path


@pytest.fixture
def second(browser: Browser, server: str) -> Iterator[Page]:
    """Somebody else, who looks at a phone in the dark."""
    context = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, color_scheme="dark")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def test_a_sweep_from_the_form_to_a_prediction(page: Page) -> None:
    """Started, watched, extended, compared, its best confirmed, downloaded and asked, on one page that stays."""
    page.goto("/sweeps/new?dataset=digits")
    page.get_by_label("Name", exact=True).fill("a whole journey")
    page.get_by_label("Sampler").select_option("random")
    page.get_by_label("Trials", exact=True).fill("3")
    page.get_by_label("epochs", exact=True).fill("3")
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url(re.compile(r"/sweeps/\d+$"))
    mark_document(page)
    expect_state(page, "completed")
    page.get_by_role("button", name="Add trials…").click()
    page.get_by_role("spinbutton", name="Further trials").fill("1")
    page.get_by_role("button", name="Add them").click()
    expect(page.locator("tbody[data-number]")).to_have_count(4)
    expect(page.locator("#trial-3 .badge")).to_have_text("complete")
    expect_state(page, "completed")
    for number in (0, 3):
        page.get_by_label(f"Select trial {number}", exact=True).check()
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator(".comparison")).to_contain_text(re.compile(r"[Tt]rial (0|3)"))
    page.get_by_role("tab", name="Overview").click()
    page.locator("#confirm-k").fill("2")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator("tbody.member-row").first).to_be_visible()
    expect_state(page, "completed")
    expect(page.locator(".known-best dt")).to_contain_text(re.compile(r"\((?!1 run)\d+ runs\)"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download model").click()
    assert download.value.path().stat().st_size > 64
    assert is_same_document(page)
    page.get_by_role("link", name="Predict…").click()
    page.wait_for_url("**/predict")
    page.wait_for_load_state()
    page.get_by_label("Or a row of 64 numbers").fill(" ".join(["16", "0"] * 32))
    expect(page.locator(".answer-bars li")).to_have_count(10)


def test_a_teacher_presents_and_prints(page: Page, path: str) -> None:
    """A chart fills the screen in larger type and comes back as it was; on paper all is dark on light and fits."""
    page.emulate_media(color_scheme="dark")
    page.goto(path)
    title = page.locator("#effect .gtitle")
    expect(title).to_be_visible()
    size = title.evaluate("title => parseFloat(getComputedStyle(title).fontSize)")
    page.get_by_role("button", name="Present: Value against a hyperparameter").click()
    panel = page.locator("#effect-panel")
    expect(panel).to_contain_class("presented")
    wait_until(lambda: title.evaluate("title => parseFloat(getComputedStyle(title).fontSize)") > 1.5 * size)
    box = panel.bounding_box()
    assert box is not None
    assert box["width"] >= 1280
    assert box["height"] >= 850
    page.keyboard.press("Escape")
    expect(panel).not_to_contain_class("presented")
    wait_until(lambda: abs(title.evaluate("title => parseFloat(getComputedStyle(title).fontSize)") - size) < 0.1)
    page.emulate_media(color_scheme="dark", media="print")
    expect(page.locator("body")).to_have_css("color", "rgb(27, 33, 39)")
    for clicked in (".site-header", ".sweep-header .actions", ".tabs", "#lens-top", ".chart-tools >> nth=0"):
        expect(page.locator(clicked)).to_be_hidden()
    expect(page.locator(".trial-table")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#effect .main-svg").first).to_have_attribute("width", "680")
    page.set_viewport_size({"width": 680, "height": 900})
    assert page.locator(".trial-table").evaluate("table => table.getBoundingClientRect().right") <= 680
    page.evaluate("dispatchEvent(new Event('afterprint'))")


def test_what_is_filtered_is_shared_by_its_address(page: Page, second: Page, path: str) -> None:
    """Lens, order, selection and tab are the same for whoever opens it, on another screen."""
    page.goto(f"{path}?where=hidden_units=8&tab=compare")
    rows = page.locator("tbody[data-number]")
    expect(rows).to_have_count(3)
    page.get_by_role("columnheader", name="learning_rate").get_by_role("link").click()
    page.wait_for_url("**order_by=*")
    for place in (0, 2):
        rows.nth(place).get_by_role("checkbox").check()
    expect(page.locator(".comparison th .trial-mark")).to_have_count(2)
    second.goto(page.url)
    expect(second.locator(".comparison th .trial-mark")).to_have_count(2)
    for shown in (
        ".comparison th[scope=col]",
        "#lens-sight",
        "tbody[data-number] .row-title",
        ".trial-table .row-value",
    ):
        assert second.locator(shown).all_inner_texts() == page.locator(shown).all_inner_texts()


def test_two_browsers_see_each_other_s_changes(page: Page, second: Page, path: str) -> None:
    """Words, tags and what is excluded, in both directions, without loading the page again."""
    for each in (page, second):
        each.goto(path)
        expect_live(each)
        mark_document(each)
    page.get_by_role("button", name="Edit…").click()
    page.get_by_label("Name").fill("the second lesson")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(second.locator("h1")).to_contain_text("the second lesson")
    second.locator("#trial-2 .row-value").click()
    second.get_by_role("complementary").get_by_role("button", name="Exclude").click()
    expect(page.locator("#trial-2")).to_contain_class("excluded-row")
    page.locator("#open-2").click()
    page.get_by_role("complementary").get_by_role("button", name="Include").click()
    expect(second.locator("#trial-2")).not_to_contain_class("excluded-row")
    assert is_same_document(page)
    assert is_same_document(second)
