"""Server-sent events from a real server: they arrive, say what is so, and survive a lost connection."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from app import queries
from app.config import Settings
from app.db.engine import transaction
from app.errors import BusyError
from app.service.up import Service
from app.sweeps import trial_actions
from app.web import events as web_events
from app.web.events import Broadcaster, News, SweepEvent
from tests.support.own_loop import finished
from tests.support.queue_examples import change, claim, complete, create_grid, new_worker, record, sweep_of
from tests.support.waiting import wait_until
from tests.support.web.keys import bearer

Events = list[dict[str, Any]]
Follow = Callable[[str], Events]


@pytest.fixture
def follow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follow]:
    """Follows a path of a server without workers; the list that it gives grows with events alone, by no poll."""
    monkeypatch.setattr(web_events, "POLL_SECONDS", 600.0)
    with ExitStack() as stack:
        service = stack.enter_context(Service(settings))

        def start(path: str) -> Events:
            client = stack.enter_context(httpx2.Client(base_url=service.url, timeout=30))
            response = stack.enter_context(client.stream("GET", path))
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            wait_until(lambda: next(lines) == ": connected")
            events: Events = []
            threading.Thread(target=_gather, args=(lines, events), daemon=True).start()
            return events

        yield start


def _gather(lines: Iterator[str], events: Events) -> None:
    """Ends with the stream."""
    try:
        kind = ""
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                events.append({"event": kind} | json.loads(value))
    except httpx2.HTTPError:
        return


def has_state(events: Events, sweep: int, state: str) -> Callable[[], bool]:
    return lambda: any((event["id"], event["state"]) == (sweep, state) for event in events)


def test_an_event_tells_that_a_sweep_changed(engine: Engine, follow: Follow) -> None:
    """From its post to its end: id, revision, state and progress, each revision higher than the one before."""
    events = follow("/api/v1/events")
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    wait_until(has_state(events, sweep, "queued"))
    claimed = claim(engine, worker)
    wait_until(has_state(events, sweep, "running"))
    record(engine, sweep, [trial.lease for trial in claimed])
    wait_until(lambda: any(0 < event["progress"] < 1 for event in events))
    complete(engine, sweep, worker, claimed)
    wait_until(has_state(events, sweep, "completed"))
    sweep_events = [event for event in events if event["id"] == sweep]
    assert all(set(event) == {"event", "id", "revision", "state", "progress"} for event in sweep_events)
    assert {event["event"] for event in sweep_events} == {"sweep"}
    revisions = [event["revision"] for event in sweep_events]
    assert revisions == sorted(set(revisions))
    assert (sweep_events[-1]["revision"], sweep_events[-1]["progress"]) == (sweep_of(engine, sweep).revision, 1.0)


def test_a_sweep_s_own_stream_tells_of_no_other(engine: Engine, follow: Follow) -> None:
    """Who looks at one sweep is not woken for another."""
    first, second = create_grid(engine, 4), create_grid(engine, 4)
    events = follow(f"/api/v1/sweeps/{second}/events")
    change(engine, first, "pause")
    change(engine, second, "pause")
    wait_until(has_state(events, second, "paused"))
    assert {event["id"] for event in events} == {second}


def test_a_deleted_sweep_is_told(engine: Engine, follow: Follow) -> None:
    """With the state `deleted`, so that lists can drop it."""
    from app.sweeps import deletion

    events = follow("/api/v1/events")
    sweep = create_grid(engine, 4)
    wait_until(has_state(events, sweep, "queued"))
    with transaction(engine) as session:
        deletion.delete(session, sweep)
    wait_until(has_state(events, sweep, "deleted"))


def test_the_listener_survives_the_end_of_its_connection(
    engine: Engine, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres ends every connection: what happens meanwhile and afterwards still arrives, without a new call."""
    monkeypatch.setattr(web_events, "POLL_SECONDS", 1.0)
    events = follow("/api/v1/events")
    sweep = create_grid(engine, 4)
    wait_until(has_state(events, sweep, "queued"))
    end_other_connections(engine)
    change(engine, sweep, "pause")
    wait_until(has_state(events, sweep, "paused"))
    change(engine, sweep, "resume")
    wait_until(lambda: has_state(events, sweep, "queued")() and events[-1]["state"] == "queued")


def test_what_others_notify_is_no_harm(engine: Engine, follow: Follow) -> None:
    """A payload that is no number, or the number of no sweep, does not end the stream."""
    events = follow("/api/v1/events")
    with transaction(engine) as session:
        for payload in ("", "no number", "-1", "999999999999999999999999"):
            session.execute(text("SELECT pg_notify('perceptune', :payload)"), {"payload": payload})
    sweep = create_grid(engine, 4)
    wait_until(has_state(events, sweep, "queued"))


def test_one_key_leaves_streams_to_others(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many it opens; where no key is needed, nobody is told from anybody."""
    monkeypatch.setattr(web_events, "MAX_STREAMS_OF_KEY", 1)
    broadcaster = web_events.Broadcaster(engine)

    def has_room(key: str | None) -> bool:
        try:
            with broadcaster.place(is_shared=False, key=key):
                return True
        except BusyError:
            return False

    with broadcaster.place(is_shared=False, key="Bob"), broadcaster.place(is_shared=False):
        assert [has_room(key) for key in ("Bob", "Ada", None)] == [False, True, True]
    assert has_room("Bob")


def test_of_very_many_streams_the_last_are_told_to_come_again(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of shared links before those with a key; once one has ended there is a place."""
    monkeypatch.setattr(web_events, "MAX_STREAMS", 2)
    monkeypatch.setattr(web_events, "MAX_STREAMS_BESIDE_SHARED", 1)
    sweep = create_grid(engine, 4)
    with ExitStack() as stack:
        service = stack.enter_context(Service(settings))
        client = stack.enter_context(httpx2.Client(base_url=service.url, timeout=30))
        token = client.post(f"/api/v1/sweeps/{sweep}/share", json={}).json()["token"]

        def opened(path: str) -> tuple[int, str | None]:
            with client.stream("GET", path) as answer:
                return answer.status_code, answer.headers.get("retry-after")

        wait_until(lambda: opened(f"/s/{token}/events") == (200, None))
        with client.stream("GET", "/api/v1/events") as first:
            assert first.status_code == 200
            wait_until(lambda: opened(f"/s/{token}/events") == (503, "5"))
            wait_until(lambda: opened(f"/api/v1/sweeps/{sweep}/events") == (200, None))
            with client.stream("GET", "/api/v1/events") as second:
                assert second.status_code == 200
                assert opened("/api/v1/events") == (503, "5")
                assert client.get(f"/api/v1/sweeps/{sweep}").status_code == 200
        wait_until(lambda: opened(f"/s/{token}/events") == (200, None))


def end_other_connections(engine: Engine) -> None:
    with transaction(engine) as session:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        session.execute(text(f"{query} AND pid <> pg_backend_pid()"))


def test_with_many_pages_progress_has_its_pace_and_what_people_change_has_none(engine: Engine) -> None:
    """Of what follows at once the newest is kept until its time has come; what the log tells, or a state, is sent."""

    async def heard(*all_news: News) -> list[int]:
        broadcaster, revisions = Broadcaster(engine), list[int]()

        async def follow_first() -> None:
            async for event in broadcaster.subscribe():
                revisions.append(event.revision)

        async def follow() -> None:
            async for _ in broadcaster.subscribe():
                pass

        tasks = [asyncio.create_task(follow_first()), *(asyncio.create_task(follow()) for _ in range(49))]
        while broadcaster.subscriber_count < 50:
            await asyncio.sleep(0)
        for news in all_news:
            broadcaster._broadcast(news)
        while all_news[-1].event.revision not in revisions:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return revisions

    def news(revision: int, state: str = "running", entry: int = 1) -> News:
        return News(SweepEvent(id=1, revision=revision, state=state, progress=revision / 10), entry)

    going = [news(revision) for revision in range(4)]
    excluded = news(4, entry=2)  # by somebody, while it went on
    assert finished(heard(*going, excluded, news(5, entry=2), news(6, "paused", entry=2))) == [0, 4, 6]


def test_news_say_how_far_a_sweep_is_and_what_was_done_to_it(engine: Engine) -> None:
    """As much as its summary says, and the last entry of its log; of a number that is no sweep's nothing."""
    sweep = create_grid(engine, 1, 2)
    worker = new_worker(engine)
    (first, *_) = claim(engine, worker)
    with transaction(engine) as session:
        before = queries.standings(session, [sweep, 10**6])
        trial_actions.set_note(session, sweep, first.number, "odd")
        (after,) = queries.standings(session, [sweep])
        summary = queries.summary(session, sweep)
    assert [(standing.id, standing.state) for standing in before] == [(sweep, "running")]
    assert (after.revision, after.progress) == (summary.revision, summary.progress)
    assert (after.entry > before[0].entry, after.revision > before[0].revision) == (True, True)


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/sweeps/{sweep}/events"])
@pytest.mark.parametrize("by", ["key", "session"])
def test_a_stream_ends_with_its_key(settings: Settings, engine: Engine, path: str, by: str) -> None:
    """Who listened when it was revoked is told of nothing that comes after that."""
    sweep = create_grid(engine, 4)
    with Service(settings) as service, httpx2.Client(base_url=service.url, timeout=30) as api:
        admin = bearer(api.post("/api/v1/keys", json={"name": "Ada", "role": "admin"}).json()["key"])
        made = api.post("/api/v1/keys", json={"name": "CI", "role": "read"}, headers=admin).json()
        headers = bearer(made["key"])
        if by == "session":
            cookies = api.post("/login", data={"key": made["key"]}).headers["set-cookie"]
            headers = {"Cookie": cookies.partition(";")[0]}
        seen: list[str] = []
        with api.stream("GET", path.format(sweep=sweep), headers=headers) as stream:
            for line in stream.iter_lines():
                if line.startswith(":"):
                    change(engine, sweep, "pause")
                if line.startswith("data:") and not seen:
                    seen.append(line)
                    api.delete(f"/api/v1/keys/{made['id']}", headers=admin).raise_for_status()
                    change(engine, sweep, "resume")
                elif line.startswith("data:"):
                    seen.append(line)
    assert len(seen) == 1
