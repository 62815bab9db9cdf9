"""The lens of a sweep's page in a real browser: all charts and the table follow it, and so does the address."""

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.web.sweep_pages import BODY, expect_state, is_same_document, mark_document, post

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(shared_server: str) -> str:
    """The page of a finished sweep: six trials, of two widths and three rates."""
    return post(shared_server, BODY | {"name": "through a lens"})


@pytest.fixture
def server(shared_server: str) -> str:
    return shared_server


def test_the_lens_is_kept_in_the_address(page: Page, context: BrowserContext, path: str) -> None:
    """Fields and chips change charts, table and address without a reload; another tab at the address shows the same."""
    page.goto(path)
    expect_state(page, "completed")
    mark_document(page)
    page.get_by_label("Add a condition").click()
    page.get_by_label("hyperparameter", exact=True).select_option("hidden_units")
    page.get_by_label("value", exact=True).fill("8")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#lens-sight")).to_contain_text(
        "3 of 6 trials in sight; left out: 3 trials without hidden_units = 8."
    )
    page.locator("#lens-metric").select_option("at_epoch")
    page.locator("#lens-epochs").fill("2")
    page.locator("#lens-epochs").press("Enter")
    page.wait_for_url(re.compile(r"\?metric=at_epoch%3D2&where=hidden_units%3D8$"))
    expect(page.locator(".trial-table tbody[id^=trial-]")).to_have_count(3)
    expect(page.locator("#effect .gtitle-subtitle")).to_contain_text("after epoch 2")
    assert is_same_document(page)
    values = page.locator(".trial-table .row-value").all_inner_texts()
    second = context.new_page()
    second.goto(page.url)
    expect(second.locator("#lens-sight")).to_have_text(page.locator("#lens-sight").inner_text())
    assert second.locator(".trial-table .row-value").all_inner_texts() == values
    second.close()
    page.get_by_label("Drop hidden_units = 8").click()
    expect(page.locator(".trial-table tbody[id^=trial-]")).to_have_count(6)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_url(re.compile(rf"{path}$"))
    expect(page.locator("#lens-metric")).to_have_value("last")
    assert is_same_document(page)


def test_axes_and_order_are_any_metric(page: Page, path: str) -> None:
    """They are chosen without a reload and kept in the address; the column by which the table is sorted is there."""
    page.goto(path)
    expect_state(page, "completed")
    mark_document(page)
    page.locator("#chart-x").select_option("seconds")
    expect(page.locator("#scatter .gtitle")).to_have_text("Validation accuracy against training time of a run")
    page.locator("#chart-y").select_option("val_loss")
    expect(page.locator("#scatter .gtitle")).to_have_text("Validation loss against training time of a run")
    expect(page.locator("#effect")).to_have_count(0)
    column = page.locator(".trial-table [data-column=val_loss]")
    expect(column.first).to_be_hidden()
    page.locator("#sort-menu > summary").click()
    page.locator("#sort-menu").get_by_role("link", name="val_loss").click()
    page.wait_for_url("**order_by=metrics.val_loss*")
    expect(column.first).to_be_visible()
    expect(page.locator("#sort-menu > .menu-panel")).to_be_hidden()
    losses = [float(text) for text in column.all_inner_texts()[1:]]
    assert losses == sorted(losses)
    assert {"x=seconds", "y=val_loss"} <= set(page.url.partition("?")[2].split("&"))
    page.locator("#chart-x").select_option("hidden_units")
    expect(page.locator("#scatter .gtitle")).to_have_text("Validation loss against hidden_units")
    page.locator("#chart-y").select_option("")
    expect(page.locator("#effect .gtitle")).to_be_visible()
    assert is_same_document(page)


def test_what_is_in_sight_is_a_file(page: Page, path: str) -> None:
    """Its links stand beside the lens, and lead to the trials that the table shows."""
    page.goto(f"{path}?where=hidden_units=8&top=50")
    expect_state(page, "completed")
    with page.expect_download() as download:
        page.locator(".lens-files").get_by_role("link", name="JSON").click()
    document = json.loads(download.value.path().read_text())
    numbers = page.locator("tbody[data-number]").evaluate_all("rows => rows.map((row) => Number(row.dataset.number))")
    assert sorted(numbers) == [trial["number"] for trial in document["trials"]]
    assert document["part"]["left_out"] == ["3 trials without hidden_units = 8", "1 trial not among the best"]


def test_a_zoom_outlives_another_lens(page: Page, path: str) -> None:
    """What is narrowed down is looked at from where one was."""
    page.goto(path)
    expect_state(page, "completed")
    expect(page.locator("#effect .plot .trace").first).to_be_attached()
    page.evaluate("Plotly.relayout(document.querySelector('#effect .plot'), {'yaxis.range': [0.25, 0.75]})")
    page.locator("#lens-top").select_option("50")
    expect(page.locator("#effect .gtitle-subtitle")).to_contain_text("the best 50 %")
    assert page.evaluate("document.querySelector('#effect .plot').layout.yaxis.range") == [0.25, 0.75]


@pytest.mark.parametrize("sideways", [20, 0])
def test_a_brush_over_parallel_coordinates_is_a_condition(page: Page, path: str, sideways: int) -> None:
    """Of one axis, also where it is drawn straight down; and a click on a point of a chart opens its trial."""
    page.goto(path)
    expect_state(page, "completed")
    page.locator("#further-charts > summary").click()
    plot = page.locator("#parallel_coordinates .plot")
    expect(plot.locator(".trace").first).to_be_attached()
    plot.scroll_into_view_if_needed()
    box = plot.locator(".nsewdrag").bounding_box()
    assert box is not None
    left, top = box["x"] + 3, box["y"] + 0.3 * box["height"]
    page.mouse.move(left, box["y"] + 3)
    page.mouse.down()
    page.mouse.move(left + sideways, top, steps=4)
    page.mouse.up()
    expect(page.locator("#lens-sight")).to_contain_text("2 of 6 trials in sight")
    expect(page.locator(".lens-where .lens-chip")).to_have_text(re.compile(r"learning_rate >= "))
    page.evaluate("document.addEventListener('trial-open', (event) => { window.opened = event.detail.number; })")
    page.locator("#history .plot").evaluate("plot => plot.emit('plotly_click', {points: [{customdata: 4}]})")
    assert page.evaluate("window.opened") == 4


def test_a_further_objective_is_looked_at(page: Page, server: str) -> None:
    """Chosen in the lens: charts, table and address follow, what matters is told for each, and it can be shared."""
    objectives = [
        {"metric": "val_accuracy", "direction": "maximize"},
        {"metric": "parameters", "direction": "minimize"},
    ]
    page.goto(
        post(
            server,
            BODY
            | {"name": "two objectives", "sampler": "random", "n_trials": 8}
            | {
                "objectives": objectives,
                "space": {
                    "learning_rate": {"low": 0.01, "high": 1.0},
                    "hidden_units": {"low": 4, "high": 32},
                    "epochs": 2,
                },
            },
        )
    )
    expect_state(page, "completed")
    mark_document(page)
    page.locator("#lens-objective").select_option("parameters")
    page.wait_for_url(re.compile(r"\?objective=parameters$"))
    expect(page.locator("#history .gtitle")).to_have_text("Weights and biases by trial")
    expect(page.locator("#lens-sight")).to_contain_text("Best mean in sight")
    values = [int(text.replace(",", "")) for text in page.locator(".trial-table .row-value").all_inner_texts()]
    assert values == sorted(values)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#history .gtitle")).to_have_text("Validation accuracy by trial")
    assert is_same_document(page)
