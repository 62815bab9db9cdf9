"""The dashboard as a person uses it: a real browser, a real server, a real worker."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from app.config import Settings
from app.service.up import Service
from tests.browser.conftest import listen
from tests.support.web.sweep_pages import BODY, LONG, expect_live, expect_state, is_same_document, mark_document, post

pytestmark = pytest.mark.browser

PAGES = ("/", "/sweeps/new", "/exercises", "/exercises/1", "/workers", "/datasets", "/login", "/nowhere")


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


def test_a_sweep_started_in_the_form_ends_live(page: Page) -> None:
    """From the form to the best value and the charts, without ever loading the page again."""
    page.goto("/")
    page.get_by_role("link", name="New sweep").first.click()
    page.get_by_label("Name", exact=True).fill("my first")
    page.get_by_label("Data set").select_option("digits")
    page.get_by_label("Sampler").select_option("grid")
    expect(page.get_by_label("Trials", exact=True)).to_be_hidden()
    page.get_by_role("radiogroup", name="How learning_rate is given").get_by_role("radio", name="Fixed").check()
    page.get_by_label("learning_rate", exact=True).fill("0.1, 1")
    page.get_by_label("epochs", exact=True).fill("3")
    expect(page.locator("#preview")).to_contain_text("6 trials, each with 2 seeds: 12 trainings.")
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url(re.compile(r"/sweeps/\d+$"))
    mark_document(page)
    expect_state(page, "completed")
    expect(page.locator(".figures .figure-large").first).to_have_text(re.compile(r"0\.\d{4}"))
    expect(page.locator("#effect .plot .trace").first).to_be_attached()
    expect(page.locator("#curves .plot .trace").first).to_be_attached()
    assert is_same_document(page)


def test_a_sweep_is_paused_and_resumed(page: Page, server: str, complaints: list[str]) -> None:
    """The buttons change with the state, and the page stays where it is."""
    path = post(server, LONG)
    page.goto(path)
    expect_state(page, "running")
    mark_document(page)
    page.get_by_role("button", name="Pause").click()
    expect_state(page, "paused")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect_state(page, "running")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("button", name="Keep running")).to_be_focused()
    page.get_by_role("button", name="Cancel the sweep").click()
    expect_state(page, "cancelled")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert is_same_document(page)
    assert page.url.endswith(path)
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url(f"{server}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sweeps")
    expect(page.locator(f"a[href='{path}']")).to_have_count(0)
    # news of the deletion may have had the page fetched once more before it was left
    complaints[:] = [complaint for complaint in complaints if not complaint.endswith(f"{path})")]


def test_a_page_that_is_left_asks_for_no_drawing(page: Page, server: str) -> None:
    """What is under way is given up, since its sweep may be deleted by now; a page that stays after all draws."""
    page.goto(post(server, BODY))
    expect_state(page, "completed")
    expect(page.locator("#effect .plot .trace").first).to_be_attached()
    chart = re.compile(r"/charts/effect")
    page.route(chart, lambda _: None)  # as long as it takes
    with page.expect_request(chart):
        page.evaluate("""() => {
            document.querySelector('#effect').dataset.revision = 'another';
            document.body.dispatchEvent(new Event('htmx:after:swap'));
        }""")
    with page.expect_event("requestfailed", lambda request: bool(chart.search(request.url))):
        page.evaluate("""() => {
            const form = document.querySelector('form[action$="/delete"]');
            form.addEventListener('submit', (event) => event.preventDefault()); // nothing comes of it
            form.requestSubmit();
        }""")
    page.unroute(chart)
    with page.expect_response(chart) as answer:
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert answer.value.ok


def test_what_happens_elsewhere_shows_up(page: Page, server: str) -> None:
    """Another client's sweep appears in the list, and its end too."""
    page.goto("/")
    expect_live(page)
    mark_document(page)
    post(server, BODY | {"name": "from elsewhere"})
    row = page.get_by_role("row", name="from elsewhere")
    expect(row.locator(".badge")).to_have_text("completed")
    expect(row).to_contain_text("6 complete")
    assert is_same_document(page)


def test_a_sweep_that_is_deleted_elsewhere_is_asked_for_anew(page: Page, server: str, complaints: list[str]) -> None:
    """No answer that was made before will do, so the page does not say which revision it has seen."""
    path = post(server, BODY)
    page.goto(path)
    expect_state(page, "completed")
    expect_live(page)
    headers: list[dict[str, str]] = []

    def note(request: Request) -> None:
        if request.url.endswith(path):
            headers.append(request.headers)

    page.on("request", note)
    with page.expect_console_message(lambda message: message.location["url"].endswith(path)):  # it is not there
        httpx.delete(f"{server}/api/v1{path}").raise_for_status()
    assert "hx-request" in headers[-1]
    assert "x-seen-revision" not in headers[-1]
    complaints.clear()


def test_a_refused_button_says_why_in_place(page: Page, server: str, complaints: list[str]) -> None:
    """A sweep that ended elsewhere a moment ago can't be paused: a sentence says so, above the page."""
    path = post(server, LONG)
    page.goto(path)
    expect_state(page, "running")
    page.route("**/events", lambda route: route.abort())  # as if the network were slow to tell
    page.evaluate("document.body.dataset.events = ''; dispatchEvent(new Event('pagehide'))")
    httpx.post(f"{server}/api/v1{path}/cancel")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#notice")).to_contain_text("is cancelled: it can't become paused.")
    assert page.url.endswith(path)
    assert [text for text in complaints if "409" not in text] == []
    complaints.clear()


def test_a_wrong_field_is_told_beside_it(page: Page, complaints: list[str]) -> None:
    """The error is at its field, which has the focus, and what was typed is still there."""
    page.goto("/sweeps/new")
    page.get_by_label("learning_rate: from").fill("1")
    page.get_by_label("learning_rate: to").fill("0.1")
    expect(page.locator("#preview")).to_contain_text("low must be less than high")
    page.get_by_role("button", name="Start the sweep").click()
    field = page.locator(".field.invalid")
    expect(field).to_have_count(1)
    expect(field.locator(".error-text")).to_have_text("Runs from 1 to 0.1: low must be less than high")
    expect(page.locator("#f-learning_rate")).to_have_value("1 .. 0.1 log")
    expect(page.get_by_label("learning_rate: from")).to_be_focused()
    assert all("422" in text for text in complaints)  # the browser itself reports the status
    complaints.clear()


def test_reading_is_not_disturbed_by_news(page: Page, server: str) -> None:
    """A refresh keeps what is opened, scrolled to and zoomed into."""
    page.goto(post(server, BODY))
    expect_state(page, "completed")
    expect(page.locator("#effect .plot .trace").first).to_be_attached()
    page.locator("#open-3").click()
    expect(page.locator("#runs-3")).to_be_visible()
    expect(page.locator("#runs-3")).to_contain_text("seed 1")
    page.evaluate("Plotly.relayout(document.querySelector('#effect .plot'), {'yaxis.range': [0.2, 0.4]})")
    before = page.evaluate("scrollY")
    with page.expect_response(lambda response: response.url.endswith(page.url)):
        page.evaluate("document.body.dispatchEvent(new Event('live'))")
    page.evaluate(
        "select => { select.value = 'hidden_units'; select.dispatchEvent(new Event('change', {bubbles: true})) }",
        page.get_by_label("colour").element_handle(),
    )
    expect(page.locator("#effect .legendtitletext")).to_have_text("hidden_units")
    expect(page.locator("#runs-3")).to_be_visible()
    assert (before > 0, page.evaluate("scrollY")) == (True, before)
    assert parse_qs(urlsplit(page.url).query) == {"x": ["learning_rate"], "color": ["hidden_units"], "trial": ["3"]}


def test_zoom_outlives_a_redraw(page: Page, server: str) -> None:
    """New data in a chart does not throw the reader out of the part that they look at."""
    page.goto(post(server, BODY))
    expect_state(page, "completed")
    expect(page.locator("#effect .plot .trace").first).to_be_attached()
    page.evaluate("Plotly.relayout(document.querySelector('#effect .plot'), {'yaxis.range': [0.2, 0.4]})")
    shown = page.evaluate("""async () => {
        const chart = document.querySelector('#effect');
        const plot = chart.querySelector('.plot');
        const drawn = new Promise((resolve) => plot.once('plotly_afterplot', resolve));
        chart.dataset.revision = 'another';
        document.body.dispatchEvent(new Event('htmx:after:swap'));
        await drawn;
        return plot._fullLayout.yaxis.range;
    }""")
    assert shown == [0.2, 0.4]


def test_trials_are_sorted_without_loading_the_page(page: Page, server: str) -> None:
    """The best comes first; a click on a column's name sorts by it, and the address says so."""
    page.goto(post(server, BODY))
    expect_state(page, "completed")
    mark_document(page)
    expect(page.locator(".trial-table tbody").first).to_have_class("best-row")
    page.get_by_role("columnheader", name="Value").get_by_role("link").click()
    page.wait_for_url("**order_by=value")
    expect(page.locator(".trial-table tbody").last).to_have_class("best-row")
    page.get_by_role("columnheader", name="learning_rate").get_by_role("link").click()
    page.wait_for_url("**order_by=params.learning_rate")
    first_row = page.locator(".trial-table tbody").first
    expect(first_row.locator("[data-column=learning_rate]")).to_have_text("0.01")
    assert is_same_document(page)


def test_exercise_1_runs_from_its_page(browser: Browser, settings: Settings, complaints: list[str]) -> None:
    """The quick run starts with one click and tells at once how far it is, also where no worker has begun with it."""
    with Service(settings) as service:
        page = browser.new_page(base_url=service.url)
        listen(page, complaints)
        page.goto("/exercises")
        page.get_by_role("link", name="The number of hidden units").click()
        mark_document(page)
        page.get_by_role("button", name="Run quick").click()
        expect(page.get_by_role("heading", name="The answer so far")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_be_visible()
        assert is_same_document(page)
        page.close()
    assert complaints == []


def test_nothing_is_wider_than_a_phone(browser: Browser, server: str) -> None:
    """At 390 pixels no page scrolls sideways, with charts and trials on it."""
    body = BODY | {"name": "a-name-without-a-space-" * 6, "space": {**BODY["space"], "activation": ["relu", "tanh"]}}  # type: ignore[dict-item]
    path = post(server, body)
    context = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(path)
    expect_state(page, "completed")
    expect(page.locator("#history .plot .trace").first).to_be_attached()
    paths = (path, *PAGES)
    widths = {path: _width(page, path) for path in paths}
    context.close()
    assert widths == dict.fromkeys(paths, 390)


def test_the_mark_tells_when_the_connection_is_lost(page: Page, complaints: list[str]) -> None:
    """`reconnecting` while the stream is gone, `live` when it is back."""
    page.goto("/")
    expect_live(page)
    page.context.set_offline(True)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(page.locator("#connection")).to_have_text("reconnecting")
    page.context.set_offline(False)
    expect_live(page)
    complaints.clear()  # the browser itself reports the lost connection


def _width(page: Page, path: str) -> int:
    page.goto(path)
    page.wait_for_load_state("load")
    return int(page.evaluate("document.documentElement.scrollWidth"))
