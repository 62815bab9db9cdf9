"""Workers whose messages come slowly, or who read slowly: they keep nobody else waiting."""

import asyncio
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.broker import DatabaseBroker
from app.broker.serving import signature
from app.broker.wire import VERSION_HEADER
from app.config import Settings
from app.db.migrations import program_version
from app.errors import BusyError
from app.service.up import Service
from app.web.remote import messages, workers
from app.web.remote.workers import RemoteWorkers, WorkerCall
from app.web.security import room
from app.web.security.room import Room
from tests.support.own_loop import finished
from tests.support.queue_examples import LEASE_SECONDS, create_sweep, new_worker
from tests.support.web.worker_calls import VERSION, send

PATH = f"/api/v1/worker/{uuid4()}/live_workers"
MALFORMED = bytes(2**17)  # 422 once there was room for it


def announced(service: Service, size: int) -> socket.socket:
    """The connection of a client that says how large its message is, and then sends one byte of it."""
    address = urlsplit(service.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=20)
    head = f"POST {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {size}\r\n"
    connection.sendall(f"{head}{VERSION_HEADER}: {program_version()}\r\n\r\n1".encode())
    return connection


@pytest.fixture
def service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server with room for one message of each class."""
    monkeypatch.setattr(messages, "MESSAGE_BYTES", len(MALFORMED))
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.1)
    with Service(settings) as service:
        yield service


def test_a_message_that_comes_too_slowly_is_ended(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, with what would be right; its room is others' then, however long a message of its size might take."""
    monkeypatch.setattr(messages, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(messages, "BYTES_A_SECOND", 1024)
    with closing(announced(service, len(MALFORMED))) as slow:
        answer = HTTPResponse(slow)
        answer.begin()
        assert answer.status == 408
        assert b"This message of 131,072 bytes comes too slowly: send smaller ones" in answer.read()
    monkeypatch.setattr(messages, "GRACE_SECONDS", 30.0)
    monkeypatch.setattr(room, "WAIT_SECONDS", 20.0)
    assert httpx2.post(service.url + PATH, content=MALFORMED, headers=VERSION).status_code == 422


def test_a_large_message_on_its_way_keeps_smaller_ones_from_nothing(service: Service) -> None:
    """Another large one is told to come again; the smaller is read at once."""
    with closing(announced(service, 2**29)) as first, closing(announced(service, 2**29)) as second:
        (later, *_), *_ = select.select([first, second], [], [], 20)
        assert later.recv(12) == b"HTTP/1.1 503"
        assert httpx2.post(service.url + PATH, content=MALFORMED, headers=VERSION).status_code == 422


def test_a_message_that_does_not_say_how_long_it_is_is_not_read(client: TestClient) -> None:
    answer = client.post(PATH, content=iter([b"1"]), headers=VERSION)
    assert (answer.status_code, answer.json()["detail"]) == (
        411,
        "A message must say in Content-Length how many bytes it has.",
    )


def called(remote: RemoteWorkers, worker_id: UUID, name: str, **arguments: Any) -> Any:
    """The answer to a call, whose room is free once it is there."""
    signed = signature(name)
    assert signed is not None

    async def answer() -> Any:
        async with AsyncExitStack() as until_sent:
            message = signed.packed_arguments(arguments)
            return signed.answer_of(await remote.call(WorkerCall(worker_id, name, message, ""), until_sent))

    return answer()


def test_an_answer_that_waits_for_room_keeps_no_place(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are answered while those who read slowly have all the room there is."""
    monkeypatch.setattr(workers, "QUICK_PLACES", 1)
    monkeypatch.setattr(workers, "SMALL_BYTES", 0)
    monkeypatch.setattr(room, "WAIT_SECONDS", 600)

    async def crowded() -> None:
        remote = RemoteWorkers(engine)
        async with AsyncExitStack() as until_read:
            await remote.keep_room(workers.ANSWER_BYTES, until_read)
            waiting = asyncio.create_task(called(remote, uuid4(), "live_workers"))
            await asyncio.sleep(0)
            assert await asyncio.wait_for(remote.answer(lambda: 7), 20) == 7
            assert not waiting.done()
        assert await asyncio.wait_for(waiting, 20) == 0

    finished(crowded())


def test_a_heartbeat_waits_for_no_other_call(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else leases would end while a worker trains."""
    monkeypatch.setattr(workers, "QUICK_PLACES", 1)
    worker_id, going_on = new_worker(engine), threading.Event()

    async def crowded() -> None:
        remote = RemoteWorkers(engine)
        busy = asyncio.create_task(remote.answer(lambda: going_on.wait(60)))
        await asyncio.sleep(0)
        try:
            arguments = {"leases": [], "lease_seconds": LEASE_SECONDS, "examples_per_second": 0.0, "speed": None}
            assert await asyncio.wait_for(called(remote, worker_id, "heartbeat", **arguments), 20) == set()
        finally:
            going_on.set()
            await busy

    finished(crowded())


def test_only_so_many_answers_wait_for_room() -> None:
    """Each is in memory meanwhile; further ones are told at once to come again."""

    async def crowded() -> None:
        small_room = Room(10, "full", max_waiting=1)
        async with small_room.share(10):
            waiting = asyncio.create_task(small_room.share(1).__aenter__())
            await asyncio.sleep(0)
            with pytest.raises(BusyError):
                async with small_room.share(1):
                    pass
        await asyncio.wait_for(waiting, 20)

    finished(crowded())


@pytest.mark.parametrize("name", ["trial_snapshots", "values_after"])
def test_a_claim_waits_for_nobody_who_reads_a_whole_sweep(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of those who do two are answered at a time, however many there are: they take no place of others."""
    sweep, going_on, begun = create_sweep(engine), threading.Event(), list[int]()

    def read_later(*_: object, **__: object) -> Any:
        begun.append(1)
        going_on.wait(60)
        return {} if name == "values_after" else []

    monkeypatch.setattr(DatabaseBroker, name, read_later)
    arguments: dict[str, Any] = {"sweep_id": sweep} | ({"known_epochs": {}} if name == "values_after" else {})

    async def crowded() -> None:
        remote = RemoteWorkers(engine)
        readers = [asyncio.create_task(called(remote, uuid4(), name, **arguments)) for _ in range(20)]
        try:
            for other in ("live_workers", "must_make_room"):
                words = {"sweep_id": sweep} if other == "must_make_room" else {}
                await asyncio.wait_for(called(remote, uuid4(), other, **words), 20)
            async with asyncio.timeout(20):
                while len(begun) < workers.READING_PLACES:
                    await asyncio.sleep(0.01)
            assert len(begun) == workers.READING_PLACES == 2
        finally:
            going_on.set()
            await asyncio.gather(*readers)

    finished(crowded())


def test_who_asks_ahead_leaves_places_to_claims(client: TestClient, engine: Engine) -> None:
    """Where all places for it are taken, nothing is asked and nobody waits."""
    remote, until_sent = client.app.state.remote_workers, AsyncExitStack()  # type: ignore[attr-defined]
    assert workers.ASKING_PLACES < workers.SLOW_PLACES

    async def taken() -> list[bool]:
        async with until_sent:
            return [await remote.may_ask_ahead(until_sent) for _ in range(workers.ASKING_PLACES + 1)]

    assert finished(taken()) == [True] * workers.ASKING_PLACES + [False]
    assert finished(taken())[0]
    client.app.state.remote_workers._asking = asyncio.Semaphore(0)  # type: ignore[attr-defined]
    message = {"sweep_id": create_sweep(engine, sampler="tpe"), "max_trials": 1}
    assert send(client, uuid4(), "ask_ahead", **message).content == b""
