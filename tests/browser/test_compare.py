"""Sweeps side by side, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.sweep_pages import BODY, post

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """The one for all tests of this module."""
    return shared_server


def test_selected_sweeps_are_compared(page: Page, server: str) -> None:
    """From the list to both side by side, with their difference and their progress; rows that agree come on demand."""
    bodies = [
        BODY | {"name": f"compared {seeds}", "tags": ["compared"], "seeds": seeds, "priority": 9} for seeds in (1, 2)
    ]
    paths = [post(server, body) for body in bodies]
    page.goto("/?tag=compared")
    for path in paths:
        row = page.locator(f"#sweep-{path.rpartition('/')[2]}")
        expect(row.locator(".badge")).to_have_text("completed")
        row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 sweeps side by side")
    setup = page.get_by_role("region", name="Setup, field by field")
    expect(setup.locator("tbody tr")).to_have_count(1)
    expect(setup).to_contain_text("seeds")
    expect(page.get_by_role("region", name="Best configurations", exact=True)).to_contain_text("best of these")
    expect(page.locator("#progress-seconds .plot .trace")).to_have_count(2)
    page.get_by_role("link", name=re.compile("rows in which they agree")).click()
    expect(setup).to_contain_text("batch_size")
    assert page.url.endswith("&all=true")
