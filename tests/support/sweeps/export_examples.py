"""A sweep that has everything an export must carry, and its exports."""

from typing import Any
from uuid import UUID

import httpx2
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, update

from app import queue
from app.db.engine import transaction
from app.db.tables import Run, Sweep, Trial
from app.queue.leases import Lease
from app.queue.progress import EpochPoint, RunResult, TrialResult
from tests.support.queue_examples import LEASE_SECONDS, claim, create_sweep, failure, finish, new_worker, trials_of

FORMULA = "=1+1"  # what a spreadsheet would compute
SPACE: dict[str, Any] = {
    "learning_rate": [1, 0.1, 1e-7],  # a whole number among others
    "hidden_layers": [[], [16, 1, 16]],
    "batch_norm": [True, False],
    "activation": "relu",
    "epochs": 2,
}


def rich_sweep(engine: Engine) -> int:
    """Paused, with trials in each state but cancelled; figures that need all their digits; texts that are traps."""
    sweep_id = create_sweep(
        engine,
        name=f'{FORMULA}, "quoted"\nand ünïcode',
        notes="@note\r\n-two",
        tags=["+tag", "b"],
        priority=3,
        space=SPACE,
        sampler="grid",
        n_trials=None,
        seeds=2,
        seed=7,
        objectives=[
            {"metric": "val_accuracy", "direction": "maximize"},
            {"metric": "parameters", "direction": "minimize"},
            {"metric": "seconds", "direction": "minimize"},
        ],
    )
    worker_id = new_worker(engine)
    first, second, third, *running_trials = claim(engine, worker_id, max_trials=5)
    _train(engine, sweep_id, first.lease, second.lease)
    values = 0.1 + 0.2, 1 / 3
    mean = sum(values) / 2
    runs = [RunResult(seed, value, None, 0.1 * seed + 1e-300) for seed, value in enumerate(values)]
    finish(engine, sweep_id, worker_id, [TrialResult(first.lease, mean, 5e-324, None, runs)])
    finish(engine, sweep_id, worker_id, [failure(third.lease, "+diverged at epoch 1")])
    _rare_columns(engine, sweep_id, first.number)
    assert len(running_trials) == 2
    return sweep_id


def _train(engine: Engine, sweep_id: int, *leases: Lease) -> None:
    points = [
        EpochPoint(
            lease.trial_id, seed, epoch, 1 / (epoch + 2), 0.1 * epoch, None, 1 / 7, 1e-3, 1 / 3, 0.1, None, 43.25
        )
        for lease in leases
        for seed in (0, 1)
        for epoch in (1, 2)
    ]
    with transaction(engine) as session:
        queue.record(session, sweep_id, dict.fromkeys(leases, 4), points, LEASE_SECONDS)


def _rare_columns(engine: Engine, sweep_id: int, number: int) -> None:
    """What needs a crash, a pruner or a user, set by hand."""
    times = {"started_at": "2026-01-01T00:00:00+00:00", "ended_at": "2026-01-01T00:01:00+00:00"}
    history = [{"worker": str(UUID(int=1)), "reason": "'lost", **times}]
    with transaction(engine) as session:
        trials = update(Trial).where(Trial.sweep_id == sweep_id)
        session.execute(
            trials.where(Trial.number == number).values(
                excluded=True,
                history=history,
                attempt=2,
                other_values=[0.5, -1e-17],
                enqueued=True,
                first_seed=4,
                warm_started_from=2,
                continued_from=1,
                devices=["cpu", '+NVIDIA, "H200"'],
            )
        )
        trial_ids = {trial.number: trial.id for trial in trials_of(engine, sweep_id)}
        session.execute(update(Run).where(Run.trial_id == trial_ids[number]).values(test_accuracy=0.87, test_r2=1 / 3))
        session.execute(
            trials.where(Trial.number == 0).values(
                state="infeasible",
                reason="-parameters > 5",
                cost=0.0,
                epochs_total=0,
                finished_at=func.clock_timestamp(),
            )
        )
        session.execute(
            trials.where(Trial.number == 1).values(
                state="pruned", reason="", value=-0.0, finished_at=func.clock_timestamp()
            )
        )
        session.add(Run(trial_id=trial_ids[1], seed=0, state="pruned", value=-0.0, seconds=0.5))
        session.execute(update(Sweep).where(Sweep.id == sweep_id).values(environment={"torch": "2"}, stop_reason=None))


def export(client: TestClient, sweep_id: int, ending: str = "json", epochs: bool = True) -> httpx2.Response:
    """The answer that is the sweep's export."""
    answer = client.get(f"/api/v1/sweeps/{sweep_id}/export.{ending}", params={"epochs": epochs})
    assert answer.status_code == 200
    return answer


def document(client: TestClient, sweep_id: int) -> dict[str, Any]:
    """All that an export holds, without what it says of its own making."""
    whole: dict[str, Any] = export(client, sweep_id).json()
    del whole["exported_at"], whole["sweep"]["id"]
    return whole


def queued_again(whole: dict[str, Any]) -> dict[str, Any]:
    """What an import makes of a sweep that had not ended."""
    for trial in whole["trials"]:
        if trial["state"] in {"waiting", "running"}:
            points = len(trial["epochs"]["seed"])
            whole["counts"]["epochs"] -= points
            trial |= {"state": "waiting", "epochs_done": 0, "started_at": None, "worker_id": None, "devices": []}
            trial["epochs"] = {name: [] for name in trial["epochs"]}
    whole["sweep"]["state"] = "paused"
    return whole
