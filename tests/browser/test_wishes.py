"""What is clicked and typed while earlier answers are on their way: the newest counts, and nothing else is lost."""

import re
from collections.abc import Callable

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import LONG, expect_live, post

pytestmark = pytest.mark.browser

COUNTED = """selector => {
    window.asked = 0;
    document.body.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
        if (ctx.sourceElement.matches(selector)) window.asked += 1;
    });
}"""


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


NAMES = ("typed early", "typed later", "typed last")


@pytest.fixture(scope="module", autouse=True)
def typed(server: str) -> None:
    """Sweeps that were cancelled, whose names are searched for."""
    for name in NAMES:
        path = post(server, LONG | {"name": name, "tags": ["typed"], "priority": -100})
        httpx.post(f"{server}/api/v1{path}/cancel").raise_for_status()


def hold_first(page: Page, pattern: str, method: str = "GET") -> Callable[[], Route]:
    """Keeps the first request to such an address from the server; gives it once it is there."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        is_held = route.request.method == method and not held
        held.append(route) if is_held else route.continue_()

    page.route(re.compile(pattern), hold)
    return lambda: wait_until(lambda: page.evaluate("1") and held)[0]


def asked(page: Page, times: int) -> None:
    """Waits until what COUNTED counts has asked so often."""
    wait_until(lambda: page.evaluate("window.asked") >= times)


def refresh(page: Page) -> None:
    """Has the page fetched once more, and waits until it is merged."""
    page.evaluate(
        """() => new Promise((resolve) => {
            document.body.addEventListener("htmx:after:swap", resolve, {once: true});
            document.body.dispatchEvent(new Event("live"));
        })"""
    )


def test_of_what_is_typed_the_last_is_searched_for(page: Page) -> None:
    """However many searches are under way."""
    page.goto("/?tag=typed")
    expect_live(page)
    page.evaluate(COUNTED, "#filters")
    held = hold_first(page, r"\?q=typed")
    for times, name in enumerate(NAMES, 1):
        page.get_by_label("Search names, tags and notes").fill(name)
        asked(page, times)
    held().continue_()
    expect(page.locator(".sweep-table .row-title > a")).to_have_text(["typed last"])
    assert page.url.endswith("/?q=typed+last&tag=typed")


def test_what_is_typed_while_an_answer_is_merged_is_searched_for(page: Page) -> None:
    """It waits a moment for more to be typed, and is not forgotten meanwhile."""
    page.goto("/")
    expect_live(page)
    page.evaluate(
        """() => document.getElementById("filters").addEventListener("htmx:before:swap", () => {
            const field = document.getElementById("filter-q");
            field.value = "typed last";
            field.dispatchEvent(new Event("input", {bubbles: true}));
        }, {once: true})"""
    )
    page.get_by_label("Search names, tags and notes").fill("typed")
    expect(page.locator(".sweep-table .row-title > a")).to_have_text(["typed last"])
    assert page.url.endswith("/?q=typed+last")


def test_of_two_links_the_later_one_is_followed(page: Page) -> None:
    """Though the answer to the one before comes last."""
    page.goto("/")
    expect_live(page)
    held = hold_first(page, "order_by")
    page.get_by_role("columnheader", name="Sweep").get_by_role("link").click()
    first = held()
    page.get_by_role("navigation", name="State of the sweeps").get_by_role("link", name="cancelled").click()
    page.wait_for_url("**/?state=cancelled")
    first.continue_()
    refresh(page)
    refresh(page)
    assert page.url.endswith("/?state=cancelled")


def test_a_lens_has_all_that_was_chosen(sweep: Page) -> None:
    """Also what was chosen third, while the first was on its way."""
    sweep.evaluate(COUNTED, "#lens-link")
    held = hold_first(sweep, r"\?top=50$")
    sweep.locator("#lens-top").select_option("50")
    asked(sweep, 1)
    sweep.locator("#lens-robust").select_option("true")
    asked(sweep, 2)
    sweep.locator("#lens .lens-chip", has_text="complete").click()
    asked(sweep, 3)
    held().continue_()
    sweep.wait_for_url(re.compile("top=50"))
    expect(sweep.locator("#lens")).to_have_attribute("data-lens", re.compile("complete"))
    expect(sweep.locator("#lens-complete")).to_be_checked()
    assert {"top=50", "robust=true", "state=complete"} <= set(sweep.url.partition("?")[2].split("&"))


@pytest.mark.parametrize("first", ["axis", "lens", "order"])
def test_what_was_chosen_in_different_places_is_asked_for_together(sweep: Page, first: str) -> None:
    """An axis, the lens and the order of the table: whichever comes first, the others know nothing of it."""
    order = sweep.get_by_role("columnheader", name="learning_rate").get_by_role("link")
    acts: dict[str, Callable[[], object]] = {
        "axis": lambda: sweep.locator("#chart-x").select_option("hidden_units"),
        "lens": lambda: sweep.locator("#lens-top").select_option("50"),
        "order": order.click,
    }
    sweep.evaluate(COUNTED, "#lens-link, .chart-options, th a")
    held = hold_first(sweep, r"/sweeps/\d+\?")
    for times, name in enumerate((first, *(acts.keys() - {first})), 1):
        acts[name]()
        asked(sweep, times)
    held().abort()
    wishes = {"x=hidden_units", "top=50", "order_by=params.learning_rate"}
    sweep.wait_for_url(lambda url: wishes <= set(url.partition("?")[2].split("&")))
    expect(sweep.locator("#chart-x")).to_have_value("hidden_units")
    expect(sweep.locator("#lens-top")).to_have_value("50")


def test_what_is_taken_back_at_once_is_not_asked_for(sweep: Page) -> None:
    """A form whose fields are as they were has no wish left, whatever else was chosen meanwhile."""
    sweep.evaluate(COUNTED, "#lens-link, .chart-options")
    held = hold_first(sweep, r"\?top=50$")
    sweep.locator("#lens-top").select_option("50")
    asked(sweep, 1)
    sweep.locator("#chart-x").select_option("hidden_units")
    asked(sweep, 2)
    sweep.locator("#lens-top").select_option("100")
    asked(sweep, 3)
    held().abort()
    sweep.wait_for_url(re.compile("x=hidden_units"))
    refresh(sweep)
    assert "top=" not in sweep.url
    expect(sweep.locator("#lens-top")).to_have_value("100")


def test_a_tab_opened_while_the_table_is_sorted_stays_open(sweep: Page) -> None:
    """The answer, which knows of no other tab, is merged into the address and the page as they are by then."""
    held = hold_first(sweep, "order_by")
    sweep.get_by_role("columnheader", name="hidden_units").get_by_role("link").click()
    first = held()
    sweep.get_by_role("tab", name="Curves").click()
    first.continue_()
    sweep.wait_for_url("**order_by=params.hidden_units*")
    expect(sweep.get_by_role("tab", selected=True)).to_have_text("Curves")
    expect(sweep.get_by_role("tabpanel", name="Curves")).to_be_visible()
    assert "tab=curves" in sweep.url


def test_an_answer_to_a_form_of_before_leaves_the_order_of_now(sweep: Page) -> None:
    """It shows the page as it was when the form was sent, which is no longer wanted."""
    held = hold_first(sweep, "/notes$", "POST")
    sweep.get_by_text("Add notes").click()
    sweep.locator("#notes-text").fill("a note")
    sweep.get_by_role("button", name="Save notes").click()
    first = held()
    column = sweep.get_by_role("columnheader", name="hidden_units")
    column.get_by_role("link").click()
    sweep.wait_for_url("**order_by=params.hidden_units*")
    expect(column).to_have_attribute("aria-sort", "ascending")
    sweep.evaluate(
        """() => {
            window.orders = [];
            document.body.addEventListener("htmx:after:swap", () => {
                window.orders.push(document.querySelector("[aria-sort=ascending]")?.innerText);
            });
        }"""
    )
    first.continue_()
    expect(sweep.locator("#notes .markdown")).to_have_text("a note")
    assert set(sweep.evaluate("window.orders")) == {column.inner_text()}


def test_an_older_drawing_does_not_come_over_a_newer_one(sweep: Page, complaints: list[str]) -> None:
    """Of two that were asked for one after the other."""
    expect(sweep.locator("#history .plot .trace").first).to_be_attached()
    held = hold_first(sweep, "/charts/history")
    draw_anew = """revision => {
        document.querySelector("#history").dataset.revision = revision;
        document.body.dispatchEvent(new Event("htmx:after:swap"));
    }"""
    sweep.evaluate(
        """() => {
            window.said = [];
            const message = document.querySelector("#history .chart-message");
            new MutationObserver(() => window.said.push(message.textContent)).observe(message, {childList: true});
        }"""
    )
    sweep.evaluate(draw_anew, "1000001")
    first = held()
    with sweep.expect_response(re.compile("/charts/history")):
        sweep.evaluate(draw_anew, "1000002")
    first.fulfill(status=503, json={"detail": "an older answer"})
    with sweep.expect_response(lambda answer: answer.request.headers.get("x-seen-revision") == "1000003"):
        sweep.evaluate(draw_anew, "1000003")
    assert sweep.evaluate("window.said") == []
    complaints.clear()  # the browser tells of the status


@pytest.mark.parametrize("leave", ["open another", "close"])
def test_a_form_that_is_refused_late_does_not_come_over_what_was_opened_since(
    sweep: Page, leave: str, complaints: list[str]
) -> None:
    """The panel shows the trial that was clicked, or stays closed; why nothing was queued stands above the page."""
    held = hold_first(sweep, "/trials$", "POST")
    sweep.get_by_role("link", name="Own trial…").click()
    panel = sweep.get_by_role("complementary")
    panel.get_by_label("learning_rate").fill("7")
    panel.get_by_role("button", name="Queue this trial").click()
    refused = held()
    heading = panel.get_by_role("heading", level=2)
    if leave == "close":
        sweep.keyboard.press("Escape")
    else:
        sweep.locator("#open-3").click()
        expect(heading).to_contain_text("Trial 3")
    refused.continue_()
    notice = sweep.locator("#notice")
    expect(notice).to_contain_text("Your own trial was not queued.")
    expect(notice).to_contain_text("learning_rate: must be one of what this sweep tries")
    if leave == "close":
        expect(panel).to_be_hidden()
    else:
        expect(heading).to_contain_text("Trial 3")
    sweep.keyboard.press("Escape")
    assert all("422" in text for text in complaints)  # the browser itself reports the status
    complaints.clear()
