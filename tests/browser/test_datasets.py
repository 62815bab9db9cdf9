"""Data of one's own in the browser: a file is shown, its target chosen, stored, and swept on."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

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
    expect(page.locator("#upload-problem")).to_contain_text("these are no classes")
    expect(store).to_be_disabled()
    complaints.clear()  # the browser tells of the refusal
    page.get_by_label("Target").select_option("kind")
    expect(page.get_by_role("row", name="colour")).to_contain_text("2 features, one for each of its texts")
    expect(page.locator("#upload-problem")).to_be_empty()
    store.click()
    page.wait_for_url("**/datasets/two_kinds")
    expect(page.get_by_role("heading", name="two_kinds", exact=True)).to_be_visible()
    page.get_by_role("link", name="New sweep on it").click()
    expect(page.get_by_label("Data set")).to_have_value("two_kinds")
    page.goto("/datasets/two_kinds")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/datasets")
    expect(page.get_by_role("heading", name="two_kinds", exact=True)).to_have_count(0)
