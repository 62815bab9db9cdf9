"""Sweeps side by side, in a real browser."""

import contextlib
import re

import pytest
from playwright.sync_api import Error, Page, Route, expect

from tests.support.web.sweep_pages import BODY, expect_live, post

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


def test_sweeps_are_left_out_one_after_the_other(page: Page, server: str) -> None:
    """Also before the first answer has come; and so do all rows that were asked for meanwhile."""
    paths = [post(server, BODY | {"name": f"one of {number}", "seeds": number}) for number in (1, 2, 3, 4)]
    ids = [path.rpartition("/")[2] for path in paths]
    page.goto(f"/compare?sweeps={','.join(ids)}")
    expect_live(page)
    held: list[Route] = []
    page.route(re.compile(r"/compare\?"), lambda route: held.append(route))
    page.get_by_role("link", name="Leave out one of 2").click()
    page.get_by_role("link", name=re.compile("rows in which they agree")).click()
    page.get_by_role("link", name="Leave out one of 3").click()
    page.unroute(re.compile(r"/compare\?"))
    for route in held:
        with contextlib.suppress(Error):  # those that were given up
            route.continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 sweeps side by side")
    expect(page.locator(".compared-sweeps")).to_contain_text("one of 4")
    expect(page.get_by_role("region", name="Setup, field by field")).to_contain_text("batch_size")
    assert page.url.endswith(f"/compare?sweeps={ids[0]},{ids[3]}&all=true")


def test_the_values_of_all_configurations_are_drawn(page: Page, server: str) -> None:
    """A line for each sweep."""
    paths = [post(server, BODY | {"name": f"drawn {seeds}", "seeds": seeds}) for seeds in (1, 2)]
    for path in paths:
        page.goto(path)
        expect(page.locator("h1 .badge")).to_have_text("completed")
    page.goto(f"/compare?sweeps={','.join(path.rpartition('/')[2] for path in paths)}")
    expect(page.locator("#edf .plot .trace")).to_have_count(2)
