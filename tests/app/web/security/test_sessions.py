"""Sessions of the dashboard: a browser logs in, is known by a cookie, and logs out."""

from http.cookies import SimpleCookie

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.access import keys, sessions
from app.config import Settings
from app.db.engine import transaction
from app.db.tables import LoginSession
from app.domain.people.roles import Role
from app.service.up import Service
from app.web.security import backoff
from app.web.security.gate import COOKIE
from tests.support.web.keys import bearer, browser, make_key

HTML = {"Accept": "text/html"}


def test_a_session_can_be_logged_out(client: TestClient, admin: str, engine: Engine) -> None:
    """The button ends it in the table too, so a copy of the cookie is worth nothing; its hash alone was there."""
    answer = client.post("/login", data={"key": admin}, follow_redirects=False)
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    with engine.connect() as connection:
        row_text = connection.execute(text("SELECT to_jsonb(login_sessions)::text FROM login_sessions")).scalar_one()
    assert cookie.value not in row_text
    page = client.get("/workers", headers=HTML)
    assert "Log out" in page.text
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "same-origin")
    out = client.post("/logout", follow_redirects=False)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    client.cookies.set(COOKIE, cookie.value)
    assert client.get("/api/v1/sweeps").status_code == 401
    with transaction(engine) as session:
        assert session.query(LoginSession).count() == 0


def test_a_revocation_ends_the_key_s_sessions(client: TestClient, admin: str) -> None:
    """All of them, and nobody else's."""
    made = make_key(client, admin, name="CI", role="read")
    browsers = [browser(client), browser(client), browser(client)]
    for place, key in zip(browsers, (made["key"], made["key"], admin), strict=True):
        assert place.post("/login", data={"key": key}).status_code == 303
        assert place.get("/api/v1/sweeps").status_code == 200
    client.delete(f"/api/v1/keys/{made['id']}", headers=bearer(admin))
    assert [place.get("/api/v1/sweeps").status_code for place in browsers] == [401, 401, 200]


def test_a_session_expires(client: TestClient, admin: str, engine: Engine) -> None:
    """And upkeep removes its row."""
    client.post("/login", data={"key": admin})
    with transaction(engine) as session:
        session.execute(text("UPDATE login_sessions SET expires_at = now()"))
    client.app.state.gate.ring.forget()  # type: ignore[attr-defined]
    assert client.get("/api/v1/sweeps").status_code == 401
    with transaction(engine) as session:
        sessions.drop_expired(session)
        assert session.query(LoginSession).count() == 0


@pytest.mark.parametrize(("base_url", "secure"), [("http://localhost", False), ("https://localhost", True)])
def test_the_cookie_is_secure_where_the_way_is(client: TestClient, admin: str, base_url: str, secure: bool) -> None:
    """Behind TLS a browser never sends it in the clear."""
    place = TestClient(client.app, base_url=base_url, follow_redirects=False)
    (cookie,) = SimpleCookie(place.post("/login", data={"key": admin}).headers["set-cookie"]).values()
    assert (bool(cookie["secure"]), bool(cookie["httponly"]), cookie["samesite"]) == (secure, True, "strict")


def test_behind_a_trusted_proxy_the_cookie_is_secure(settings: Settings, engine: Engine) -> None:
    """What a proxy says of TLS and of addresses counts from 127.0.0.1, which the web server trusts."""
    with transaction(engine) as session:
        key = keys.create(session, "Ada", Role.read)[1]
    with Service(settings) as service:
        for header, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True)):
            answer = httpx2.post(f"{service.url}/login", data={"key": key}, headers=header)
            (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
            assert bool(cookie["secure"]) == secure
        for number in range(backoff.FREE_FAILURES + 2):
            address = {"X-Forwarded-For": "192.0.2.7"}
            answer = httpx2.post(f"{service.url}/login", data={"key": f"guess {number}"}, headers=address)
        assert (answer.status_code, "192.0.2.7" in answer.text) == (429, True)
        assert httpx2.post(f"{service.url}/login", data={"key": "guess"}).status_code == 401
        anything = {"X-Forwarded-For": "a" * 9_000}
        assert httpx2.post(f"{service.url}/login", data={"key": "guess"}, headers=anything).status_code == 401
