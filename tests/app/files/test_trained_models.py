"""Models over HTTP without a worker: what is refused, in which words, and what is let go."""

import hashlib
import json
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update

from app.db.engine import transaction
from app.db.tables import Run, Trial
from app.errors import ConflictError
from app.files import prediction, trained_models
from app.lifecycle import sweep_row
from app.queue import scoring
from app.queue.progress import RunResult, TrialResult
from app.web.api import models
from app.web.security import places
from tests.support.queue_examples import change, claim, create_grid, finish, new_worker, success
from tests.support.waiting import wait_until


def address(sweep: int, number: int) -> str:
    return f"/api/v1/sweeps/{sweep}/trials/{number}/model"


def with_weights(engine: Engine, sweep: int) -> set[int]:
    """Numbers of the trials that have some."""
    numbers = select(Trial.number).join(Run).where(Trial.sweep_id == sweep, Run.weights.is_not(None))
    with transaction(engine) as session:
        return set(session.scalars(numbers))


def ended(engine: Engine, *values: float, **body: Any) -> tuple[int, UUID]:
    """A sweep of as many trials and one more that waits; they ended one after another. And the worker."""
    sweep, worker = create_grid(engine, *range(1, len(values) + 2), **body), new_worker(engine)
    for value in values:
        (trial,) = claim(engine, worker, max_trials=1)
        finish(engine, sweep, worker, [success(trial.lease, value)])
    return sweep, worker


def test_what_passes_is_kept_until_the_end(engine: Engine) -> None:
    """Each was the best in its time; a cancelled sweep keeps that of the best alone."""
    sweep, _ = ended(engine, 0.1, 0.3, 0.2)
    numbers = with_weights(engine, sweep)
    assert len(numbers) == 2
    change(engine, sweep, "cancel")
    with transaction(engine) as session:
        best = session.scalar(select(Trial.number).where(Trial.value == 0.3))
    assert with_weights(engine, sweep) == {best}


def test_the_page_that_asks_a_network_says_where_there_is_none(engine: Engine, client: TestClient) -> None:
    """Before a picture is looked for; a trial that is not there has no page."""
    sweep, _ = ended(engine, 0.1, 0.3)
    change(engine, sweep, "cancel")
    (kept,) = with_weights(engine, sweep)
    said = ["There is no network" in client.get(f"/sweeps/{sweep}/trials/{n}/predict").text for n in range(3)]
    assert said == [number != kept for number in range(3)]
    assert client.get(f"/sweeps/{sweep}/trials/3/predict").status_code == 404


def test_a_cancelled_sweep_that_keeps_all_models_does(engine: Engine) -> None:
    """`keep_models: all` holds for what has ended before."""
    sweep, _ = ended(engine, 0.1, 0.3, 0.2, keep_models="all")
    change(engine, sweep, "cancel")
    assert len(with_weights(engine, sweep)) == 3


def test_a_model_that_was_asked_for_stays(engine: Engine, client: TestClient) -> None:
    """Also when the trial is not the best any more and the sweep has been scored."""
    sweep, worker = ended(engine, 0.1)
    (first,) = with_weights(engine, sweep)
    assert client.post(address(sweep, first)).json() == {"ready": True, "url": address(sweep, first)}
    (trial,) = claim(engine, worker)
    finish(engine, sweep, worker, [success(trial.lease, 0.9)])
    with transaction(engine) as session:
        unscored = scoring.next_unscored(session)
        assert unscored is not None
        scoring.write(session, unscored, {0: {"test_accuracy": 0.8}})
    assert with_weights(engine, sweep) == {first, trial.number}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_complete_trials_have_models(engine: Engine, client: TestClient, method: str) -> None:
    """A waiting trial is 409, a trial or a sweep that isn't there 404, each with a sentence."""
    sweep = create_grid(engine, 1)
    answers = [client.request(method, address(*place)) for place in ((sweep, 0), (sweep, 7), (sweep + 1, 0))]
    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [
        (409, f"Trial 0 of sweep {sweep} is waiting: only a complete trial has a model."),
        (404, f"Sweep {sweep} has no trial 7."),
        (404, f"There is no sweep {sweep + 1}."),
    ]


def test_a_run_that_is_not_there_is_404(engine: Engine, client: TestClient) -> None:
    """The sentence names those that are; an index below zero is no index."""
    sweep, worker = create_grid(engine, 1, seeds=2), new_worker(engine)
    (trial,) = claim(engine, worker)
    runs = [RunResult(seed, 0.5, None, 0.1) for seed in (0, 1)]
    finish(engine, sweep, worker, [TrialResult(trial.lease, 0.5, 0.0, None, runs)])
    answer = client.get(address(sweep, 0), params={"run": 2})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Trial 0 of sweep {sweep} has no run 2; there are 0, 1.",
    )
    assert client.get(address(sweep, 0), params={"run": -1}).status_code == 422


def test_a_trial_that_was_never_trained_here_has_no_model(engine: Engine, client: TestClient) -> None:
    """One that came in with its value alone, say from another place, is 409 in both calls."""
    sweep, worker = create_grid(engine, 1), new_worker(engine)
    (trial,) = claim(engine, worker)
    finish(engine, sweep, worker, [TrialResult(trial.lease, 0.5, None, None, [])])
    for answer in (client.get(address(sweep, 0)), client.post(address(sweep, 0))):
        assert (answer.status_code, answer.json()["detail"]) == (
            409,
            f"Trial 0 of sweep {sweep} was not trained here: it has no model.",
        )


@pytest.mark.parametrize(
    "weights", [b"", b"no weights", (2**21).to_bytes(8, "little") + b"[" + b"[]," * 700_000 + b"1]" + bytes(2**21)]
)
def test_weights_that_are_none_are_refused(engine: Engine, client: TestClient, weights: bytes) -> None:
    """Whoever handed them in; a header of megabytes is not read, which would take hundreds of them."""
    sweep, _ = ended(engine, 0.1)
    (number,) = with_weights(engine, sweep)
    with transaction(engine) as session:
        session.execute(update(Run).values(weights=weights))
    refusal = client.get(address(sweep, number))
    assert (refusal.status_code, refusal.json()["detail"]) == (
        409,
        f"The model of trial {number} can't be read: it is no safetensors file.",
    )


def test_so_many_networks_are_read_at_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may take a gigabyte; who asks meanwhile waits, for so long and no longer, and nobody else does."""
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.1)
    begun, going_on = list[int](), threading.Event()

    def answer_later(*_: Any) -> None:
        begun.append(1)
        going_on.wait(60)
        raise ConflictError("There is no such network.")

    monkeypatch.setattr(prediction, "predict", answer_later)
    path, body = "/api/v1/sweeps/1/trials/0/predict", {"rows": [[0]]}
    with ThreadPoolExecutor() as threads:
        answers = [threads.submit(client.post, path, json=body) for _ in range(4)]
        wait_until(lambda: sum(answer.done() for answer in answers) == 2)
        refusals = [answer.result() for answer in answers if answer.done()]
        assert [(answer.status_code, answer.headers["retry-after"]) for answer in refusals] == [(503, "5")] * 2
        wait_until(lambda: len(begun) == models.MAX_PREDICTIONS == 2)
        assert client.get("/api/v1/sweeps").status_code == 200
        going_on.set()
        assert sorted(answer.result(60).status_code for answer in answers) == [409] * 2 + [503] * 2


def test_the_page_of_a_sweep_leads_to_the_best_model(engine: Engine, client: TestClient) -> None:
    """As soon as there is one, and only while it is there; the sweep says where in its JSON too."""
    sweep, worker = create_grid(engine, 1), new_worker(engine)
    assert "Download model" not in client.get(f"/sweeps/{sweep}").text
    (trial,) = claim(engine, worker)
    finish(engine, sweep, worker, [success(trial.lease)])
    assert (
        f'<a class="button small" href="{address(sweep, 0)}" download hx-boost="false">Download model</a>'
        in client.get(f"/sweeps/{sweep}").text
    )
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["best"]["model"] == address(sweep, 0)
    with transaction(engine) as session:
        session.execute(update(Run).values(weights=None))
        sweep_row.mark_changed(session, sweep)
    assert "Download model" not in client.get(f"/sweeps/{sweep}").text
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["best"]["model"] is None


def test_a_download_of_a_large_model_is_never_whole_in_memory(engine: Engine, client: TestClient) -> None:
    """Several go on at once, and each may have 200 MB."""
    size = 32 * 2**20
    header = json.dumps({"0.weight": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    sweep, _ = ended(engine, 0.1)
    (number,) = with_weights(engine, sweep)
    numbers = os.urandom(size)
    with transaction(engine) as session:
        session.execute(update(Run).values(weights=len(header).to_bytes(8, "little") + header + numbers))
        model = trained_models.find(session, sweep, number)
    digest = hashlib.sha256()
    tracemalloc.start()
    try:
        for piece in models._pieces(client.app.state.downloads.engine, model):  # type: ignore[attr-defined]
            digest.update(piece)
        assert tracemalloc.get_traced_memory()[1] < size / 2
    finally:
        tracemalloc.stop()
    content = client.get(address(sweep, number)).content
    assert content.endswith(numbers)
    assert digest.digest() == hashlib.sha256(content).digest()
