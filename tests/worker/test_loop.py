"""A real worker on a real database: what sweeps come to, and how it stops, pauses and ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
from sqlalchemy import Engine, make_url, select, text

from app import queries
from app.config import Settings
from app.db.engine import connect, transaction
from app.db.tables import Epoch, Sweep, Trial
from app.domain.configuration import ACTIVATIONS, INITIALIZATIONS
from app.domain.states import ENDED_SWEEPS, RunState, SweepState, TrialState, WorkerState
from app.errors import StartError
from app.lifecycle import sweep_row
from app.queue.leases import Lease
from app.sweeps import deletion
from tests.support.paths import ROOT
from tests.support.queue_examples import ENDLESS, change, create_sweep, runs_of, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_contexts import context_on
from tests.support.worker_processes import environment, is_alive, worker_process, worker_row
from worker.leases import HeldLeases
from worker.loop import Loop

GRID = {"sampler": "grid", "n_trials": None}


@pytest.fixture(scope="module")
def shared(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database of this file's own, with one worker that trains whatever is put in, until Ctrl-C."""
    url = make_url(postgres).set(database="test_loop").render_as_string(hide_password=False)
    admin = connect(postgres).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE test_loop TEMPLATE {template}"))
    folder = tmp_path_factory.mktemp("home")
    engine = connect(url)
    with worker_process(environment(url, folder), folder / "log") as process:
        yield engine
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "Traceback" not in (folder / "log").read_text()
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE test_loop WITH (FORCE)"))
    admin.dispose()


def ended(engine: Engine, sweep: int, seconds: float = 120) -> Sweep:
    """The sweep, once it has."""
    wait_until(lambda: sweep_of(engine, sweep).state in ENDED_SWEEPS, seconds)
    return sweep_of(engine, sweep)


def trained(engine: Engine, **body: Any) -> list[Trial]:
    """The trials of a sweep that was posted, trained and completed."""
    sweep = create_sweep(engine, **body)
    assert ended(engine, sweep).state == SweepState.completed
    return trials_of(engine, sweep)


def curve(engine: Engine, trial: Trial) -> list[tuple[float | None, ...]]:
    with transaction(engine) as session:
        points = session.scalars(select(Epoch).where(Epoch.trial_id == trial.id).order_by(Epoch.seed, Epoch.epoch))
        return [(point.seed, point.epoch, point.train_loss, point.val_loss, point.val_accuracy) for point in points]


def in_training(engine: Engine, sweep: int) -> bool:
    return any(trial.state == TrialState.running and trial.epochs_done for trial in trials_of(engine, sweep))


@pytest.mark.parametrize(
    ("sampler", "n_trials", "trials"),
    [("grid", None, 6), ("random", 5, 5), ({"name": "tpe", "n_startup_trials": 3, "n_ei_candidates": 4}, 7, 7)],
)
def test_a_sweep_completes_with_every_trial_run_and_epoch(
    shared: Engine, sampler: Any, n_trials: int | None, trials: int
) -> None:
    """As many trials as asked for, two seeds each, a value that is their mean, and a whole curve for each run."""
    space = {"hidden_units": [8, 16, 32], "learning_rate": [0.1, 0.5], "epochs": 4}
    sweep = create_sweep(shared, space=space, sampler=sampler, n_trials=n_trials, seeds=2)
    assert ended(shared, sweep).state == SweepState.completed
    rows, runs = trials_of(shared, sweep), runs_of(shared, sweep)
    assert states(shared, sweep) == ["complete"] * trials
    assert len(runs) == 2 * trials
    for trial in rows:
        values = [run.value for run in runs if run.trial_id == trial.id and run.value is not None]
        assert trial.value == pytest.approx(sum(values) / 2)
        assert trial.std == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
        points = curve(shared, trial)
        seeds = (trial.first_seed, trial.first_seed + 1)  # a cell that was drawn before goes on behind its seeds
        assert [point[:2] for point in points] == [(seed, epoch) for seed in seeds for epoch in (1, 2, 3, 4)]
        assert [points[3][4], points[7][4]] == pytest.approx(values)
        assert (trial.epochs_done, trial.attempt, set(trial.params or {})) == (8, 1, set(space))
    assert max(trial.value or 0 for trial in rows) > 0.5
    wait_until(lambda: sweep_of(shared, sweep).scored)
    best = max(rows, key=lambda trial: (trial.value or 0, -trial.number))
    scored = {run.trial_id for run in runs_of(shared, sweep) if run.test_accuracy is not None}
    assert scored == {best.id}


def test_a_diverging_run_fails_and_leaves_its_neighbours_alone(shared: Engine) -> None:
    """Its reason is the epoch, its value null; what trained beside it comes out as it does without it."""
    space = {"learning_rate": [0.1, 0.5], "hidden_units": 16, "depth": 3, "epochs": 5}
    alone = trained(shared, space=space, **GRID)
    *beside, diverged = trained(shared, space=space | {"learning_rate": [0.1, 0.5, 1e6]}, **GRID)
    assert (diverged.state, diverged.value) == (TrialState.failed, None)
    assert diverged.error is not None
    assert diverged.error.startswith("diverged at epoch ")
    (run,) = [run for run in runs_of(shared, diverged.sweep_id) if run.trial_id == diverged.id]
    assert (run.state, run.value, run.error) == (RunState.diverged, None, diverged.error)
    assert curve(shared, diverged)[-1][2:4].count(None) >= 1
    for trial, same_trial in zip(alone, beside, strict=True):
        for point, same_point in zip(curve(shared, trial), curve(shared, same_trial), strict=True):
            assert point == pytest.approx(same_point, abs=1e-6)
        assert trial.value == pytest.approx(same_trial.value, abs=1e-6)


def test_a_trial_fails_when_one_of_its_runs_diverged(shared: Engine) -> None:
    """The reason says how many of them did, and a sweep of only such trials has failed."""
    space = {"learning_rate": 1e6, "depth": 3, "hidden_units": 8, "epochs": 3}
    sweep = create_sweep(shared, space=space, seeds=3, n_trials=1)
    assert ended(shared, sweep).state == SweepState.failed
    (trial,) = trials_of(shared, sweep)
    diverged = sum(run.state == RunState.diverged for run in runs_of(shared, sweep))
    assert diverged >= 1
    assert re.fullmatch(rf"diverged at epoch \d \({diverged} of 3 runs\)", trial.error or "")


def test_one_cohort_may_hold_every_kind_of_network(shared: Engine) -> None:
    """Activations, initialisations, widths and depths from none to eight, all trained together."""
    space = {
        "activation": list(ACTIVATIONS),
        "initialization": list(INITIALIZATIONS),
        "depth": {"low": 0, "high": 8},
        "hidden_units": {"low": 1, "high": 24},
        "learning_rate": {"low": 0.001, "high": 0.05, "log": True},
        "epochs": [1, 2, 3],
        "batch_size": [64, 256],
    }
    trials = trained(shared, space=space, n_trials=50)
    assert {trial.state for trial in trials} == {TrialState.complete}
    assert all(trial.params and trial.epochs_done == trial.params["epochs"] for trial in trials)
    assert {trial.params["depth"] for trial in trials if trial.params} >= {0, 8}


def test_a_sweep_repeats(shared: Engine) -> None:
    """The same body and seed: the same parameters and the same values; another seed: other ones."""
    body: dict[str, Any] = {"space": {"hidden_units": {"low": 4, "high": 64}, "epochs": 3}, "n_trials": 4, "seeds": 2}
    first, again = trained(shared, **body, seed=7), trained(shared, **body, seed=7)
    assert [trial.params for trial in first] == [trial.params for trial in again]
    assert [trial.value for trial in first] == pytest.approx([trial.value for trial in again], abs=1e-6)
    another_seed = trained(shared, **body, seed=8)
    assert [trial.value for trial in another_seed] != [trial.value for trial in first]


def test_a_trial_alone_is_worth_what_it_is_in_company(shared: Engine) -> None:
    """One width of a grid, posted by itself, has the value that it had among the others."""
    crowd = trained(shared, space={"hidden_units": [4, 32, 64], "epochs": 4}, **GRID)
    (alone,) = trained(shared, space={"hidden_units": [32], "epochs": 4}, **GRID)
    assert alone.value == pytest.approx(crowd[1].value, abs=1e-6)


def test_patience_ends_a_trial_before_its_last_epoch(shared: Engine) -> None:
    """Each run ends by itself; the trial is complete with the means of their last epochs, and the sweep whole."""
    space = {"hidden_units": 64, "learning_rate": 1.5, "epochs": 2000, "patience": 3}
    (trial,) = trained(shared, space=space, n_trials=1, seeds=3)
    points, runs = curve(shared, trial), runs_of(shared, trial.sweep_id)
    curves = [[point for point in points if point[0] == seed] for seed in range(3)]
    assert len({len(points) for points in curves}) > 1
    for run, run_points in zip(runs, curves, strict=True):
        losses = [loss for *_, loss, _ in run_points if loss is not None]
        assert [epoch for _, epoch, *_ in run_points] == [*range(1, len(run_points) + 1)]
        assert losses.index(min(losses)) == len(run_points) - 1 - 3
        assert run.value == run_points[-1][4]
    assert trial.value == pytest.approx(sum(run.value or 0 for run in runs) / 3)
    assert (trial.epochs_done, trial.epochs_total) == (len(points), 6000)
    with transaction(shared) as session:
        summary = queries.summary(session, trial.sweep_id)
    assert (summary.progress, summary.epochs.done, summary.epochs.total) == (1, len(points), len(points))


def test_pause_lets_running_trials_finish(shared: Engine) -> None:
    """What ran when it was paused is complete, or waits with a checkpoint if it takes long; resumed, all completes."""
    sampler = {"name": "tpe", "n_startup_trials": 2, "n_ei_candidates": 1}
    space = {"hidden_units": {"low": 4, "high": 16}, "epochs": 2000}
    sweep = create_sweep(shared, space=space, sampler=sampler, n_trials=4)
    wait_until(lambda: in_training(shared, sweep))
    change(shared, sweep, "pause")
    wait_until(lambda: "running" not in states(shared, sweep))
    *begun, third, fourth = trials_of(shared, sweep)
    assert all(trial.state == TrialState.complete or trial.epochs_trained for trial in begun)
    assert (third.state, fourth.state, third.params, fourth.params) == ("waiting", "waiting", None, None)
    assert sweep_of(shared, sweep).state == SweepState.paused
    change(shared, sweep, "resume")
    assert ended(shared, sweep).state == SweepState.completed
    assert states(shared, sweep) == ["complete"] * 4


def test_cancel_ends_the_training_soon(shared: Engine) -> None:
    """A sweep that would train for minutes is left within seconds: the next one gets the worker."""
    endless = create_sweep(shared, space=ENDLESS, n_trials=2)
    wait_until(lambda: in_training(shared, endless))
    change(shared, endless, "cancel")
    epochs = [len(curve(shared, trial)) for trial in trials_of(shared, endless)]
    following = create_sweep(shared, n_trials=1)
    assert ended(shared, following).state == SweepState.completed
    assert [len(curve(shared, trial)) for trial in trials_of(shared, endless)] == epochs
    assert states(shared, endless) == ["cancelled", "cancelled"]


def test_a_sweep_that_is_deleted_in_the_middle_is_left(shared: Engine) -> None:
    """Cancelled and deleted while it trains: the worker goes on with the next one."""
    endless = create_sweep(shared, space=ENDLESS, n_trials=2)
    wait_until(lambda: in_training(shared, endless))
    with transaction(shared) as session:
        sweep_row.change_state(session, endless, "cancel")
        deletion.delete(session, endless)
    assert ended(shared, create_sweep(shared, n_trials=1)).state == SweepState.completed


def test_sigterm_gives_the_leases_back_at_once(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """Told to end in the middle of an epoch: exit code 0 within 10 s, trials waiting, the attempt not counted."""
    sweep = create_sweep(engine, space=ENDLESS, n_trials=2)
    with worker_process(environment(database_url, tmp_path), tmp_path / "log") as process:
        wait_until(lambda: in_training(engine, sweep))
        params = [trial.params for trial in trials_of(engine, sweep)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    for trial in trials_of(engine, sweep):
        assert (trial.state, trial.attempt, trial.epochs_done) == (TrialState.waiting, 0, 0)
    assert [trial.params for trial in trials_of(engine, sweep)] == params
    row = worker_row(engine, process.pid)
    assert row is not None
    assert row.state == WorkerState.stopped
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_worker_ends_with_its_server(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """A worker whose parent was killed gives its leases back and ends by itself."""
    code = (
        "import os, subprocess, sys\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'worker', '--parent', str(os.getpid())])\n"
        "print(worker.pid, flush=True)\n"
        "worker.wait()"
    )
    sweep = create_sweep(engine, space=ENDLESS, n_trials=1)
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment(database_url, tmp_path),
            stdout=subprocess.PIPE,
            stderr=log,
        ) as parent,
    ):
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until(lambda: in_training(engine, sweep))
        parent.kill()
    try:
        wait_until(lambda: not is_alive(pid), 10)
    finally:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    (trial,) = trials_of(engine, sweep)
    assert (trial.state, trial.attempt) == (TrialState.waiting, 0)


def test_a_database_without_tables_is_a_sentence(engine: Engine, settings: Settings) -> None:
    """A worker does not make tables in somebody's database: it says who does."""
    with transaction(engine) as session:
        session.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StartError, match="The tables are not those of this version: run `perceptune db upgrade`"):
        Loop(context_on(engine, settings)).run()


def test_a_newer_lease_is_not_forgotten_with_an_older_one() -> None:
    """The database's answer about a lease that was given back says nothing of the one that was taken since."""
    old_lease, new_lease, lost_lease = (Lease(trial_id, uuid4()) for trial_id in (1, 1, 2))
    held_leases = HeldLeases()
    held_leases.take([new_lease, lost_lease])
    held_leases.keep_only([old_lease, lost_lease], held_ids=set())
    assert held_leases.leases() == [new_lease]


def test_a_trial_that_runs_again_gives_the_same_value(shared: Engine) -> None:
    """Within 1e-6 on the CPU; versions and device are kept with the sweep."""
    space = {"hidden_units": [16, 32], "dropout": 0.2, "epochs": 3}
    first, *_ = trials = trained(shared, space=space, seeds=2, **GRID)
    again = trained(shared, space=space, seeds=2, **GRID)
    assert [trial.value for trial in again] == pytest.approx([trial.value for trial in trials], abs=1e-6)
    environment = sweep_of(shared, first.sweep_id).environment
    assert torch.__version__.startswith(environment["torch"])
    assert {*environment} == {"python", "perceptune", "torch", "optuna", "numpy", "dtype", "devices"}
    assert (environment["dtype"], len(environment["devices"])) == ("float32", 1)
