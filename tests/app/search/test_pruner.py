"""A real worker with a real pruner: what is pruned, what is kept of it, and who knows whose curves."""

import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from app import queue
from app.broker import DatabaseBroker
from app.db.engine import transaction
from app.db.tables import Epoch, Trial
from app.domain.objectives import Objective
from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import stored_pruner
from app.domain.pruning.rules import prune
from app.domain.pruning.verdicts import WilcoxonVerdict
from app.domain.pruning.wording import sentence
from app.domain.runs import EpochResult
from app.domain.states import RunState, SweepState, TrialState
from app.queue.claims import ClaimedTrial
from app.queue.progress import EpochPoint
from app.search.assignment import assign_params
from app.search.curve_cache import CurveCache
from app.search.pruner import CohortPruner
from tests.support.queue_examples import (
    LEASE_SECONDS,
    choose,
    claim,
    complete,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    record,
    runs_of,
    setup_of,
    success,
    sweep_of,
    trials_of,
)
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, environment

# rates between one that learns nothing and one that learns well
RATES = {"hidden_units": 8, "learning_rate": {"low": 0.0001, "high": 0.5, "log": True}, "epochs": 8}


def trained(engine: Engine, **body: Any) -> list[Trial]:
    """The trials of a sweep that was posted, trained and completed."""
    sweep = create_sweep(engine, **{"space": RATES} | body)
    wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed)
    return trials_of(engine, sweep)


def accuracies(engine: Engine, trial: Trial) -> dict[int, dict[int, float | None]]:
    """The recorded accuracies by epoch and seed."""
    curve: dict[int, dict[int, float | None]] = {}
    with transaction(engine) as session:
        points = session.scalars(select(Epoch).where(Epoch.trial_id == trial.id).order_by(Epoch.epoch, Epoch.seed))
        for point in points:
            curve.setdefault(point.epoch, {})[point.seed] = point.val_accuracy
    return curve


def table_of(engine: Engine, trials: list[Trial], seeds: int) -> CurveTable:
    """A table of all curves that are recorded for these trials."""
    table = CurveTable(Objective("val_accuracy"), seeds, max_epochs=8, sweep_seed=0)
    for trial in trials:
        for values in accuracies(engine, trial).values():
            table.add(trial.number, {seed: [value] for seed, value in values.items()})
        if trial.state == TrialState.complete and trial.value is not None:
            table.complete_values[trial.number] = trial.value
    return table


@pytest.mark.usefixtures("worker")
def test_halving_prunes_a_cohort_at_its_rungs(engine: Engine) -> None:
    """Of 16 trials 12 end at epoch 1 and 3 at epoch 4; each keeps its last value, runs, curves and the words."""
    trials = trained(engine, n_trials=16, seeds=2, pruner="successive_halving")
    ends = sorted((trial.state, trial.epochs_done) for trial in trials)
    assert ends == [(TrialState.complete, 16)] + [(TrialState.pruned, 2)] * 12 + [(TrialState.pruned, 8)] * 3
    table = table_of(engine, trials, 2)
    for trial in trials:
        curve, runs = accuracies(engine, trial), runs_of(engine, trial.sweep_id)
        trial_runs = [run for run in runs if run.trial_id == trial.id]
        last = max(curve)
        assert trial.value == pytest.approx(table.curves[trial.number].means[last])
        assert [run.value for run in trial_runs] == [curve[last][0], curve[last][1]]
        if trial.state == TrialState.pruned:
            assert {run.state for run in trial_runs} == {RunState.pruned}
            rung = {1: 0, 4: 1}[last]
            reached = {1: 16, 4: 4}[last]
            assert trial.reason is not None
            assert trial.reason.startswith(f"epoch {last}: mean ")
            assert trial.reason.endswith(f"of {reached} trials reached at rung {rung}")


@pytest.mark.usefixtures("worker")
def test_one_epoch_keeps_the_best_k_exactly(engine: Engine) -> None:
    """Ten trials train one epoch; the three with the best mean go on to the end."""
    trials = trained(engine, n_trials=10, seeds=2, pruner={"name": "one_epoch", "keep": 3})
    table = table_of(engine, trials, 2)
    best = sorted(range(10), key=lambda number: (-table.curves[number].means[1], number))[:3]
    assert {trial.number for trial in trials if trial.state == TrialState.complete} == set(best)
    assert [trial.epochs_done for trial in trials if trial.state == TrialState.pruned] == [2] * 7


@pytest.mark.usefixtures("worker")
def test_the_median_compares_with_trials_of_earlier_cohorts(engine: Engine) -> None:
    """The first claim is small and trains to its end; what comes after is judged by it, in these very words."""
    trials = trained(engine, n_trials=30, seeds=2, pruner={"name": "median", "n_startup_trials": 4})
    first, later = trials[:10], trials[10:]
    assert {trial.state for trial in first} == {TrialState.complete}
    pruned = [trial for trial in later if trial.state == TrialState.pruned]
    assert len(pruned) >= 3
    table = table_of(engine, first, 2)
    second = [trial for trial in trials[10:20] if trial.state == TrialState.pruned]
    assert second
    for trial in second:
        for values in accuracies(engine, trial).values():
            table.add(trial.number, {seed: [value] for seed, value in values.items()})
        last = max(table.curves[trial.number].means)
        pruner = stored_pruner({"name": "median", "n_startup_trials": 4})
        verdicts = prune(pruner, table, last, [trial.number])
        assert {number: sentence(verdict) for number, verdict in verdicts.items()} == {trial.number: trial.reason}


@pytest.mark.parametrize(("sampler", "then"), [("random", 50), ("tpe", 10)])
def test_few_trials_are_trained_for_others_to_be_compared_with(engine: Engine, sampler: str, then: int) -> None:
    """The first claim is small; all others train together and are judged by it, unless the sampler is to learn more."""
    sweep, worker = create_sweep(engine, n_trials=60, sampler=sampler, pruner="median"), new_worker(engine)
    first = claim(engine, worker)
    assert len(first) == 10
    complete(engine, sweep, worker, first)
    assert len(claim(engine, worker)) == then


def test_a_configuration_that_goes_on_has_one_curve(engine: Engine, client: TestClient) -> None:
    """That of the trial it goes on from, wherever the longer one trains."""
    sweep, worker = create_grid(engine, 1, 2, pruner={"name": "median"}), new_worker(engine)
    claimed = claim(engine, worker)
    for epoch in (1, 2):
        record(engine, sweep, [trial.lease for trial in claimed], epoch)
    finish(engine, sweep, worker, [success(trial.lease) for trial in claimed])
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/0/continue", json={"epochs": 3}).is_success
    (longer,) = claim(engine, worker)
    record(engine, sweep, [longer.lease])
    cache, row = CurveCache(DatabaseBroker(engine, threading.Event())), setup_of(engine, sweep)
    pruner = CohortPruner(cache, row, [longer])
    pruner.prune([EpochResult((longer.lease.trial_id, 0), 1, 1.0, 0.5, 1.0, 0.5, 0.1, diverged=False)], [])
    pruner.add_trial_result(success(longer.lease))
    curves = cache.curves_of(row, keep_runs=False)
    curves.refresh({})
    assert set(curves.table.curves) == set(curves.table.complete_values) == {0, 1}


def test_a_copied_result_is_no_second_rival(engine: Engine) -> None:
    """Trials that took over the results of another one add nothing to what others are compared with."""
    space = {"hidden_units": [4, 8], "epochs": 1}
    sweep, worker = create_sweep(engine, space=space, n_trials=6, repeats="reuse", pruner="median"), new_worker(engine)
    while claimed := claim(engine, worker):
        chosen = assign_params(engine, setup_of(engine, sweep), claimed)
        record(engine, sweep, [trial.lease for trial in chosen])
        finish(engine, sweep, worker, [success(trial.lease) for trial in chosen])
    trials = trials_of(engine, sweep)
    assert {trial.state for trial in trials} == {TrialState.complete}
    trained_numbers = {trial.number for trial in trials if trial.started_at is not None}
    assert len(trained_numbers) == 2
    curves = CurveCache(DatabaseBroker(engine, threading.Event())).curves_of(setup_of(engine, sweep), keep_runs=False)
    curves.refresh({})
    assert set(curves.table.curves) == set(curves.table.complete_values) == trained_numbers


def record_curve(engine: Engine, sweep: int, trial: ClaimedTrial, *values: float, seeds: int = 1) -> None:
    """Writes an accuracy for each epoch, the same for all seeds but for a little."""
    points = [
        EpochPoint(trial.lease.trial_id, trial.first_seed + seed, epoch, 1.0, 0.5, 1.0, value + seed / 100, 0.1)
        for seed in range(seeds)
        for epoch, value in enumerate(values, start=1)
    ]
    with transaction(engine) as session:
        queue.record(session, sweep, {trial.lease: len(points)}, points, LEASE_SECONDS)


def results_of(trial: ClaimedTrial, epoch: int, value: float, seeds: int = 1) -> list[EpochResult]:
    """What an epoch gives of its runs, the same for all seeds but for a little."""
    keys = [(trial.lease.trial_id, trial.first_seed + seed) for seed in range(seeds)]
    return [EpochResult(key, epoch, 1.0, 0.5, 1.0, value + key[1] / 100, 0.1, diverged=False) for key in keys]


def test_further_seeds_are_nobody_s_rivals(engine: Engine, client: TestClient) -> None:
    """The best has further ones, which no other trial has: others are compared with its first, whoever trained them."""
    body = {"seeds": 4, "space": {"hidden_units": [1, 2], "epochs": 3}, "pruner": "wilcoxon"}
    sweep, worker = create_grid(engine, **body), new_worker(engine)
    (best,) = claim(engine, worker, 1)
    record_curve(engine, sweep, best, 0.8, 0.9, seeds=4)
    finish(engine, sweep, worker, [success(best.lease, 0.9)])
    assert client.post(f"/api/v1/sweeps/{sweep}/rerun-top", json={"k": 1, "seeds": 4}).is_success
    (rerun,) = claim(engine, worker, 1)
    assert rerun.first_seed == 4
    row = setup_of(engine, sweep)
    own, others = (CurveCache(DatabaseBroker(engine, threading.Event())) for _ in range(2))
    own_pruner = CohortPruner(own, row, [rerun])
    for epoch in (1, 2):
        assert own_pruner.prune(results_of(rerun, epoch, 0.95, seeds=4), [rerun.lease.trial_id]) == {}
    record_curve(engine, sweep, rerun, 0.95, 0.95, seeds=4)
    result = success(rerun.lease, 0.95)
    finish(engine, sweep, worker, [result])
    own_pruner.add_trial_result(result)
    (worse,) = claim(engine, worker)
    for cache in (own, others):
        verdicts = CohortPruner(cache, row, [worse]).prune(results_of(worse, 1, 0.5, seeds=4), [worse.lease.trial_id])
        table = cache.curves_of(row, keep_runs=True).table
        assert set(table.complete_values) == {best.number}
        assert set(table.curves) == {best.number, worse.number}
        (verdict,) = verdicts.values()
        assert isinstance(verdict, WilcoxonVerdict)
        assert (verdict.best_trial, verdict.pairs) == (best.number, 4)


@pytest.mark.parametrize("is_next_cohort", [False, True])
def test_an_excluded_trial_is_nobody_s_rival(engine: Engine, client: TestClient, *, is_next_cohort: bool) -> None:
    """Nor for the worker that trained it, once it has ended: neither beside it nor in that worker's next cohort."""
    space = {"hidden_units": 8, "epochs": 3}
    sweep, worker = create_sweep(engine, space=space, n_trials=3, pruner="median"), new_worker(engine)
    trials = claim(engine, worker)
    first, second, third = trials
    cache, row = CurveCache(DatabaseBroker(engine, threading.Event())), setup_of(engine, sweep)
    pruner = CohortPruner(cache, row, trials)
    pruner.prune([result for trial in trials for result in results_of(trial, 1, 0.8)], [])
    for trial in (first, second):
        record_curve(engine, sweep, trial, 0.8)
    choose(engine, sweep, trials)
    results = [success(trial.lease, 0.8) for trial in (first, second)]
    finish(engine, sweep, worker, results)
    for result in results:
        pruner.add_trial_result(result)
    assert client.post(f"/api/v1/sweeps/{sweep}/trials/{first.number}/exclude").is_success
    if is_next_cohort:
        pruner = CohortPruner(cache, row, [third])
    pruner.prune(results_of(third, 1 if is_next_cohort else 2, 0.8), [third.lease.trial_id])
    table = cache.curves_of(row, keep_runs=False).table
    assert set(table.complete_values) == {second.number}
    assert set(table.curves) == {second.number, third.number}


@pytest.mark.parametrize("epochs_trained", [0, 3])
def test_what_is_trained_again_is_not_in_the_curve_twice(engine: Engine, epochs_trained: int) -> None:
    """Memory was lacking behind epoch 7: at epoch 8 the trial is judged by its value there, not by an earlier one."""
    values = [0.3, 0.3, 0.3, 0.3, 0.6, 0.7, 0.7, 0.8]
    pruner = {"name": "threshold", "lower": 0.5, "n_warmup_steps": 6}
    sweep = create_sweep(engine, space={"hidden_units": 8, "epochs": 9}, n_trials=1, pruner=pruner)
    (trial,) = claim(engine, new_worker(engine))
    record_curve(engine, sweep, trial, *values[:7])
    cache, row = CurveCache(DatabaseBroker(engine, threading.Event())), setup_of(engine, sweep)
    again = CohortPruner(cache, row, [replace(trial, epochs_trained=epochs_trained)])
    for epoch in range(epochs_trained + 1, 9):
        assert again.prune(results_of(trial, epoch, values[epoch - 1]), [trial.lease.trial_id]) == {}
    curve = cache.curves_of(row, keep_runs=False).table.curves[trial.number]
    assert curve.means == dict(enumerate(values, start=1))


def test_a_value_that_is_no_number_is_none(engine: Engine) -> None:
    """R² of numbers that are all equal has no place in a curve, as it has none in the tables."""
    sweep = create_grid(engine, 1, dataset="diabetes", pruner={"name": "median"})
    (trial,) = claim(engine, new_worker(engine))
    cache, row = CurveCache(DatabaseBroker(engine, threading.Event())), setup_of(engine, sweep)
    result = EpochResult((trial.lease.trial_id, 0), 1, 1.0, None, 1.0, None, 0.1, diverged=False, val_r2=math.nan)
    CohortPruner(cache, row, [trial]).prune([result], [])
    assert cache.curves_of(row, keep_runs=False).table.curves[0].last_values == {0: None}


@pytest.mark.usefixtures("worker")
def test_a_diverged_trial_fails_and_is_not_pruned(engine: Engine) -> None:
    """It has no mean to judge; the others are pruned as ever."""
    space = {"hidden_units": 8, "depth": 3, "learning_rate": [0.001, 0.01, 0.1, 1e6], "epochs": 6}
    body = {"space": space, "sampler": "grid", "n_trials": None, "seeds": 2}
    trials = trained(engine, **body, pruner={"name": "successive_halving", "reduction_factor": 2})
    assert trials[3].state == TrialState.failed
    assert trials[3].reason is None
    assert [trial.state for trial in trials].count(TrialState.pruned) == 2


def test_two_workers_judge_by_all_curves_also_when_one_is_killed(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """One of two is killed -9 in the middle: every trial ends once, and who was pruned was not the best at its rung."""
    space = RATES | {"hidden_units": 32, "epochs": 60}
    with Nursery() as nursery:
        pids = [nursery.worker(environment(database_url, tmp_path, 2), tmp_path / "log") for _ in range(2)]
        pruner = {"name": "successive_halving", "min_resource": 4, "reduction_factor": 2}
        sweep = create_sweep(engine, space=space, n_trials=32, seeds=2, pruner=pruner)
        wait_until(lambda: any(trial.state == TrialState.pruned for trial in trials_of(engine, sweep)))
        nursery.kill(pids[0])
        wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed)
    trials = trials_of(engine, sweep)
    assert {trial.state for trial in trials} == {TrialState.complete, TrialState.pruned}
    assert len(runs_of(engine, sweep)) == 64
    table = table_of(engine, trials, 2)
    for trial in trials:
        curve = table.curves[trial.number]
        assert sorted(curve.means) == list(range(1, trial.epochs_done // 2 + 1))
        if trial.state == TrialState.pruned:
            last = trial.epochs_done // 2
            assert last in {4, 8, 16, 32}
            assert sum(mean > curve.means[last] for mean in table.means_at(last).values()) >= 1
