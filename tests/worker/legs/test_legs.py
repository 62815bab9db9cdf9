"""Legs on real workers: what is interrupted goes on from its checkpoint, and comes to what it would have come to."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Epoch, Trial
from app.domain.states import SweepState, TrialState
from tests.support.queue_examples import ENDLESS, change, create_sweep, new_worker, runs_of, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_contexts import context_on
from tests.support.worker_processes import Nursery, environment, worker_process
from worker.legs.checkpointing import MIN_LOST_SECONDS, Checkpointing
from worker.legs.progress import TrialProgress
from worker.loop import Loop

RATES = {"hidden_units": 8, "learning_rate": [0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5], "epochs": 9}
GRID = {"sampler": "grid", "n_trials": None, "seeds": 2}
MIXED = {"hidden_units": 8, "batch_norm": [False, True], "dropout": 0.2, "optimizer": "adam", "lr_schedule": "cosine"}


def done(engine: Engine, sweep: int, seconds: float = 120) -> list[Trial]:
    wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed, seconds)
    return trials_of(engine, sweep)


def curve(engine: Engine, trial: Trial) -> list[tuple[Any, ...]]:
    """The seed, epoch and losses of each point."""
    columns = (Epoch.seed, Epoch.epoch, Epoch.train_loss, Epoch.val_loss)
    with transaction(engine) as session:
        query = select(*columns).where(Epoch.trial_id == trial.id).order_by(Epoch.seed, Epoch.epoch)
        return [tuple(row) for row in session.execute(query)]


def assert_same_curves(engine: Engine, trial: Trial, undisturbed: Trial) -> None:
    """The trial's curves are those of the undisturbed one, as far as it was trained."""
    points = {(seed, epoch): losses for seed, epoch, *losses in curve(engine, undisturbed)}
    own_points = curve(engine, trial)
    assert len(own_points) == trial.epochs_done
    for seed, epoch, *losses in own_points:
        assert losses == pytest.approx(points[seed, epoch], abs=1e-6)


@pytest.mark.usefixtures("worker")
def test_survivors_of_halving_are_worth_what_they_are_without(engine: Engine) -> None:
    """Three of nine go on at epoch 1 and one at epoch 3, each from its checkpoint; all curves are the plain sweep's."""
    pruner = {"name": "successive_halving", "min_resource": 1, "reduction_factor": 3}
    plain = done(engine, create_sweep(engine, space=RATES, **GRID))
    halved = done(engine, create_sweep(engine, space=RATES, **GRID, pruner=pruner))
    assert sorted(trial.epochs_done for trial in halved) == [2] * 6 + [6] * 2 + [18]
    for trial, undisturbed in zip(halved, plain, strict=True):
        assert_same_curves(engine, trial, undisturbed)
    (winner,) = [trial for trial in halved if trial.state == TrialState.complete]
    assert winner.epochs_trained == 3
    assert winner.value == pytest.approx(plain[winner.number].value, abs=1e-6)
    assert len(runs_of(engine, winner.sweep_id)) == 18


def test_a_killed_worker_loses_no_more_than_a_second(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """kill -9 behind a checkpoint: another worker goes on from there, to the values of an undisturbed sweep."""
    space = MIXED | {"epochs": 300}
    variables = environment(database_url, tmp_path, 1) | {"PERCEPTUNE_CHECKPOINT_SECONDS": "1"}
    with Nursery() as nursery:
        pid = nursery.worker(variables, tmp_path / "log")
        sweep = create_sweep(engine, space=space, **GRID)
        wait_until(lambda: any(trial.epochs_trained for trial in trials_of(engine, sweep)))
        nursery.kill(pid)
        kept = {trial.number: trial.epochs_trained for trial in trials_of(engine, sweep) if trial.epochs_trained}
        nursery.worker(variables, tmp_path / "log")
        disturbed = done(engine, sweep)
        undisturbed = done(engine, create_sweep(engine, space=space, **GRID))
    for number, epochs_trained in kept.items():
        assert disturbed[number].epochs_trained >= epochs_trained
        assert "lost" in disturbed[number].history[0]["reason"]
    for trial, other in zip(disturbed, undisturbed, strict=True):
        assert_same_curves(engine, trial, other)
        assert trial.value == pytest.approx(other.value, abs=1e-6)


def test_sigterm_leaves_checkpoints(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """A worker that is told to end after some seconds leaves what it has trained to the next one."""
    with worker_process(environment(database_url, tmp_path), tmp_path / "log") as process:
        sweep = create_sweep(engine, space=ENDLESS, n_trials=2)
        wait_until(lambda: all(trial.epochs_done for trial in trials_of(engine, sweep)))
        enough = time.monotonic() + 2 * MIN_LOST_SECONDS
        wait_until(lambda: time.monotonic() > enough)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    for trial in trials_of(engine, sweep):
        assert (trial.state, trial.attempt) == (TrialState.waiting, 0)
        assert trial.epochs_trained == trial.epochs_done > 0
        assert len(curve(engine, trial)) == trial.epochs_done
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_long_sweep_makes_room_for_a_short_one(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """One worker, busy for minutes: the short sweep is done after one leg, and the long one goes on where it was."""
    with worker_process(environment(database_url, tmp_path), tmp_path / "log"):
        long = create_sweep(engine, space=ENDLESS, n_trials=2)
        wait_until(lambda: "running" in states(engine, long))
        short = create_sweep(engine, n_trials=2)
        done(engine, short, 60)
        interrupted = {trial.number: trial.epochs_trained for trial in trials_of(engine, long)}
        assert all(interrupted.values())
        wait_until(lambda: all(t.epochs_done > interrupted[t.number] for t in trials_of(engine, long)))
        assert all(t.state == TrialState.running and t.attempt == 1 for t in trials_of(engine, long))
        change(engine, long, "cancel")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_memory_that_ends_behind_a_checkpoint_costs_no_exactness(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials whose leg began at epoch 3 go on from their new checkpoints of epoch 7, as trials of epoch 7."""
    space = {"hidden_units": [8, 16], "learning_rate": 0.1, "epochs": 12}
    settings = Settings(home=tmp_path, port=0, workers=0, device="cpu")
    context = context_on(engine, settings, new_worker(engine))
    loop = Loop(context)
    due_epochs: list[int] = []

    def is_due(checkpointing: Checkpointing) -> bool:
        return checkpointing._training._epoch in due_epochs

    def save(checkpointing: Checkpointing, trials: Sequence[TrialProgress]) -> None:
        whole_save(checkpointing, trials)
        epoch = checkpointing._training._epoch
        if epoch in due_epochs:
            due_epochs.remove(epoch)
            if epoch == 7:
                raise MemoryError("no room for another batch")
            context.stopping.set()

    whole_save = Checkpointing.save
    monkeypatch.setattr(Checkpointing, "is_due", is_due)
    monkeypatch.setattr(Checkpointing, "save", save)
    values = []
    for epochs in ([], [3, 7]):
        due_epochs[:] = epochs
        sweep = create_sweep(engine, space=space, **GRID)
        while loop._work():
            context.stopping.clear()
        assert due_epochs == []
        values.append([trial.value for trial in trials_of(engine, sweep)])
        assert [trial.state for trial in trials_of(engine, sweep)] == [TrialState.complete] * 2
    assert values[1] == pytest.approx(values[0], abs=1e-6)
