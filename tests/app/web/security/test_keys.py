"""Keys of the table: made, used, remembered, expired, revoked."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, text

from app.access import keys
from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Key
from app.domain.people.roles import Role
from app.service.up import Service
from app.web.app import create_app
from app.web.security import key_ring
from tests.support.web.keys import bearer, browser, make_key

HTML = {"Accept": "text/html"}


@contextmanager
def counted_statements(client: TestClient) -> Iterator[list[str]]:
    """The statements by which the server looks up or notes who calls, meanwhile."""
    statements: list[str] = []
    engine = client.app.state.engine  # type: ignore[attr-defined]

    def note(*arguments: Any) -> None:
        statement = arguments[2]
        if ("keys" in statement or "login_sessions" in statement) and not statement.startswith("DELETE"):  # upkeep's
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def test_the_first_key_shuts_the_server(client: TestClient) -> None:
    """Until then nobody needs one, and from then on everybody does, at once."""
    assert client.get("/api/v1/sweeps").status_code == 200
    made = client.post("/api/v1/keys", json={"name": "Ada", "role": "admin"})
    assert made.status_code == 201
    assert client.get("/api/v1/sweeps").status_code == 401
    assert client.get("/api/v1/sweeps", headers=bearer(made.json()["key"])).status_code == 200


def test_the_first_key_is_an_admin_s(client: TestClient) -> None:
    """With another one nobody could make a further key."""
    answer = client.post("/api/v1/keys", json={"name": "CI", "role": "write"})
    assert (answer.status_code, "role admin" in answer.json()["detail"]) == (409, True)
    assert client.get("/api/v1/sweeps").status_code == 200


def test_a_key_is_shown_once_and_kept_as_a_hash(client: TestClient, admin: str, engine: Engine) -> None:
    """Neither the list nor the tables have it; the list has its beginning, name, role and times."""
    made = make_key(client, admin, name="CI", role="write", days=30)
    assert made["key"].startswith(f"{made['prefix']}")
    items = client.get("/api/v1/keys", headers=bearer(admin)).json()["items"]
    assert [(item["name"], item["role"], item["state"]) for item in items] == [
        ("CI", "write", "valid"),
        ("Ada", "admin", "valid"),
    ]
    assert ("key" in items[0], items[0]["created_by"], items[0]["expires_at"] > items[0]["created_at"]) == (
        *(False, "Ada"),
        True,
    )
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT to_jsonb(keys)::text FROM keys")).scalars().all()
    assert not any(made["key"] in row or admin in row for row in rows)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "", "role": "read"}, "name"),
        ({"name": "x", "role": "root"}, "role"),
        ({"name": "x", "role": "read", "days": 0}, "days"),
        ({"name": "a\nb", "role": "read"}, "name"),
        ({"role": "read"}, "name"),
    ],
)
def test_a_key_that_can_not_be_is_422(client: TestClient, admin: str, body: dict[str, Any], field: str) -> None:
    """With the field's path; nothing is stored."""
    answer = client.post("/api/v1/keys", json=body, headers=bearer(admin))
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, [field])
    assert len(client.get("/api/v1/keys", headers=bearer(admin)).json()["items"]) == 1


def test_a_name_is_one_key_s(client: TestClient, admin: str) -> None:
    """What was done under a name can be told; once a key is revoked its name is free."""
    first = make_key(client, admin, name="CI", role="read")
    body = {"name": "CI", "role": "write"}
    assert client.post("/api/v1/keys", json=body, headers=bearer(admin)).status_code == 409
    assert client.delete(f"/api/v1/keys/{first['id']}", headers=bearer(admin)).status_code == 204
    assert client.post("/api/v1/keys", json=body, headers=bearer(admin)).status_code == 201


def test_a_revoked_key_ends_at_once(client: TestClient, admin: str) -> None:
    """Although it was used a moment ago; a second call changes nothing, and an unknown number is 404."""
    made = make_key(client, admin, name="CI", role="read")
    for _ in range(3):
        assert client.get("/api/v1/sweeps", headers=bearer(made["key"])).status_code == 200
    for _ in range(2):
        assert client.delete(f"/api/v1/keys/{made['id']}", headers=bearer(admin)).status_code == 204
        assert client.get("/api/v1/sweeps", headers=bearer(made["key"])).status_code == 401
    assert client.delete("/api/v1/keys/77", headers=bearer(admin)).status_code == 404


def test_another_process_heeds_a_revocation_in_time(
    settings: Settings, client: TestClient, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It remembers a key for HOLDS_SECONDS: then it looks again."""
    made = make_key(client, admin, name="CI", role="read")
    now = 1000.0
    monkeypatch.setattr("app.web.security.key_ring.monotonic", lambda: now)
    with TestClient(create_app(settings), base_url="http://localhost") as other_process:
        assert other_process.get("/api/v1/sweeps", headers=bearer(made["key"])).status_code == 200
        client.delete(f"/api/v1/keys/{made['id']}", headers=bearer(admin))
        now += key_ring.HOLDS_SECONDS
        assert other_process.get("/api/v1/sweeps", headers=bearer(made["key"])).status_code == 401


def test_when_all_are_revoked_the_server_stays_shut(client: TestClient, admin: str, settings: Settings) -> None:
    """Also after a new start: only `perceptune keys create` on its machine opens it again."""
    (item,) = client.get("/api/v1/keys", headers=bearer(admin)).json()["items"]
    client.delete(f"/api/v1/keys/{item['id']}", headers=bearer(admin))
    assert client.get("/api/v1/sweeps").status_code == 401
    with TestClient(create_app(settings), base_url="http://localhost") as restarted:
        assert restarted.get("/api/v1/sweeps").status_code == 401


def test_an_expired_key_is_none(client: TestClient, admin: str, engine: Engine) -> None:
    """By the database's clock, and its session too."""
    made = make_key(client, admin, name="CI", role="read", days=1)
    other = browser(client)
    other.post("/login", data={"key": made["key"]})
    assert other.get("/api/v1/sweeps").status_code == 200
    with transaction(engine) as session:
        session.get_one(Key, made["id"]).expires_at = session.get_one(Key, made["id"]).created_at
    client.app.state.gate.ring.forget()  # type: ignore[attr-defined]
    assert client.get("/api/v1/sweeps", headers=bearer(made["key"])).status_code == 401
    assert other.get("/api/v1/sweeps").status_code == 401
    states = [item["state"] for item in client.get("/api/v1/keys", headers=bearer(admin)).json()["items"]]
    assert states == ["expired", "valid"]


def test_a_known_caller_costs_no_query(client: TestClient, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with a key nor with a session, while it is remembered."""
    monkeypatch.setattr(key_ring, "HOLDS_SECONDS", 3600.0)
    client.post("/login", data={"key": admin})
    for headers in (bearer(admin), {}):
        client.get("/hyperparameters", headers=headers)
        with counted_statements(client) as statements:
            for _ in range(5):
                assert client.get("/hyperparameters", headers=headers).status_code == 200
        assert statements == []


def test_memory_for_callers_is_bounded(client: TestClient, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room; what is wrong is not remembered at all."""
    monkeypatch.setattr(key_ring, "MAX_CALLERS", 2)
    for name in ("a", "b", "c"):
        key = make_key(client, admin, name=name, role="read")["key"]
        assert client.get("/api/v1/datasets", headers=bearer(key)).status_code == 200
    client.get("/api/v1/datasets", headers=bearer(f"key_{'x' * 43}"))
    assert len(client.app.state.gate.ring._callers) <= 2  # type: ignore[attr-defined]


def test_a_use_is_written_once_a_minute(client: TestClient, admin: str, engine: Engine) -> None:
    """However often it is used."""
    ring = client.app.state.gate.ring  # type: ignore[attr-defined]

    def used_at() -> datetime | None:
        ring.forget()
        client.get("/api/v1/datasets", headers=bearer(admin))
        with transaction(engine) as session:
            return session.get_one(Key, 1).last_used_at

    first = used_at()
    assert (first is not None, used_at()) == (True, first)
    with transaction(engine) as session:
        session.execute(text("UPDATE keys SET last_used_at = last_used_at - interval '61 s'"))
    second = used_at()
    assert first is not None
    assert second is not None
    assert second > first


def test_the_environment_s_key_is_an_admin_s(settings: Settings) -> None:
    """It makes the first keys of the table, of any role, and goes on beside them."""
    app = create_app(settings.model_copy(update={"api_key": "correct horse"}))
    with TestClient(app, base_url="http://localhost") as client:
        made = make_key(client, "correct horse", name="CI", role="read")
        assert made["created_by"] == "PERCEPTUNE_API_KEY"
        for token in ("correct horse", made["key"]):
            assert client.get("/api/v1/sweeps", headers=bearer(token)).status_code == 200


def test_the_page_makes_shows_and_revokes(client: TestClient) -> None:
    """The first key, then one of each kind of mistake, then a revocation."""
    first = client.get("/keys", headers=HTML).text
    assert "needs no key" in first
    made = client.post("/keys", data={"name": "Ada", "role": "admin", "days": ""}, headers=HTML)
    assert (made.status_code, "key_" in made.text) == (201, True)
    for untrue in ("needs no key", "The first key", "Make the key", "Revoke…"):
        assert untrue not in made.text
    assert 'data-copy="key_' in made.text
    with transaction(client.app.state.engine) as session:  # type: ignore[attr-defined]
        admin = keys.create(session, "Grace", Role.admin)[1]
    client.post("/login", data={"key": admin})
    wrong = client.post("/keys", data={"name": "Ada", "role": "read", "days": "x"}, headers=HTML)
    assert (wrong.status_code, "must be a whole number" in wrong.text) == (422, True)
    endless = client.post("/keys", data={"name": "Ada", "role": "read", "days": "9" * 5_000}, headers=HTML)
    assert (endless.status_code, "must be a whole number" in endless.text) == (422, True)
    taken = client.post("/keys", data={"name": "Ada", "role": "read", "days": "3"}, headers=HTML)
    assert (taken.status_code, "There is a key" in taken.text) == (422, True)
    assert client.post("/keys/1/revoke", headers=HTML).url.path == "/keys"
    states = [item["state"] for item in client.get("/api/v1/keys").json()["items"]]
    assert states == ["valid", "revoked"]


def test_the_first_key_is_made_and_logged_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """With the address to open, also beyond loopback; where there is a key already, nothing is made."""
    caplog.set_level(logging.WARNING)
    asking = settings.model_copy(update={"host": "0.0.0.0", "first_key": True, "public_url": "https://mlp.example"})
    for _ in range(2):
        with Service(asking) as service:
            (message,) = [line for line in caplog.messages if "#key=" in line]
            address, _, key = message.rpartition("open ")[2].partition("/login#key=")
            assert (address, httpx2.get(f"{service.url}/api/v1/keys").status_code) == ("https://mlp.example", 401)
            headers = bearer(key) | {"Host": "mlp.example"}
            (item,) = httpx2.get(f"{service.url}/api/v1/keys", headers=headers).json()["items"]
            assert (item["name"], item["role"]) == ("first", "admin")
    with Service(asking.model_copy(update={"api_key": "correct horse"})):
        assert len([line for line in caplog.messages if "#key=" in line]) == 1
