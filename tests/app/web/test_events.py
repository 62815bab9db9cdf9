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

from app.config import Settings
from app.db.engine import transaction
from app.service.up import Service
from app.web.events import Broadcaster, SweepEvent
from tests.support.own_loop import finished
from tests.support.queue_examples import change, claim, complete, create_grid, new_worker, record, sweep_of
from tests.support.waiting import wait_until

Events = list[dict[str, Any]]
Follow = Callable[[str], Events]


@pytest.fixture
def follow(settings: Settings) -> Iterator[Follow]:
    """Follows a path of a server without workers; the list that it gives grows with the events."""
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
    wait_until(has_state(events, sweep, "queued"), 3)
    claimed = claim(engine, worker)
    wait_until(has_state(events, sweep, "running"), 3)
    record(engine, sweep, [trial.lease for trial in claimed])
    wait_until(lambda: any(0 < event["progress"] < 1 for event in events), 3)
    complete(engine, sweep, worker, claimed)
    wait_until(has_state(events, sweep, "completed"), 3)
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
    wait_until(has_state(events, second, "paused"), 3)
    assert {event["id"] for event in events} == {second}


def test_a_deleted_sweep_is_told(engine: Engine, follow: Follow) -> None:
    """With the state `deleted`, so that lists can drop it."""
    from app.sweeps import deletion

    events = follow("/api/v1/events")
    sweep = create_grid(engine, 4)
    wait_until(has_state(events, sweep, "queued"), 3)
    with transaction(engine) as session:
        deletion.delete(session, sweep)
    wait_until(has_state(events, sweep, "deleted"), 3)


def test_the_listener_survives_the_end_of_its_connection(engine: Engine, follow: Follow) -> None:
    """Postgres ends every connection: what happens meanwhile and afterwards still arrives, without a new call."""
    events = follow("/api/v1/events")
    sweep = create_grid(engine, 4)
    wait_until(has_state(events, sweep, "queued"), 3)
    end_other_connections(engine)
    change(engine, sweep, "pause")
    wait_until(has_state(events, sweep, "paused"), 10)
    change(engine, sweep, "resume")
    wait_until(lambda: has_state(events, sweep, "queued")() and events[-1]["state"] == "queued", 5)


def test_what_others_notify_is_no_harm(engine: Engine, follow: Follow) -> None:
    """A payload that is no number, or the number of no sweep, does not end the stream."""
    events = follow("/api/v1/events")
    with transaction(engine) as session:
        for payload in ("", "no number", "-1", "999999999999999999999999"):
            session.execute(text("SELECT pg_notify('perceptune', :payload)"), {"payload": payload})
    sweep = create_grid(engine, 4)
    wait_until(has_state(events, sweep, "queued"), 10)


def end_other_connections(engine: Engine) -> None:
    with transaction(engine) as session:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        session.execute(text(f"{query} AND pid <> pg_backend_pid()"))


def test_with_many_pages_progress_has_its_pace_and_what_people_change_has_none(engine: Engine) -> None:
    """Of what follows at once the newest is kept until its time has come; another state, or a name, is sent."""

    async def heard(*events: SweepEvent) -> list[int]:
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
        for event in events:
            broadcaster._broadcast(event)
        while events[-1].revision not in revisions:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return revisions

    going = [SweepEvent(id=1, revision=revision, state="running", progress=revision / 10) for revision in range(4)]
    renamed = SweepEvent(id=1, revision=4, state="running", progress=0.0)
    paused = SweepEvent(id=1, revision=5, state="paused", progress=0.3)
    assert finished(heard(*going, renamed, going[3], paused)) == [0, 4, 5]
