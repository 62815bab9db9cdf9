"""Who may call: the key, the cookie, and requests that a foreign web page makes a browser send."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.cookies import SimpleCookie
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import StartError
from app.service.up import Service
from app.web.app import create_app

KEY = "correct horse battery staple"
BEARER = {"Authorization": f"Bearer {KEY}"}
Clients = Callable[..., TestClient]


@pytest.fixture
def serving(settings: Settings) -> Iterator[Clients]:
    """Makes a client of a server with other settings."""
    with ExitStack() as stack:

        def make(base_url: str = "http://localhost", **changes: Any) -> TestClient:
            app = create_app(settings.model_copy(update=changes))
            return stack.enter_context(TestClient(app, base_url=base_url, follow_redirects=False))

        yield make


def test_only_the_probes_and_the_way_in_need_no_key(serving: Clients) -> None:
    """Whatever else is asked for, routed or not, answers 401; that each route does is in test_roles."""
    client = serving(api_key=KEY)
    for path in ("/api/openapi.json", "/api/docs", "/nothing", "/api/v1/nothing", "/loginx", "/healthzx", "/login/x"):
        answer = client.get(path)
        assert (path, answer.status_code, answer.headers["WWW-Authenticate"]) == (path, 401, "Bearer")
    assert client.get("/loginx/../api/v1/sweeps").status_code == 401
    for path in ("/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz", "/login", "/static/app.css"):
        assert client.get(path).status_code == 200


def test_the_key_opens_and_a_wrong_one_does_not(serving: Clients) -> None:
    """As a Bearer token, exactly."""
    client = serving(api_key=KEY)
    assert client.get("/api/v1/sweeps", headers=BEARER).status_code == 200
    assert client.get("/api/v1/sweeps", headers={"Authorization": f"bearer {KEY} "}).status_code == 200
    for wrong in ("", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Basic {KEY}", KEY, "Bearer", "Bearer é"):
        headers = {b"Authorization": wrong.encode()}
        assert client.get("/api/v1/sweeps", headers=headers).status_code == 401
    assert client.get("/api/v1/sweeps", params={"key": KEY}).status_code == 401


def test_the_page_that_asks_leaves_a_cookie(serving: Clients) -> None:
    """HttpOnly and SameSite=Strict, not the key itself; with it the dashboard opens, where one wanted to go."""
    client = serving(api_key=KEY)
    sent_off = client.get("/sweeps/1", headers={"Accept": "text/html"})
    assert (sent_off.status_code, sent_off.headers["Location"]) == (303, "/login?next=/sweeps/1")
    wrong = client.post("/login", data={"key": "wrong", "next": "/"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    answer = client.post("/login", data={"key": KEY, "next": "/workers"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/workers")
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"].lower(), KEY in cookie.value) == (True, "strict", False)
    assert client.get("/api/v1/sweeps").status_code == 200
    assert client.get("/workers", headers={"Accept": "text/html"}).status_code == 200


def test_a_stranger_s_form_is_small(serving: Clients) -> None:
    """What anybody may post takes no memory."""
    client = serving(api_key=KEY)
    assert client.post("/login", data={"key": "x" * 2**13}).status_code == 401
    assert client.post("/login", data={"key": "x" * 2**15}).status_code == 413


def test_a_cookie_is_void_once_the_key_is_another(serving: Clients) -> None:
    """A change of the key shuts everybody out."""
    first, second = serving(api_key=KEY), serving(api_key="another key")
    cookie = first.post("/login", data={"key": KEY}).headers["set-cookie"].partition(";")[0]
    assert first.get("/api/v1/sweeps", headers={"Cookie": cookie}).status_code == 200
    assert second.get("/api/v1/sweeps", headers={"Cookie": cookie}).status_code == 401
    assert second.get("/api/v1/sweeps", headers={"Cookie": f"{cookie[:20]}"}).status_code == 401


def test_a_server_without_keys_asks_for_none(serving: Clients) -> None:
    """The page of the key says so and leads on, and a form that was open since there were keys does too."""
    client = serving()
    page = client.get("/login", params={"next": "/workers"}).text
    assert "No key is needed" in page
    assert '<a class="button primary" href="/workers">Go on</a>' in page
    assert "<form" not in page
    assert 'href="/">Go on' in client.get("/login", params={"next": "//evil.example"}).text
    answer = client.post("/login", data={"key": "of before", "next": "/workers"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/workers")


@pytest.mark.parametrize("place", ["https://evil.example", "//evil.example", "/\\evil.example", "evil"])
def test_the_login_leads_nowhere_else(serving: Clients, place: str) -> None:
    """A link that was prepared by a stranger ends on our own first page."""
    answer = serving(api_key=KEY).post("/login", data={"key": KEY, "next": place})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.example", "192.168.1.2", ""])
def test_a_foreign_host_is_refused(serving: Clients, host: str) -> None:
    """A name that a stranger's DNS server points at this machine is not ours, and the sentence says what to set."""
    answer = serving().get("/api/v1/sweeps", headers={"Host": host})
    assert answer.status_code == 403
    assert "PERCEPTUNE_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "mlp.example:443"])
def test_our_own_names_are_answered(serving: Clients, host: str) -> None:
    """Loopback in each spelling, and the names that were allowed."""
    assert serving(allowed_hosts=("mlp.example",)).get("/healthz", headers={"Host": host}).status_code == 200


def test_beyond_loopback_addresses_are_ours_and_names_are_not(serving: Clients) -> None:
    """Colleagues may use the machine's address; a strange name stays refused."""
    client = serving(host="0.0.0.0", open=True)
    assert client.get("/healthz", headers={"Host": "192.168.1.2:8000"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null", "http://localhost.evil"])
def test_a_foreign_page_s_request_is_refused(serving: Clients, origin: str) -> None:
    """Another site's script can't start a sweep here, with or without the key's cookie."""
    for client in (serving(), serving(api_key=KEY)):
        client.post("/login", data={"key": KEY})
        answer = client.post("/api/v1/sweeps", json={}, headers={"Origin": origin})
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "//", "http://localhost:x:y"])
def test_an_origin_that_is_none_is_refused(serving: Clients, origin: str) -> None:
    """With the same words as a foreign one."""
    answer = serving().get("/api/v1/sweeps", headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    ("mode", "dest"), [("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("cors", "empty")]
)
def test_what_another_site_s_page_embeds_is_refused(serving: Clients, mode: str, dest: str) -> None:
    """It could make the server work as often as it likes, and a browser sends no Origin with it."""
    headers = CROSS_SITE | {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert serving().get("/sweeps/new", headers=headers).status_code == 403
    assert serving().get("/sweeps/new", headers=headers | {"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_link_on_another_site_s_page_can_be_followed(serving: Clients) -> None:
    """But no form of it can be posted."""
    headers = CROSS_SITE | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert serving().get("/sweeps/new", headers=headers).status_code == 200
    assert serving().post("/sweeps/new/preview", headers=headers).status_code == 403


def test_our_own_page_s_request_is_answered(serving: Clients) -> None:
    """The dashboard's own origin."""
    assert serving().get("/api/v1/sweeps", headers={"Origin": "http://localhost"}).status_code == 200


def test_serving_beyond_loopback_without_a_key_is_refused(settings: Settings) -> None:
    """The server does not start, unless a word says that something else keeps strangers out."""
    unsafe = settings.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(StartError, match="would let other machines in without a key"), Service(unsafe):
        pass
    with Service(unsafe.model_copy(update={"open": True})) as service:
        assert service.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("trick", ["localhost/static/?", "localhost/healthz?", "localhost?/login", "a@localhost"])
def test_no_host_header_gets_around_the_key(settings: Settings, trick: str) -> None:
    """A header that looks like the beginning of another path changes nothing about what is asked for."""
    app = create_app(settings.model_copy(update={"api_key": KEY}))
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/api/v1/sweeps", headers={"Host": trick}).status_code in {400, 401, 403}


def test_no_stranger_s_page_can_frame_the_dashboard(serving: Clients) -> None:
    """A button under a stranger's picture could otherwise delete a sweep."""
    headers = serving().get("/").headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_bug_is_answered_and_logged_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """As a problem, with its traceback in one line of the log; the web server is not told again."""
    app = create_app(settings)

    def boom() -> None:
        raise ZeroDivisionError

    app.add_api_route("/boom", boom)
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get("/boom")
    assert (answer.status_code, answer.json()["title"]) == (500, "Something went wrong")
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["unexpected error at GET /boom"]
