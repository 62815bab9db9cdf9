"""Keys and shared links in a browser: the address that logs in, the dialog that shares, the button that logs out."""

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from app.access import keys
from app.config import Settings
from app.db.engine import transaction
from app.domain.people.roles import Role
from app.service.up import Service
from tests.support.queue_examples import claim, complete, create_grid, new_worker


def test_a_key_logs_in_shares_and_logs_out(browser: Browser, settings: Settings, engine: Engine) -> None:
    """The key is behind the # of an address, a guest sees the shared sweep with its charts, and after that nothing."""
    sweep, worker = create_grid(engine, 4, 8, name="shared"), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    with transaction(engine) as session:
        key = keys.create(session, "Ada", Role.write)[1]
        reading_key = keys.create(session, "Grace", Role.read)[1]
    with Service(settings) as service:
        context, guest_context = (browser.new_context(base_url=service.url) for _ in range(2))
        page, guest = context.new_page(), guest_context.new_page()
        page.goto(f"/login?next=/sweeps/{sweep}#key={key}")
        page.wait_for_url(f"**/sweeps/{sweep}")
        page.get_by_role("link", name="Share…").click()
        page.get_by_role("button", name="Make a link").click()
        link = page.get_by_label("The new link").input_value()
        guest.goto(link)
        expect(guest.locator(".js-plotly-plot").first).to_be_visible(timeout=30_000)
        expect(guest.locator("#connection")).to_have_text("live")
        expect(guest.locator("form, dialog")).to_have_count(0)
        assert guest_context.cookies() == []
        page.get_by_role("button", name="End it").click()
        expect(page.get_by_role("button", name="End it")).to_have_count(0)
        assert (guest.reload() or guest.goto(link)).status == 404  # type: ignore[union-attr]
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        assert context.cookies() == []
        _expect_nothing_refused(page, sweep, reading_key)
        context.close()
        guest_context.close()


def _expect_nothing_refused(page: Page, sweep: int, key: str) -> None:
    """A key that may only read says so, and no page offers it what would be refused."""
    page.goto(f"/login?next=/sweeps/{sweep}#key={key}")
    page.wait_for_url(f"**/sweeps/{sweep}")
    posting = page.locator("form[method=post]:visible")
    for address in (f"/sweeps/{sweep}?trial=0&selected=0,1", "/", "/workers", "/exercises/1", "/datasets"):
        page.goto(address)
        expect(page.get_by_text("may only read")).to_be_visible()
        if "trial=" in address:
            expect(page.get_by_role("complementary")).to_be_visible()
            expect(page.get_by_role("link", name="Own trial…")).to_be_hidden()
        expect(posting).to_have_count(1)  # Log out
        expect(page.get_by_role("link", name="New sweep")).to_be_hidden()
        expect(page.locator("input[type=file]:visible")).to_have_count(0)
