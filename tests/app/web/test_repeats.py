"""What is answered again: the same bytes to those who want nothing newer, and never to anybody else."""

import asyncio
import weakref
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from starlette.types import Message, Receive, Scope, Send

from app.access.callers import ANYONE
from app.db.engine import transaction
from app.web import repeats
from tests.support.own_loop import finished
from tests.support.sweeps.measured_sweeps import a_sweep
from tests.support.web.keys import browser, make_key


@pytest.fixture(autouse=True)
def _endless_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made anew because time has passed."""
    monkeypatch.setattr(repeats, "FRESH_SECONDS", 1e9)


def again(revision: int) -> dict[str, str]:
    """The headers of a page that is open, and shows this revision."""
    return {"HX-Request": "true", repeats.SEEN: str(revision)}


@pytest.mark.parametrize("kind", ["", "/charts/history"])
def test_what_is_new_enough_is_answered_again(client: TestClient, engine: Engine, kind: str) -> None:
    """Until a later revision is wanted, time has passed, or somebody asks without saying what was seen."""
    number = a_sweep(engine, [[0.5], [0.9]])
    path = f"/api/v1/sweeps/{number}{kind}" if kind else f"/sweeps/{number}"
    revision = client.get(f"/api/v1/sweeps/{number}").json()["revision"]
    first = client.get(path, headers=again(revision))
    with transaction(engine) as session:  # what no revision tells of is the same for a moment
        session.execute(text("UPDATE sweeps SET name = 'unheard of', split = 'book'"))
    second = client.get(path, headers=again(revision))
    assert (second.content, second.headers["content-type"]) == (first.content, first.headers["content-type"])
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    changed = client.patch(f"/api/v1/sweeps/{number}", json={"priority": 3}).json()["revision"]
    assert changed > revision
    for headers in (again(changed), again(revision)):  # which is answered by what is newer than it wants
        assert client.get(path, headers=headers).content != first.content
    assert "unheard of" in client.get(f"/sweeps/{number}").text


def test_nothing_is_answered_again_for_longer_than_a_moment(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times go on, and workers come and go, without another revision."""
    monkeypatch.setattr(repeats, "FRESH_SECONDS", 0.0)
    path = f"/sweeps/{a_sweep(engine, [[0.5]])}"
    assert "<h1>unheard of" not in client.get(path, headers=again(0)).text
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET name = 'unheard of'"))
    assert "<h1>unheard of" in client.get(path, headers=again(0)).text


def test_what_nobody_is_sent_any_more_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing else is asked for after it."""
    monkeypatch.setattr(repeats, "FRESH_SECONDS", 0.05)

    sent: list[weakref.ref[Piece]] = []

    async def page(scope: Scope, _receive: Receive, send: Send) -> None:
        piece = Piece(type="http.response.body", body=b"page")
        sent.append(weakref.ref(piece))
        scope["state"]["revision"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(piece)

    async def receive() -> Message:
        raise AssertionError("there is no body")

    async def send(_: Message) -> None:
        pass

    async def ask() -> None:
        headers = [(repeats.SEEN.lower().encode(), b"1")]
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "headers": headers,
        }
        answers = repeats.Repeats(page)
        await answers(scope | {"state": {"caller": ANYONE}}, receive, send)
        assert sent[0]() is not None
        while sent[0]() is not None:
            await asyncio.sleep(0.01)

    finished(asyncio.wait_for(ask(), 30))


def test_nobody_waits_until_another_one_has_read_the_answer() -> None:
    """Who asks meanwhile gets it once it is made, however slowly it is taken by whom it was made for."""

    async def page(scope: Scope, _receive: Receive, send: Send) -> None:
        await asked_twice.wait()
        scope["state"]["revision"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async def receive() -> Message:
        raise AssertionError("there is no body")

    def scope() -> Scope:
        fields = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b""}
        headers = [(repeats.SEEN.lower().encode(), b"1")]
        return {**fields, "headers": headers, "state": {"caller": ANYONE}}

    asked_twice = asyncio.Event()

    async def ask() -> None:
        answers, second_pieces = repeats.Repeats(page), list[Message]()

        async def send_slowly(message: Message) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def send(message: Message) -> None:
            second_pieces.append(message)

        first = asyncio.create_task(answers(scope(), receive, send_slowly))
        second = asyncio.create_task(answers(scope(), receive, send))
        await asyncio.sleep(0)
        asked_twice.set()
        await asyncio.wait_for(second, 30)
        assert second_pieces[-1]["body"] == b"page"
        assert not first.done()
        first.cancel()

    finished(ask())


class Piece(dict[str, Any]):
    """The body of an answer, of which can be seen whether anybody holds it."""


def test_nobody_is_shown_what_another_one_may_do(client: TestClient, engine: Engine, admin: str) -> None:
    """A reader, a writer and an admin have each their own page, and so has who came by another name of the server."""
    path = f"/sweeps/{a_sweep(engine, [[0.5], [0.9]])}"
    keys = {role: make_key(client, admin, name=role, role=role)["key"] for role in ("read", "write", "admin")}
    pages = {}
    for role, host in (("admin", "localhost"), ("write", "localhost"), ("read", "localhost"), ("read", "127.0.0.1")):
        place = browser(client, host)
        assert place.post("/login", data={"key": keys[role]}).status_code == 303
        pages[role, host] = place.get(path, headers=again(0)).text
        assert place.get(path, headers=again(0)).text == pages[role, host]
    told_roles = {place: page.partition(", role ")[2].partition("<")[0] for place, page in pages.items()}
    assert told_roles == {place: place[0] for place in pages}
    assert [place[0] for place, page in pages.items() if 'data-role="read"' in page] == ["read", "read"]
    assert [place[0] for place, page in pages.items() if 'href="/keys"' in page] == ["admin"]
    for host in ("localhost", "127.0.0.1"):
        assert f"http://{host}/api/v1/sweeps" in pages["read", host]
    assert browser(client).get(path, headers=again(0)).status_code in (303, 401)


def test_what_says_no_revision_is_never_answered_again(client: TestClient) -> None:
    """Nor is what nobody may be asked to name: other routes, a word in place of a number, probes."""
    for path, seen in (("/workers", "0"), ("/healthz", "0"), ("/sweeps/7", "x"), ("/sweeps/7", "9" * 30)):
        answers = [client.get(path, headers={repeats.SEEN: seen}).status_code for _ in range(2)]
        assert answers[0] == answers[1] in (200, 404)
