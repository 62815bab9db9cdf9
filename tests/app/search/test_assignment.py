"""From claimed trials to trials with parameters: constraints, repeats, grids, and the end of a space."""

import random
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from app import queries
from app.db.engine import transaction
from app.db.tables import Trial
from app.domain.states import SweepState, TrialState
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.queue.claims import ClaimedTrial
from app.search import assignment, history, proposals
from app.search.ask_ahead import waiting_without_params
from app.search.assignment import assign_params
from app.search.repeats import Train
from tests.support.queue_examples import (
    at_once,
    claim,
    create_sweep,
    expire,
    finish,
    let_lapse,
    new_worker,
    record,
    runs_of,
    setup_of,
    states,
    success,
    sweep_of,
    trials_of,
)

WIDE = {"hidden_units": {"low": 1, "high": 1000}, "epochs": 2}
SMALL = {"hidden_units": [4, 8], "activation": ["relu", "tanh"], "epochs": 1}


def filled(engine: Engine, sweep: int, worker: UUID, max_trials: int = 1000) -> list[ClaimedTrial]:
    return assign_params(engine, setup_of(engine, sweep), claim(engine, worker, max_trials))


def trained(engine: Engine, sweep: int, worker: UUID, max_trials: int = 1000) -> list[ClaimedTrial]:
    """Claims, fills in and finishes trials; the value is the width's share of a thousand."""
    trials = filled(engine, sweep, worker, max_trials)
    finish(
        engine, sweep, worker, [success(trial.lease, (trial.params or {})["hidden_units"] / 1000) for trial in trials]
    )
    return trials


def finish_all(engine: Engine, sweep: int, worker: UUID | None = None) -> None:
    worker = worker or new_worker(engine)
    while any(state in {"waiting", "running"} for state in states(engine, sweep)):
        trained(engine, sweep, worker)


def in_state(engine: Engine, sweep: int, state: TrialState) -> list[Trial]:
    return [trial for trial in trials_of(engine, sweep) if trial.state == state]


@pytest.mark.parametrize("name", ["random", "qmc", "tpe", "cmaes", "nsgaii"])
def test_infeasible_draws_are_recorded_and_cost_no_budget(engine: Engine, name: str) -> None:
    """All that are trained satisfy the constraint, as many as were asked for; the others say why they are not."""
    sweep = create_sweep(engine, space=WIDE, sampler=name, n_trials=25, constraints=["parameters <= 30000"])
    finish_all(engine, sweep)
    complete, infeasible = (in_state(engine, sweep, state) for state in (TrialState.complete, TrialState.infeasible))
    assert len(complete) == 25
    assert len(infeasible) >= 1
    assert all((trial.params or {})["hidden_units"] <= 399 for trial in complete)
    for trial in infeasible:
        count = (trial.params or {})["hidden_units"] * 75 + 10
        assert trial.reason == f"parameters <= 30000: {count:,}"
        assert (trial.value, trial.worker_id, trial.finished_at is None) == (None, None, False)
    with transaction(engine) as session:
        summary = queries.summary(session, sweep)
    assert (summary.n_trials, summary.counts.infeasible, summary.progress) == (25, len(infeasible), 1.0)
    assert (summary.state, summary.epochs.total) == (SweepState.completed, summary.epochs.done)


def test_a_space_without_a_feasible_point_ends_with_the_reason(engine: Engine) -> None:
    """After many infeasible draws in a row, and not before what runs has ended."""
    sweep = create_sweep(engine, space=WIDE, n_trials=8, constraints=["hidden_units < 1"])
    assert filled(engine, sweep, new_worker(engine)) == []
    ended = sweep_of(engine, sweep)
    assert ended.state == SweepState.cancelled
    assert ended.stop_reason is not None
    assert ended.stop_reason.startswith("200 configurations in a row were infeasible, the last one because of hidden")
    assert Counter(states(engine, sweep)) == {"cancelled": 8, "infeasible": proposals.MAX_INFEASIBLE}


def test_a_grid_has_its_infeasible_cells_from_the_start(client: TestClient) -> None:
    """They are rows with their reason, its number is that of the others, and one without any is refused."""
    space = {"hidden_units": [4, 400, 500], "depth": [1, 2], "epochs": 1}
    body = {
        "name": "grid",
        "dataset": "digits",
        "space": space,
        "sampler": "grid",
        "constraints": ["parameters < 30000"],
    }
    response = client.post("/api/v1/sweeps", json=body)
    assert (response.status_code, response.json()["n_trials"]) == (201, 2)
    assert response.json()["counts"] | {"waiting": 2, "infeasible": 4} == response.json()["counts"]
    infeasible_trials = client.get(f"{response.headers['Location']}/trials?state=infeasible").json()["items"]
    assert infeasible_trials[0]["reason"] == "parameters < 30000: 30,010"
    refused = client.post("/api/v1/sweeps", json=body | {"constraints": ["parameters < 10"]})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"loc": ["constraints"], "msg": "are satisfied by no cell of the grid"}]
    wrong = client.post("/api/v1/sweeps", json=body | {"constraints": ["parameters <"]})
    assert [error["loc"] for error in wrong.json()["errors"]] == [["constraints", 0]]


def test_repeats_get_new_seeds(engine: Engine) -> None:
    """Of four configurations in fourteen trials, each is trained with seeds that it has not had yet."""
    sweep = create_sweep(engine, space=SMALL, n_trials=14, seeds=2)
    finish_all(engine, sweep)
    seeds: dict[str, list[int]] = {}
    for trial in trials_of(engine, sweep):
        assert trial.state == TrialState.complete
        seeds.setdefault(str(trial.configuration), []).append(trial.first_seed)
    assert sum(map(len, seeds.values())) == 14
    assert len(seeds) == 4
    for first_seeds in seeds.values():
        assert sorted(first_seeds) == list(range(0, 2 * len(first_seeds), 2))


def test_seeds_that_are_asked_for_ahead_are_new_too(engine: Engine) -> None:
    """Configurations that were trained are drawn again, several times each, before any of those is claimed."""
    sweep, worker = create_sweep(engine, space=SMALL, n_trials=30, seeds=2), new_worker(engine)
    trained(engine, sweep, worker, max_trials=10)
    for _ in range(2):
        with transaction(engine) as session:
            proposer = proposals.Proposer(setup_of(engine, sweep), history.observations(session, sweep))
            ahead = [
                assignment.Suggestion(trial_id, None, proposer.propose(number))
                for trial_id, number in waiting_without_params(session, sweep, 8)
            ]
            decisions = assignment.apply_suggestions(session, sweep, ahead)
            assert [type(decision) for decision in decisions.values()] == [Train] * 8
    finish_all(engine, sweep)
    seed_counts = Counter(
        (trial.configuration, trial.first_seed) for trial in in_state(engine, sweep, TrialState.complete)
    )
    assert (sum(seed_counts.values()), set(seed_counts.values())) == (30, {1})


def test_no_twin_waits_in_a_sweep_that_stops(engine: Engine) -> None:
    """Nobody would claim it, and the sweep would never end."""
    space = {"hidden_units": [4], "epochs": 1}
    sweep, worker = create_sweep(engine, space=space, n_trials=3, repeats="reuse"), new_worker(engine)
    claimed = claim(engine, worker)
    with transaction(engine) as session:
        sweep_row.change_state(session, sweep, "stop")
    claimed_trials = assign_params(engine, setup_of(engine, sweep), claimed)
    assert Counter(states(engine, sweep)) == {"running": 1, "cancelled": 2}
    finish(engine, sweep, worker, [success(trial.lease) for trial in claimed_trials])
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_repeats_take_over_results(engine: Engine) -> None:
    """No configuration is trained twice: the later ones have value, runs and curve of the first, and say whose."""
    sweep, worker = create_sweep(engine, space=SMALL, n_trials=14, repeats="reuse"), new_worker(engine)
    claimed_trials = filled(engine, sweep, worker)
    assert 1 <= len(claimed_trials) <= 4  # the twins of what trains wait for it
    assert claim(engine, new_worker(engine)) == []
    record(engine, sweep, [trial.lease for trial in claimed_trials])
    finish(
        engine,
        sweep,
        worker,
        [success(trial.lease, (trial.params or {})["hidden_units"] / 1000) for trial in claimed_trials],
    )
    finish_all(engine, sweep)
    trials = trials_of(engine, sweep)
    with transaction(engine) as session:
        copied = {row.number: row.epochs_copied for row in chart_rows.trial_rows(session, sweep)}
    assert sum(copied.values()) >= 1
    assert copied == {trial.number: 0 if trial.reason is None else trial.epochs_done for trial in trials}
    first = {}
    for trial in sorted(trials, key=lambda trial: trial.reason is not None):
        assert (trial.state, trial.first_seed) == (TrialState.complete, 0)
        if trial.reason is None:
            assert trial.configuration not in first
            first[trial.configuration] = trial
        else:
            assert trial.reason == f"same configuration as trial {first[trial.configuration].number}"
            assert trial.value == first[trial.configuration].value
            assert (trial.worker_id, trial.started_at) == (None, None)  # no speed is told from what nobody trained
    assert len(first) == 4
    assert len(runs_of(engine, sweep)) == 14
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_repeats_are_forbidden(engine: Engine) -> None:
    """Each configuration once; when all have been tried the sweep ends and says so."""
    sweep = create_sweep(engine, space=SMALL, n_trials=14, repeats="forbid")
    finish_all(engine, sweep)
    complete = in_state(engine, sweep, TrialState.complete)
    assert len({trial.configuration for trial in complete}) == len(complete) == 4
    ended = sweep_of(engine, sweep)
    assert (ended.state, ended.stop_reason) == (SweepState.completed, "every configuration of the space has been tried")


def test_values_in_steps_are_repeated_by_none(engine: Engine) -> None:
    """Ten cells are ten configurations: 0.30000000000000004 is no further one beside 0.3."""
    space = {"dropout": {"low": 0, "high": 0.9, "step": 0.1}, "hidden_units": 4, "epochs": 1}
    sweep = create_sweep(engine, space=space, n_trials=14, repeats="forbid")
    finish_all(engine, sweep)
    complete = in_state(engine, sweep, TrialState.complete)
    assert sorted((trial.params or {})["dropout"] for trial in complete) == [tenth / 10 for tenth in range(10)]


def test_the_result_of_an_excluded_trial_is_not_taken_over(engine: Engine) -> None:
    """Its value would come back under another number; the configuration is trained again, with further seeds."""
    space = {"hidden_units": [4], "epochs": 1}
    sweep, worker = create_sweep(engine, space=space, sampler="random", n_trials=2, repeats="reuse"), new_worker(engine)
    trained(engine, sweep, worker, max_trials=1)
    with transaction(engine) as session:
        session.execute(update(Trial).where(Trial.sweep_id == sweep, Trial.number == 0).values(excluded=True))
    (again,) = filled(engine, sweep, worker)
    assert (again.number, again.first_seed) == (1, 1)


def test_an_excluded_trial_is_not_repeated_where_that_is_forbidden(engine: Engine) -> None:
    """Its configuration has been tried, though the sampler is not shown it: only the other one is left."""
    space = {"hidden_units": [4, 8], "epochs": 1}
    sweep, worker = create_sweep(engine, space=space, n_trials=3, repeats="forbid"), new_worker(engine)
    (first,) = trained(engine, sweep, worker, max_trials=1)
    with transaction(engine) as session:
        session.execute(update(Trial).where(Trial.sweep_id == sweep, Trial.number == 0).values(excluded=True))
    (second,) = trained(engine, sweep, worker)
    assert {(trial.params or {})["hidden_units"] for trial in (first, second)} == {4, 8}
    assert sweep_of(engine, sweep).stop_reason == "every configuration of the space has been tried"


@pytest.mark.parametrize("repeats", ["reuse", "new_seeds", "forbid"])
def test_three_workers_at_once_keep_to_the_policy(engine: Engine, repeats: str) -> None:
    """Whoever draws what when: no seed of a configuration is trained twice."""
    sweep = create_sweep(engine, space=SMALL | {"hidden_units": [2, 4, 8]}, n_trials=30, repeats=repeats)

    def work() -> list[tuple[object, int]]:
        worker, trials = new_worker(engine), list[ClaimedTrial]()
        while any(state in {"waiting", "running"} for state in states(engine, sweep)):
            trials += trained(engine, sweep, worker, max_trials=4)
        return [(str(trial.params), trial.first_seed) for trial in trials]

    results = [trained_trial for worker_trials in at_once([work] * 3) for trained_trial in worker_trials]
    assert len(results) == len(set(results))
    assert len(results) == (30 if repeats == "new_seeds" else 6)


def test_a_second_attempt_keeps_its_seeds(engine: Engine) -> None:
    """A trial whose worker was killed has the seeds that it had, whatever was trained meanwhile."""
    sweep, lost_worker, other_worker = (
        create_sweep(engine, space={"epochs": 1}, n_trials=3),
        new_worker(engine),
        new_worker(engine),
    )
    (first, *_) = filled(engine, sweep, lost_worker, max_trials=1)
    second = filled(engine, sweep, other_worker, max_trials=1)
    assert [second[0].first_seed, first.first_seed] == [1, 0]
    let_lapse(engine, first.lease)
    expire(engine)
    again = {trial.number: trial.first_seed for trial in filled(engine, sweep, other_worker)}
    assert again == {0: 0, 2: 2}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(0, 10**6),
    depths=st.sets(st.integers(1, 3), min_size=1),
    policy=st.sampled_from(["reuse", "new_seeds", "forbid"]),
)
def test_a_grid_is_every_cell_once(engine: Engine, seed: int, depths: set[int], policy: str) -> None:
    """With conditions and constraints, three workers that die and give up, and retries: each feasible cell, once."""
    space = {"depth": sorted(depths), "hidden_units_1": [4, 8], "epochs": 1}
    space |= {"hidden_units_2": [2, 16]} if max(depths) > 1 else {}
    rule = ["hidden_units_1 >= hidden_units_2"] if max(depths) > 1 else []
    sweep = create_sweep(engine, space=space, sampler="grid", n_trials=None, repeats=policy, constraints=rule)
    chance = random.Random(seed)
    workers = [new_worker(engine) for _ in range(3)]
    while any(state in {"waiting", "running"} for state in states(engine, sweep)):
        trials = filled(engine, sweep, chance.choice(workers), chance.randint(1, 3))
        dying = [trial for trial in trials if chance.random() < 0.3 and trial.attempt < 3]
        finish(engine, sweep, workers[0], [success(trial.lease) for trial in trials if trial not in dying])
        let_lapse(engine, *(trial.lease for trial in dying))
        expire(engine)
    cells = Counter(str(trial.params) for trial in in_state(engine, sweep, TrialState.complete))
    expected = [
        params
        for depth in depths
        for first in (4, 8)
        for params in ([(depth, first)] if depth == 1 else [(depth, first, 2)])  # 16 is wider than any first layer
    ]
    assert set(cells.values()) == {1}
    assert len(cells) == len(expected)


def test_what_a_worker_lost_is_not_written(engine: Engine) -> None:
    """Parameters that come after the lease has ended change nothing, and no infeasible draw of theirs is kept."""
    sweep, worker = create_sweep(engine, space=WIDE, n_trials=2), new_worker(engine)
    late = claim(engine, worker)
    let_lapse(engine, *(trial.lease for trial in late))
    expire(engine)
    with transaction(engine) as session:
        sweep_row.change_state(session, sweep, "cancel")
    with transaction(engine) as session:
        suggestions = [
            assignment.Suggestion(trial.lease.trial_id, trial.lease.token, {"hidden_units": 1}) for trial in late
        ]
        assert (
            assignment.apply_suggestions(
                session, sweep, suggestions, [proposals.Infeasible({"hidden_units": 9}, "why")]
            )
            == {}
        )
    assert [(trial.state, trial.params) for trial in trials_of(engine, sweep)] == [("cancelled", None)] * 2


def test_the_same_body_gives_the_same_parameters(engine: Engine) -> None:
    """With one worker, in the same order, infeasible draws and repeats included."""
    worker = new_worker(engine)

    def assigned_params() -> list[Any]:
        body = {
            "space": WIDE | {"activation": ["relu", "tanh"]},
            "sampler": "tpe",
            "constraints": ["hidden_units < 500"],
        }
        sweep = create_sweep(engine, n_trials=30, seed=4, **body)
        finish_all(engine, sweep, worker)
        return [(trial.number, trial.params, trial.first_seed, trial.reason) for trial in trials_of(engine, sweep)]

    assert assigned_params() == assigned_params()
