"""The best configurations again: which, with which seeds, and what the sweep makes of it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.db.engine import transaction
from app.domain.states import SweepState
from app.queue.progress import TrialResult
from app.search.assignment import assign_params
from app.sweeps import reruns, trial_actions
from tests.support.queue_examples import (
    claim,
    complete,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    setup_of,
    success,
    sweep_of,
    trials_of,
)


def finished(engine: Engine, values: list[float], **body: Any) -> int:
    """A grid of which each trial has ended with a value."""
    sweep, worker = create_grid(engine, *range(1, len(values) + 1), **body), new_worker(engine)
    results: list[TrialResult] = [success(trial.lease, values[trial.number]) for trial in claim(engine, worker)]
    finish(engine, sweep, worker, results)
    return sweep


def rerun(client: TestClient, sweep: int, **body: int) -> Any:
    return client.post(f"/api/v1/sweeps/{sweep}/rerun-top", json=body)


def test_the_best_k_get_trials_with_further_seeds(client: TestClient, engine: Engine) -> None:
    """Two configurations, each with as many trials as five runs take; a second call goes beyond."""
    sweep = finished(engine, [0.5, 0.9, 0.7, 0.6], seeds=2)
    assert sweep_of(engine, sweep).state == SweepState.completed
    answer = rerun(client, sweep, k=2, seeds=5)
    assert (answer.status_code, answer.json()["state"], answer.json()["finished_at"]) == (200, "running", None)
    new = trials_of(engine, sweep)[4:]
    assert [(trial.params or {})["hidden_units"] for trial in new] == [2, 2, 2, 3, 3, 3]
    assert [trial.first_seed for trial in new] == [2, 4, 6, 2, 4, 6]
    old = trials_of(engine, sweep)[1]
    facts = {(trial.state.value, trial.cost, trial.epochs_total, trial.configuration) for trial in new[:3]}
    assert facts == {("waiting", old.cost, old.epochs_total, old.configuration)}
    assert not sweep_of(engine, sweep).scored
    rerun(client, sweep, k=1, seeds=1)
    assert trials_of(engine, sweep)[10].first_seed == 8


def test_reruns_are_trained_whatever_the_policy_for_repeats(client: TestClient, engine: Engine) -> None:
    """They come to their worker as waiting trials like any other, with their first seeds."""
    sweep = finished(engine, [0.5, 0.9], repeats="reuse")
    rerun(client, sweep, k=1, seeds=3)
    claimed = claim(engine, new_worker(engine))
    assert len(claimed) >= 1
    assert {trial.first_seed for trial in claimed} <= {1, 2, 3}


@pytest.mark.parametrize(
    ("body", "field"), [({"k": 0}, "k"), ({"seeds": 0}, "seeds"), ({"k": "5"}, "k"), ({"n": 1}, "n")]
)
def test_a_bad_body_is_refused(client: TestClient, engine: Engine, body: dict[str, Any], field: str) -> None:
    """422 with the field; nothing is queued."""
    sweep = finished(engine, [0.5])
    answer = rerun(client, sweep, **body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, [field])
    assert len(trials_of(engine, sweep)) == 1


def test_without_a_complete_trial_there_is_nothing_to_run_again(client: TestClient, engine: Engine) -> None:
    """409 says so; a sweep that is stopping takes nothing more."""
    sweep = create_grid(engine, 1, 2)
    answer = rerun(client, sweep)
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"Sweep {sweep} is queued and has no complete trial yet that could run again."
    worker = new_worker(engine)
    first, _ = claim(engine, worker)
    finish(engine, sweep, worker, [success(first.lease)])
    client.post(f"/api/v1/sweeps/{sweep}/stop")
    assert rerun(client, sweep).status_code == 409
    assert rerun(client, 10**6).status_code == 404


def test_of_one_claim_no_two_trials_have_the_same_seeds(engine: Engine) -> None:
    """A configuration that is queued by hand beside further seeds of it that wait is trained with others."""
    body: dict[str, Any] = {"space": {"hidden_units": [4], "epochs": 1}, "sampler": "random", "n_trials": 1}
    sweep, worker = create_sweep(engine, **body), new_worker(engine)
    complete(engine, sweep, worker, assign_params(engine, setup_of(engine, sweep), claim(engine, worker)))
    with transaction(engine) as session:
        trial_actions.enqueue(session, sweep, {"hidden_units": 4})
        reruns.rerun_trial(session, sweep, 0, seeds=1)
    trials = assign_params(engine, setup_of(engine, sweep), claim(engine, worker))
    assert {trial.number: trial.first_seed for trial in trials} == {1: 2, 2: 1}
