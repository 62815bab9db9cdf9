"""The calls of workers over HTTP: what a server takes of them, and what one worker's calls do to others."""

import math
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text

from app.broker.serving import signature
from app.db.engine import transaction
from app.db.tables import Trial
from app.web.remote import workers
from tests.support.queue_examples import LEASE_SECONDS, create_grid, new_worker
from tests.support.web.worker_calls import send

CLAIM: dict[str, Any] = {
    "max_trials": 64,
    "lease_seconds": LEASE_SECONDS,
    "environment": {"device": "cpu"},
    "is_idle": True,
    "lost_claims": 0,
}

FACTS: dict[str, Any] = {"host": "here", "pid": 7, "device": "cpu", "threads": 1, "memory": 2**30}
LEASE = {"trial_id": 1, "token": str(uuid4())}
RESULT: dict[str, Any] = {"lease": LEASE, "value": 0.5, "std": None, "error": None, "runs": []}
FINISH: dict[str, Any] = {"sweep_id": 1, "weights": {}, "checkpoints": None}
LEG: dict[str, Any] = {"sweep_id": 1}
HEARTBEAT: dict[str, Any] = {"leases": [], "lease_seconds": 30.0, "examples_per_second": 1.0}


def claimed(client: TestClient, worker_id: UUID) -> list[int]:
    """The numbers of the trials that a worker gets."""
    signed = signature("claim")
    assert signed is not None
    answer = signed.answer_of(send(client, worker_id, "claim", **CLAIM).raise_for_status().content)
    return [trial.number for trial in answer.claim.trials] if answer.claim else []


@pytest.mark.parametrize(
    ("call", "arguments", "sentence"),
    [
        ("claim", CLAIM | {"max_trials": -1}, "max_trials: Input should be greater than or equal to 1."),
        ("claim", CLAIM | {"max_trials": 513}, "max_trials: Input should be less than or equal to 512."),
        ("claim", CLAIM | {"lease_seconds": 1e300}, "lease_seconds: Input should be less than or equal to 3600."),
        ("claim", CLAIM | {"lease_seconds": math.nan}, "lease_seconds: Input should be a finite number."),
        ("claim", CLAIM | {"environment": {"device": "\0"}}, "environment.device: String should match pattern"),
        (
            "claim_retraining",
            {"lease_seconds": -math.inf},
            "lease_seconds: Input should be a finite number.",
        ),
        (
            "sign_on",
            {"facts": FACTS | {"products": "half"}},
            "facts.products: Input should be 'float32', 'TF32' or 'bfloat16'.",
        ),
        (
            "claim",
            CLAIM | {"environment": {"device": "cpu", "products": "half"}},
            "environment: must have as its products one of",
        ),
        ("postpone_retraining", {"trial_id": 1, "seconds": 1e300}, "seconds: Input should be less than or equal to"),
        ("wait", {"seconds": math.nan, "moment": ""}, "seconds: Input should be a finite number."),
        ("ask_ahead", {"sweep_id": 1, "max_trials": 0}, "max_trials: Input should be greater than or equal to 1."),
        ("claim", CLAIM | {"environment": {"python": "3"}}, "environment: must name the device."),
        ("sign_on", {"facts": FACTS | {"host": "h" * 301}}, "facts.host: String should have at most 300 characters."),
        ("sign_on", {"facts": FACTS | {"device": "\0"}}, "facts.device: String should match pattern"),
        ("sign_on", {"facts": FACTS | {"pid": -1}}, "facts.pid: Input should be greater than or equal to 0."),
        ("sign_on", {"facts": FACTS | {"threads": 2**31}}, "facts.threads: Input should be less than 2147483648."),
        ("sign_on", {"facts": FACTS | {"memory": 2**64}}, "facts.memory: Input should be less than"),
        ("finish", FINISH | {"results": [RESULT | {"value": math.nan}]}, "results.0.value: Input should be a finite"),
        ("end_leg", LEG | {"results": [{"lease": LEASE, "rung_mean": math.inf}]}, "results.0.rung_mean: Input should"),
        ("load_checkpoints", {"trial_ids": [1] * 100_001}, "trial_ids: Value should have at most 100000 items"),
        (
            "heartbeat",
            HEARTBEAT | {"examples_per_second": 1.7e308, "speed": None},
            "examples_per_second: Input should be less",
        ),
        ("heartbeat", HEARTBEAT | {"speed": 0.0}, "speed: Input should be greater than 0.000001."),
        ("heartbeat", HEARTBEAT | {"speed": 1.7e308}, "speed: Input should be less than or equal to 10000000000"),
        ("dataset", {"content_hash": "\0"}, "content_hash: String should match pattern"),
    ],
)
def test_a_number_out_of_bounds_is_refused(
    client: TestClient, engine: Engine, call: str, arguments: dict[str, Any], sentence: str
) -> None:
    """In one sentence that says what it must be; no trial loses an attempt, and the sweep stays claimable."""
    create_grid(engine, 1, 2)
    worker_id = new_worker(engine)
    answer = send(client, worker_id, call, **arguments)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"The message of {call} can't be used: {sentence}")
    assert claimed(client, worker_id) == [0, 1]
    with transaction(engine) as session:
        assert set(session.scalars(select(Trial.attempt))) == {1}


@pytest.fixture
def broken_sweep(client: TestClient, engine: Engine) -> UUID:
    """A worker that has met a sweep of which nothing could be claimed or written; by now it can."""
    create_grid(engine, 1, 2)
    worker_id = new_worker(engine)
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE trials ADD CONSTRAINT broken CHECK (worker_id IS NULL) NOT VALID"))
        session.execute(text("ALTER TABLE trials ADD CONSTRAINT broken_too CHECK (attempt = 0) NOT VALID"))
    assert claimed(client, worker_id) == []
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE trials DROP CONSTRAINT broken, DROP CONSTRAINT broken_too"))
    return worker_id


def test_a_sweep_that_a_worker_passes_over_is_there_for_others(
    client: TestClient, engine: Engine, broken_sweep: UUID
) -> None:
    assert claimed(client, broken_sweep) == []
    assert claimed(client, new_worker(engine)) != []


def test_a_worker_comes_to_a_sweep_again_that_was_at_fault(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, client: TestClient
) -> None:
    """After a minute; the server need not be started again."""
    monkeypatch.setattr(workers, "PASSED_OVER_SECONDS", 0.0)
    assert claimed(client, request.getfixturevalue("broken_sweep")) == [0, 1]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("trial_snapshots", {}),
        ("values_after", {"known_epochs": {}}),
        ("assign_params", {"trials": []}),
        ("ask_ahead", {"max_trials": 1}),
    ],
)
def test_a_sweep_that_is_not_there_is_not_found(
    client: TestClient, engine: Engine, caplog: pytest.LogCaptureFixture, call: str, arguments: dict[str, Any]
) -> None:
    """It may have been deleted: no fault of the server's, and no line in its log."""
    answer = send(client, new_worker(engine), call, sweep_id=7, **arguments)
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no sweep 7.")
    assert "Traceback" not in caplog.text
