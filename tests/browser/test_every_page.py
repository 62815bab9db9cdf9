"""What holds of every page: read by everybody, at every width, in light and dark, from this server alone."""

import re
import time
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response, expect

from app.config import Settings
from app.service.up import Service
from app.web.pages.routes import ROUTERS
from tests.support.web.sweep_pages import BODY, expect_live, expect_state, post

pytestmark = pytest.mark.browser

RESIZE_SECONDS = 5
# the narrowest window of each layout that the style sheets know, and a phone's: what fits there fits into wider ones
WIDTHS = (897, 705, 481, 390)
LOOKS = ((390, "dark"), (1280, "light"))
VALUES = {"sweep_id": "1", "number": "0", "name:path": "hyperparameters"}
FURTHER = (
    "/sweeps/1?tab=curves",
    "/sweeps/1?tab=compare",
    "/sweeps/1?tab=setup",
    "/exercises/1",
    "/compare?sweeps=1",
    "/nowhere",
)


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


def every_path() -> list[str]:
    """A path of each page that there is, with a sweep and its trial to show."""
    routes = [route.path for router in ROUTERS for route in router.routes if "GET" in route.methods]
    for name, value in VALUES.items():
        routes = [path.replace(f"{{{name}}}", value) for path in routes]
    # what is shared, and runs of exercises, have no page here, and what matters is a line of another page
    left_out = re.compile(r"\{|^/exercises/|/what-matters$")
    return [*(path for path in routes if not left_out.search(path)), *FURTHER]


@pytest.fixture
def asked(page: Page) -> list[str]:
    """The hosts that pages have asked for something."""
    hosts: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).scheme in {"http", "https", "ws", "wss"}:
            hosts.append(urlsplit(request.url).netloc)

    page.on("request", note)
    return hosts


@pytest.fixture
def refused(page: Page) -> list[str]:
    """What else than a page itself was asked for and not given."""
    urls: list[str] = []

    def note(response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            urls.append(response.url)

    page.on("response", note)
    return urls


def test_every_page_is_for_everybody(
    page: Page, server: str, asked: list[str], refused: list[str], complaints: list[str]
) -> None:
    """Nothing serious for a screen reader or weak eyes, no sideways scrolling, no other host, no inline scripts."""
    page.goto(post(server, BODY))
    expect_state(page, "completed")
    faults: list[str] = []
    for path in every_path():
        answer = page.goto(path)
        page.wait_for_load_state("load")
        assert answer is not None
        if "text/html" not in answer.headers["content-type"]:
            continue
        faults += [f"{path}: {fault}" for fault in (*_policy_faults(page), *_width_faults(page), *_axe_faults(page))]
    assert not faults, "\n".join(faults)
    assert set(asked) == {urlsplit(server).netloc}
    assert refused == []
    assert [text for text in complaints if not re.search("status of (404|422)", text)] == []  # pages of errors
    complaints.clear()


def _policy_faults(page: Page) -> list[str]:
    """What of its policy would let a script in that stands in the page."""
    policy = page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content") or ""
    directives = {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}
    sources = directives.get("script-src", directives.get("default-src", ["nothing"]))
    scripts = page.locator("script:not([src]):not([type='application/json'])").count()
    return [f"scripts from {sources}"] * (sources != ["'self'"]) + ["a script in the page"] * bool(scripts)


def _width_faults(page: Page) -> list[str]:
    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        end = time.monotonic() + RESIZE_SECONDS  # charts follow the window a little later
        while (shown := int(page.evaluate("document.documentElement.scrollWidth"))) > width and time.monotonic() < end:
            page.wait_for_timeout(50)
        if shown > width:
            faults.append(f"{shown} pixels wide at {width}")
    return faults


def _axe_faults(page: Page) -> list[str]:
    """The serious and critical findings of axe."""
    faults = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        findings = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        faults += [
            f"{width} {scheme}: {finding['id']}: {[node['target'] for node in finding['nodes'][:4]]}"
            for finding in findings
            if finding["impact"] in {"serious", "critical"}
        ]
    return faults


def test_an_open_page_survives_a_restart_of_the_server(browser: Browser, settings: Settings) -> None:
    """It says that it reconnects, and shows what is new as soon as the server is back, without being loaded again."""
    with Service(settings) as service:
        address = service.url
        page = browser.new_page(base_url=address)
        page.goto("/")
        expect_live(page)
        page.evaluate("window.untouched = true")
    expect(page.locator("#connection")).to_have_text("reconnecting")
    with Service(settings.model_copy(update={"port": urlsplit(address).port})) as service:
        assert service.url == address
        expect(page.locator("#connection")).to_have_text("live")
        assert httpx.post(f"{address}/api/v1/sweeps", json=BODY | {"name": "afterwards"}).status_code == 201
        expect(page.get_by_role("link", name="afterwards").first).to_be_visible(timeout=60_000)
        assert page.evaluate("window.untouched") is True
        page.close()
