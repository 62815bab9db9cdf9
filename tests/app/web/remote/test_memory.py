"""The memory that calls of workers over HTTP take: so much for all of them, whatever they send and ask for."""

import random
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, select, text

from app import queue
from app.broker import serving
from app.broker.serving import signature
from app.broker.wire import VERSION_HEADER, pack
from app.config import Settings
from app.db import datasets
from app.db.engine import transaction
from app.db.migrations import program_version
from app.db.tables import StoredDataset
from app.lifecycle import sweep_row
from app.queue.legs import TrialCheckpoint
from app.queue.progress import RunResult
from app.service.up import Service
from app.web.remote import messages, workers
from app.web.security import room
from tests.support.queue_examples import claim, create_grid, new_worker, success
from tests.support.waiting import wait_until
from tests.support.web.worker_calls import VERSION, post, send


def checkpointed(engine: Engine, *sizes: int) -> list[int]:
    """The ids of running trials with checkpoints of so many bytes."""
    sweep = create_grid(engine, *range(1, len(sizes) + 1))
    leases = [trial.lease for trial in claim(engine, new_worker(engine))]
    with transaction(engine) as session:
        checkpoints = [TrialCheckpoint(lease, 1, 1, bytes(size)) for lease, size in zip(leases, sizes, strict=True)]
        queue.save_checkpoints(session, sweep, checkpoints)
    return [lease.trial_id for lease in leases]


def test_checkpoints_come_as_many_as_fit(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at least; the answer says which are to be asked for again."""
    monkeypatch.setattr(serving, "MAX_LOADED_BYTES", 250)
    first, second, third, large = checkpointed(engine, 100, 100, 100, 1000)
    signed = signature("load_checkpoints")
    assert signed is not None

    def loaded(*trial_ids: int) -> tuple[dict[int, int], list[int]]:
        content = send(client, uuid4(), "load_checkpoints", trial_ids=trial_ids).raise_for_status().content
        answer = signed.answer_of(content)
        return {trial_id: len(data) for trial_id, data in answer.checkpoints.items()}, answer.rest

    assert loaded(first, 10**9, second, third, large) == ({first: 100, second: 100}, [third, large])
    assert loaded(large, first) == ({large: 1000}, [first])
    assert loaded(10**9) == ({}, [])


def test_weights_are_loaded_run_by_run(client: TestClient, engine: Engine) -> None:
    """A sweep that waits to be scored comes without them: all of them together could be gigabytes."""
    sweep, worker_id = create_grid(engine, 1, seeds=3), new_worker(engine)
    (trial,) = claim(engine, worker_id)
    weights = {seed: bytes([seed]) * 2**18 for seed in range(3)}
    with transaction(engine) as session:
        runs = [RunResult(seed, 0.5, None, 0.1) for seed in weights]
        result = replace(success(trial.lease), runs=runs)
        queue.finish(session, sweep, worker_id, [result], lambda _: weights)
    asked, loaded = signature("next_unscored"), signature("load_weights")
    assert asked is not None
    assert loaded is not None
    content = send(client, worker_id, "next_unscored", leave_out=[]).raise_for_status().content
    unscored = asked.answer_of(content)
    assert (unscored.seeds, len(content) < 2**16) == ([0, 1, 2], True)
    for seed in unscored.seeds:
        answer = send(client, worker_id, "load_weights", trial_id=unscored.trial_id, seed=seed).raise_for_status()
        assert loaded.answer_of(answer.content) == weights[seed]


def test_asking_for_very_many_checkpoints_is_a_few_looks(client: TestClient) -> None:
    """However many are asked for: else a small message would keep the database for minutes."""
    statements: list[str] = []
    event.listen(client.app.state.engine, "before_cursor_execute", lambda *details: statements.append(details[2]))  # type: ignore[attr-defined]
    send(client, uuid4(), "load_checkpoints", trial_ids=[*range(1, 100_001)]).raise_for_status()
    assert sum("FROM checkpoints" in statement for statement in statements) < 10  # with those of the upkeep


@pytest.mark.parametrize(
    ("module", "name", "size"),
    [(messages, "MESSAGE_BYTES", 2**17), (workers, "VALUE_BYTES", 1)],
    ids=["message", "value"],
)
def test_a_call_for_which_there_is_no_room_may_be_made_again(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, engine: Engine, module: Any, name: str, size: int
) -> None:
    """503 with the time to wait, while another worker's message is at work; small calls are answered all along."""
    monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(workers, "SMALL_VALUE_BYTES", 500)
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.1)
    client = request.getfixturevalue("client")
    sweep, worker_id = create_grid(engine, 1), new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("save_checkpoints")
    assert signed is not None
    checkpoint = TrialCheckpoint(trial.lease, 1, 1, random.randbytes(2**17))
    message = signed.packed_arguments({"sweep_id": sweep, "checkpoints": [checkpoint]})

    def is_waiting() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with transaction(engine) as session:
            return bool(session.scalars(text(query)).one() == 1)

    with ThreadPoolExecutor() as threads:
        with transaction(engine) as session:
            sweep_row.lock(session, sweep)
            first = threads.submit(post, client, worker_id, "save_checkpoints", message)
            wait_until(is_waiting)
            refusal = post(client, worker_id, "save_checkpoints", message)
            assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "5")
            assert refusal.json()["detail"].startswith("Other workers' messages take all the memory")
            send(client, worker_id, "live_workers").raise_for_status()
        assert first.result(60).status_code == 200
    post(client, worker_id, "save_checkpoints", message).raise_for_status()


def test_an_answer_that_nobody_reads_keeps_its_room_until_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, engine: Engine
) -> None:
    """Another large one is 503 meanwhile: a thousand of them would take all memory."""
    monkeypatch.setattr(workers, "ANSWER_BYTES", 2**17)
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.1)
    with transaction(engine) as session:
        datasets.store(session, "mine", random.randbytes(2**24), {}, {})
        content_hash = session.scalars(select(StoredDataset.content_hash)).one()
    message = pack({"content_hash": content_hash})
    with Service(settings) as service, httpx2.Client(base_url=service.url, timeout=30) as client:
        path = f"/api/v1/worker/{uuid4()}/dataset"
        address = urlsplit(service.url)
        head = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(message)}\r\n"
        head += f"{VERSION_HEADER}: {program_version()}\r\n\r\n"
        with socket.create_connection((address.hostname, address.port), timeout=30) as silent:
            silent.sendall(head.encode() + message)
            assert silent.recv(12) == b"HTTP/1.1 200"
            assert client.post(path, content=message, headers=VERSION).status_code == 503
        wait_until(lambda: client.post(path, content=message, headers=VERSION).status_code == 200)


@pytest.mark.parametrize("call", ["wait", "ask_ahead", "dataset"])
def test_what_asks_for_little_is_small(client: TestClient, call: str) -> None:
    """Also once it is unpacked."""
    assert post(client, uuid4(), call, bytes(2**16 + 1)).status_code == 413
    answer = send(client, uuid4(), call, content_hash="0" * 2**17)
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"The message of {call} can't be used: It says too much at once."
