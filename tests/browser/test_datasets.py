"""Data of one's own in the browser: a file is shown, its target chosen, stored, and swept on."""

import json
import re
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import post

pytestmark = pytest.mark.browser

ROWS = "".join(f"{place % 7}.5,{['red', 'blue'][place % 2]},{'ab'[place % 3 == 0]}\n" for place in range(30))


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


def test_a_file_is_shown_before_it_is_stored(page: Page, tmp_path: Path, complaints: list[str]) -> None:
    """What is wrong with a target is said; the right one shows what becomes of the columns, and the form takes it."""
    path = tmp_path / "Two Kinds.csv"
    path.write_text(f"size,colour,kind\n{ROWS}")
    page.goto("/datasets")
    page.get_by_label("Drop a file here").set_input_files(path)
    expect(page.get_by_role("heading", name="30 rows of 3 columns")).to_be_visible()
    store = page.get_by_role("button", name="Store it")
    expect(store).to_be_disabled()
    page.get_by_label("Target").select_option("size")
    expect(page.get_by_label("It is")).to_have_value("regression")
    expect(page.get_by_role("row", name="size")).to_contain_text("the target, less its mean")
    expect(page.get_by_label("Counted in")).to_be_visible()
    page.get_by_label("It is").select_option("a class")
    expect(page.locator("#upload-problem")).to_contain_text("these are no classes")
    expect(store).to_be_disabled()
    complaints.clear()  # the browser tells of the refusal
    page.get_by_label("Target").select_option("kind")
    expect(page.get_by_role("row", name="colour")).to_contain_text("2 features, one for each of its texts")
    expect(page.locator("#upload-problem")).to_be_empty()
    expect(page.get_by_label("It is")).to_have_value("classification")
    expect(page.get_by_label("Counted in")).to_be_hidden()
    store.click()
    page.wait_for_url("**/datasets/two_kinds")
    expect(page.get_by_role("heading", name="two_kinds", exact=True)).to_be_visible()
    page.get_by_role("link", name="New sweep on it").click()
    expect(page.get_by_label("Data set")).to_have_value("two_kinds")
    expect(page.locator("[name=epochs]").first).to_have_value("20")  # of so few rows five epochs are a handful of steps
    page.goto("/datasets/two_kinds")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/datasets")
    expect(page.get_by_role("heading", name="two_kinds", exact=True)).to_have_count(0)


def test_a_share_that_is_wrong_says_so_where_it_was_folded_away(page: Page, tmp_path: Path) -> None:
    """Its place is opened; another file begins with the usual shares."""
    path = tmp_path / "kinds.csv"
    path.write_text(f"size,colour,kind\n{ROWS}")
    page.goto("/datasets")
    page.get_by_label("Drop a file here").set_input_files(path)
    expect(page.get_by_role("heading", name="30 rows of 3 columns")).to_be_visible()
    share, summary = page.locator("#dataset-test"), page.get_by_text("How rows are divided")
    summary.click()
    share.fill("99")
    summary.click()
    expect(share).to_be_hidden()
    page.get_by_label("Target").select_option("kind")
    expect(share).to_be_focused()
    other_path = tmp_path / "others.csv"
    other_path.write_text(f"size,colour,kind\n{ROWS}{ROWS}")
    page.get_by_label("Drop a file here").set_input_files(other_path)
    expect(page.get_by_role("heading", name="60 rows of 3 columns")).to_be_visible()
    expect(share).to_have_value("20")


def test_a_network_of_ones_own_table_is_asked_about_a_row(page: Page, server: str) -> None:
    """What is true or false is chosen rather than typed, names of columns stay as they are, and numbers can be read."""
    rows = "".join(f"{place * 1.5},{place % 3 == 0},{1000 * place + 500.5}\n" for place in range(60)).encode()
    url = f"{server}/api/v1/datasets?name=house_prices&target=price_eur"
    httpx.post(url, content=b"size,balcony,price_eur\n" + rows, timeout=60).raise_for_status()
    page.goto("/datasets/house_prices")
    expect(page.locator(".lead")).to_have_text("60 rows, 2 columns to predict price_eur.")
    expect(page.get_by_role("columnheader", name="price_eur", exact=True)).to_be_visible()
    body: dict[str, object] = {
        "name": "prices",
        "dataset": "house_prices",
        "space": {"hidden_units": 2, "epochs": 1},
        "sampler": "grid",
    }
    path = post(server, body)
    wait_until(lambda: (httpx.get(f"{server}/api/v1{path}").json()["best"] or {}).get("model"), 120)
    page.goto(f"{path}/trials/0/predict")
    balcony = page.get_by_label("balcony")
    assert balcony.locator("option").all_inner_texts() == ["true", "false", "missing"]
    expect(balcony).to_have_value("0")  # as most rows have it
    page.get_by_label("size").fill("30")
    balcony.select_option("true")
    with page.expect_request("**/predict") as request:
        page.get_by_role("button", name="Ask the network").click()
    assert json.loads(request.value.post_data or "{}")["rows"] == [{"size": 30, "balcony": 1}]
    expect(page.locator("#answer strong")).to_have_text(re.compile(r"^\d\d,\d{3} ?$"))
