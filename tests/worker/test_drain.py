"""A drained worker hands its trials back and claims none, until it is undrained."""

from pathlib import Path
from uuid import uuid4

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.domain.states import SweepState, TrialState, WorkerState
from tests.support.queue_examples import change, create_sweep, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, environment, worker_row

ENDLESS = {"hidden_units": {"low": 8, "high": 32}, "epochs": 10_000}


def test_a_drained_worker_hands_its_trials_back_and_claims_none(
    engine: Engine, client: TestClient, nursery: Nursery, database_url: str, tmp_path: Path
) -> None:
    """Another one trains what comes; undrained it takes its trials up again."""
    variables = environment(database_url, tmp_path)
    pid = nursery.worker(variables, tmp_path / "log")
    long = create_sweep(engine, space=ENDLESS, n_trials=2)
    wait_until(lambda: all(trial.epochs_done for trial in trials_of(engine, long)))
    (worker,) = client.get("/api/v1/workers").json()["items"]
    assert (worker["sweep"], worker["running"], worker["draining"]) == (long, 2, False)
    assert worker["examples_per_second"] > 0
    assert client.post(f"/api/v1/workers/{worker['id']}/drain").json()["draining"] is True
    wait_until(lambda: states(engine, long) == [TrialState.waiting] * 2)
    assert [trial.attempt for trial in trials_of(engine, long)] == [0, 0]
    wait_until(lambda: (row := worker_row(engine, pid)) is not None and row.state == WorkerState.idle)

    change(engine, long, "pause")
    helper = nursery.worker(variables, tmp_path / "log")
    short = create_sweep(engine, n_trials=2)
    wait_until(lambda: sweep_of(engine, short).state == SweepState.completed)
    row = worker_row(engine, helper)
    assert row is not None
    assert {trial.worker_id for trial in trials_of(engine, short)} == {row.id}

    nursery.kill(helper)  # which counts as a worker for a while yet, and has its share
    change(engine, long, "resume")
    assert client.post(f"/api/v1/workers/{worker['id']}/undrain").json()["draining"] is False
    wait_until(lambda: TrialState.running in states(engine, long))
    running_trials = [trial for trial in trials_of(engine, long) if trial.state == TrialState.running]
    assert {str(trial.worker_id) for trial in running_trials} == {worker["id"]}
    nursery.kill(pid)
    gone = client.post(f"/api/v1/workers/{uuid4()}/drain")
    assert (gone.status_code, "There is no worker" in gone.json()["detail"]) == (404, True)
    assert "Traceback" not in (tmp_path / "log").read_text()
