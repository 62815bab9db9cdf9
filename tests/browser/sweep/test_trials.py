"""The trials of a sweep as a person uses them: tabs, selection, the panel of one, and keys, while the page is live."""

import re

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.web.sweep_pages import BODY, RATES_AND_WIDTHS, expect_live, expect_state, mark_document, post

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """The one for all tests of this module."""
    return shared_server


def refreshed(page: Page) -> None:
    """Has the page fetched once more, and waits until it is merged."""
    page.evaluate(
        """() => new Promise((resolve) => {
            document.body.addEventListener('htmx:after:swap', resolve, {once: true});
            document.body.dispatchEvent(new Event('live'));
        })"""
    )


def test_tabs_are_addresses_that_keep_the_zoom(sweep: Page) -> None:
    """Arrow keys go from one to the next, and a chart is left as it was."""
    expect(sweep.locator("#effect .plot .trace").first).to_be_attached()
    sweep.evaluate("Plotly.relayout(document.querySelector('#effect .plot'), {'yaxis.range': [0.2, 0.4]})")
    sweep.get_by_role("tab", name="Overview").focus()
    sweep.keyboard.press("ArrowRight")
    expect(sweep.get_by_role("tab", name="Curves")).to_be_focused()
    expect(sweep.get_by_role("tabpanel", name="Curves")).to_be_visible()
    expect(sweep.locator("#curves-loss .plot .trace").first).to_be_attached()
    assert sweep.url.endswith("?tab=curves")
    refreshed(sweep)
    expect(sweep.get_by_role("tab", selected=True)).to_have_text("Curves")
    expect(sweep.get_by_role("tabpanel")).to_have_count(1)
    sweep.get_by_role("tab", name="Overview").click()
    assert sweep.evaluate("document.querySelector('#effect .plot')._fullLayout.yaxis.range") == [0.2, 0.4]


def test_a_selection_outlives_news_sorting_and_a_second_browser(sweep: Page, browser: Browser) -> None:
    """It is in the address; two of the selected trials stand side by side."""
    numbers = [sweep.locator("tbody[data-number]").nth(place).get_attribute("data-number") for place in (0, 2)]
    for number in numbers:
        sweep.get_by_label(f"Select trial {number}", exact=True).check()
    bar = sweep.get_by_role("group", name="Selected trials")
    expect(bar).to_contain_text("2 selected")
    refreshed(sweep)
    sweep.get_by_role("columnheader", name="hidden_units").get_by_role("link").click()
    sweep.wait_for_url("**order_by=params.hidden_units*")
    expect(sweep.locator("[data-select]:checked")).to_have_count(2)
    bar.get_by_role("button", name="Compare").click()
    panel = sweep.get_by_role("tabpanel", name="Compare")
    expect(panel.get_by_role("columnheader", name=f"trial {numbers[0]}")).to_be_visible()
    expect(panel).to_contain_text(re.compile(r"at 2 equal seeds"))
    expect(sweep.locator("#curves-selected .plot .trace").first).to_be_attached()
    second = browser.new_context(base_url=sweep.url).new_page()
    second.goto(sweep.url)
    expect(second.locator("[data-select]:checked")).to_have_count(2)
    expect(second.get_by_role("tab", selected=True)).to_contain_text("Compare")
    second.context.close()
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_have_count(0)
    assert "selected" not in sweep.url


def test_a_panel_closed_while_its_trial_is_fetched_stays_closed(sweep: Page) -> None:
    """The answer that comes after Escape opens nothing."""
    sweep.locator("tbody[data-number] .row-time").first.click()
    panel = sweep.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_be_visible()
    held: list[Route] = []
    sweep.route("**/trials/*", lambda route: held.append(route))
    with sweep.expect_request("**/trials/*"):
        sweep.evaluate("document.body.dispatchEvent(new Event('live'))")
    while not held:
        sweep.wait_for_timeout(20)
    sweep.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    with sweep.expect_response("**/trials/*"):
        held[0].continue_()
    refreshed(sweep)
    expect(panel).to_be_hidden()


def test_a_click_in_the_panel_counts_more_than_news_of_before(sweep: Page) -> None:
    """However many were asked for, and though they come after the click."""
    sweep.locator("tbody[data-number] .row-time").first.click()
    panel = sweep.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_contain_text("Trial")
    held: list[Route] = []
    sweep.route(re.compile(r"/trials/\d+"), lambda route: route.continue_() if held else held.append(route))
    refreshed(sweep)
    refreshed(sweep)
    while not held:
        sweep.wait_for_timeout(20)
    panel.get_by_role("button", name="Start from here").click()
    held[0].continue_()
    expect(panel.get_by_role("heading", level=2)).to_have_text("A trial of your own")
    refreshed(sweep)
    expect(panel.get_by_role("heading", level=2)).to_have_text("A trial of your own")
    assert "trial=new" in sweep.url


def test_a_row_opens_the_panel_of_its_trial(sweep: Page, path: str) -> None:
    """So do an event of a chart and an address; the panel stays through news, and Escape gives the focus back."""
    row = sweep.locator("tbody[data-number]").nth(1)
    number = row.get_attribute("data-number")
    row.locator(".row-time").click()
    panel = sweep.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_contain_text(f"Trial {number}")
    expect(panel).to_be_focused()
    expect(panel.locator("#curves-trial .plot .trace").first).to_be_attached()
    panel.get_by_label("Train on to").fill("9")
    refreshed(sweep)
    expect(panel.get_by_label("Train on to")).to_have_value("9")
    sweep.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(row.locator("[id^=open-]")).to_be_focused()
    assert sweep.url.endswith(path)
    sweep.evaluate("document.dispatchEvent(new CustomEvent('trial-open', {detail: {number: 3}}))")
    expect(panel.get_by_role("heading", level=2)).to_contain_text("Trial 3")
    assert sweep.url.endswith("?trial=3")
    sweep.goto(sweep.url)
    expect(panel.get_by_role("heading", level=2)).to_contain_text("Trial 3")
    mark_document(sweep)


def test_a_trial_of_ones_own_starts_from_another_one(page: Page, server: str, complaints: list[str]) -> None:
    """What is wrong is told at its field; then it is queued, trained, and its panel is open."""
    path = post(server, BODY | {"name": "own", "space": RATES_AND_WIDTHS, "sampler": "random", "n_trials": 2})
    page.goto(path)
    expect_state(page, "completed")
    page.locator("#open-1").click()
    panel = page.get_by_role("complementary")
    panel.get_by_role("button", name="Start from here").click()
    expect(panel.get_by_role("heading", level=2)).to_have_text("A trial of your own")
    rate = panel.get_by_label("learning_rate")
    before = httpx.get(f"{server}/api/v1{path}/trials/1").json()["params"]
    assert float(rate.input_value()) == before["learning_rate"]
    rate.fill("7")
    panel.get_by_role("button", name="Queue this trial").click()
    expect(panel.locator(".field.invalid")).to_contain_text("must be one of what this sweep tries")
    expect(rate).to_have_value("7")
    expect(rate).to_be_focused()
    rate.fill("0.5")
    panel.get_by_role("button", name="Queue this trial").click()
    expect(panel.get_by_role("heading", level=2)).to_contain_text("Trial 2")
    expect(panel.locator(".badge")).to_have_text("complete")
    panel.get_by_label("Train with").fill("2")
    panel.get_by_role("button", name="Rerun").click()
    expect(page.locator("#trial-2 .row-value small")).to_have_text("4 runs in 2 trials")
    assert all("422" in text for text in complaints)  # the browser itself reports the status
    complaints.clear()


def test_an_empty_place_of_a_chart_begins_a_trial_of_ones_own(sweep: Page) -> None:
    """With the values of that place filled in; a point there opens its trial."""
    expect(sweep.locator("#effect .plot .trace").first).to_be_attached()
    plot = sweep.locator("#effect .plot .nsewdrag")
    # above all values: that place is empty whatever was drawn
    sweep.evaluate("Plotly.relayout(document.querySelector('#effect .plot'), {'yaxis.range': [2, 3]})")
    x = plot.evaluate("() => document.querySelector('#effect .plot')._fullLayout.xaxis.l2p(Math.log10(0.5))")
    plot.click(position={"x": x, "y": 60})
    panel = sweep.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_have_text("A trial of your own")
    rate = float(panel.get_by_label("learning_rate").input_value())
    assert 0.45 < rate < 0.55
    expect(panel).to_contain_text(f"but learning_rate {rate:g}")
    assert panel.get_by_label("hidden_units").input_value() in {"4", "8", "16"}
    sweep.keyboard.press("Escape")
    sweep.evaluate("Plotly.relayout(document.querySelector('#effect .plot'), {'yaxis.autorange': true})")


def test_a_note_on_a_trial_is_seen_by_others_while_one_is_typed(sweep: Page, browser: Browser, path: str) -> None:
    """News leave what is being typed as it is; saved, it is in the panel and in the table of both browsers."""
    context = browser.new_context(base_url=sweep.url.partition("/sweeps")[0])
    second = context.new_page()
    second.goto(path)
    expect_live(second)
    sweep.locator("#open-3").click()
    panel = sweep.get_by_role("complementary")
    panel.get_by_text("Add a note").click()
    expect(panel.get_by_role("textbox", name="Note")).to_be_focused()
    sweep.keyboard.type("a kink at")
    refreshed(sweep)
    sweep.keyboard.type(" epoch 2")
    panel.get_by_role("button", name="Save the note").click()
    for shown in (
        panel.locator(".trial-note"),
        sweep.locator("#trial-3 .row-note"),
        second.locator("#trial-3 .row-note"),
    ):
        expect(shown).to_contain_text("a kink at epoch 2")
    context.close()
    panel.get_by_text("Edit the note").click()
    panel.get_by_role("textbox", name="Note").fill("")
    panel.get_by_role("button", name="Save the note").click()
    expect(panel.locator(".trial-note")).to_have_count(0)
    sweep.keyboard.press("Escape")


def test_one_key_each_for_what_is_done_often(sweep: Page) -> None:
    """j and k go through the rows, s selects, x excludes and includes, Enter opens, c compares, ? helps."""
    rows = sweep.locator("tbody[data-number]")
    numbers = [rows.nth(place).get_attribute("data-number") for place in range(3)]
    for key in "jjjk":
        sweep.keyboard.press(key)
    expect(sweep.locator(f"#open-{numbers[1]}")).to_be_focused()
    sweep.keyboard.press("s")
    expect(sweep.get_by_label(f"Select trial {numbers[1]}", exact=True)).to_be_checked()
    sweep.keyboard.press("x")
    expect(sweep.locator(f"#trial-{numbers[1]}")).to_contain_class("excluded-row")
    sweep.locator(f"#open-{numbers[1]}").focus()
    sweep.keyboard.press("x")
    expect(sweep.locator(f"#trial-{numbers[1]}")).not_to_contain_class("excluded-row")
    sweep.locator(f"#open-{numbers[1]}").focus()
    sweep.keyboard.press("Enter")
    expect(sweep.get_by_role("complementary")).to_be_visible()
    sweep.keyboard.press("Escape")
    sweep.keyboard.press("c")
    expect(sweep.get_by_role("tab", selected=True)).to_contain_text("Compare")
    sweep.keyboard.press("?")
    expect(sweep.get_by_role("dialog", name="Keyboard")).to_be_visible()
    sweep.keyboard.press("Escape")
    sweep.get_by_role("group", name="Selected trials").get_by_role("button", name="Clear").click()


def test_columns_are_chosen_and_kept(sweep: Page) -> None:
    """A column that is left out stays so through news and on the next page."""
    sweep.locator("#columns-menu > summary").click()
    sweep.get_by_role("group", name="Columns of the table").get_by_label("hidden_units").uncheck()
    sweep.get_by_role("group", name="Columns of the table").get_by_label("train_loss").check()
    head = sweep.locator(".trial-table th[data-column=hidden_units]")
    expect(head).to_be_hidden()
    refreshed(sweep)
    sweep.reload()
    expect(sweep.locator(".trial-table th[data-column=train_loss]")).to_be_visible()
    expect(head).to_be_hidden()
    mark_document(sweep)


def test_a_table_that_is_too_wide_scrolls(sweep: Page) -> None:
    """From when something in it has grown, whatever made it grow; on paper it is not cut."""
    area = sweep.locator(".trial-scroll")
    expect(area).to_have_css("overflow", "clip")
    sweep.locator("tbody .row-time").first.evaluate("cell => { cell.textContent = 'a long time '.repeat(40); }")
    expect(area).to_have_css("overflow", "auto")
    sweep.emulate_media(media="print")
    expect(area).to_have_css("overflow", "visible")
    sweep.emulate_media(media="screen")
    refreshed(sweep)
    expect(area).to_have_css("overflow", "clip")


def test_six_hyperparameters_find_room(page: Page, server: str) -> None:
    """Their long names go on in a second line, so that the time at the end is in sight."""
    space = {
        "learning_rate": [0.01, 0.1],
        "hidden_units": [4, 8],
        "batch_size": [16, 32],
        "weight_decay": [0.0, 0.001],
        "label_smoothing": [0.0, 0.1],
        "warmup_epochs": [0, 1],
        "epochs": 2,
    }
    page.goto(post(server, BODY | {"name": "six", "space": space, "sampler": "random", "n_trials": 3}))
    expect_state(page, "completed")
    area = page.locator(".trial-scroll")
    assert area.evaluate("area => area.querySelector('table').offsetWidth <= area.clientWidth")


def test_a_phone_shows_the_tab_that_is_open(browser: Browser, server: str, path: str) -> None:
    """The row of tabs is wider than the screen, and begins at the one of the address."""
    context = browser.new_context(base_url=server, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{path}?tab=setup")
    page.locator(".tabs").scroll_into_view_if_needed()
    expect(page.get_by_role("tab", name="Setup")).to_be_in_viewport(ratio=0.9)
    page.get_by_role("tab", name="Overview").evaluate("tab => tab.click()")
    expect(page.get_by_role("tab", name="Overview")).to_be_in_viewport(ratio=0.9)
    context.close()


def test_a_phone_shows_ten_trials_in_two_lines_each(browser: Browser, server: str, path: str) -> None:
    """The others after a touch; the panel is a sheet, and nothing is wider than the screen."""
    context = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(path)
    rows = page.locator("tbody[data-number]")
    expect(rows.nth(9)).to_be_visible()
    expect(rows.nth(10)).to_be_hidden()
    box = rows.first.bounding_box()
    assert box is not None
    assert box["height"] < 75
    page.get_by_text("Show all 14 rows").tap()
    expect(rows.nth(13)).to_be_visible()
    rows.first.locator(".row-value").tap()
    expect(page.get_by_role("complementary")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
