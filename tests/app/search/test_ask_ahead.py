"""Trials that are asked for before they are claimed."""

from threading import Event

import pytest
from sqlalchemy import Engine, func, select, text

from app.db.engine import transaction
from app.db.tables import Trial
from app.domain.states import TrialState
from app.search.ask_ahead import ask_ahead_of_claims, prepare_asking
from app.search.assignment import assign_params
from tests.support.queue_examples import at_once, claim, create_sweep, finish, new_worker, setup_of, success, trials_of

WIDE = {"hidden_units": {"low": 8, "high": 512, "log": True}, "depth": {"low": 1, "high": 4}, "epochs": 2}


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_workers_share_a_random_sweep_by_its_cost(engine: Engine, name: str) -> None:
    """Neither has more than half of the multiply-adds and one trial beside, though nobody knew the widths before."""
    create_sweep(engine, space=WIDE, sampler=name, n_trials=64)
    workers = [new_worker(engine), new_worker(engine)]
    ask_ahead_of_claims(engine, Event(), set())
    hands = [claim(engine, worker, 64) for worker in workers]
    assert sum(map(len, hands)) == 64
    with transaction(engine) as session:
        costs = {trial.id: trial.cost or 0 for trial in session.scalars(select(Trial))}
    shares = [sum(costs[trial.lease.trial_id] for trial in hand) for hand in hands]
    assert max(shares) <= sum(costs.values()) / 2 + max(costs.values())


def test_what_is_asked_early_is_what_would_have_been_asked_late(engine: Engine) -> None:
    """A trial's parameters depend on the sweep's seed and its number, not on when and beside what it is asked for."""
    early, late = (create_sweep(engine, space=WIDE, sampler="random", n_trials=8, seed=5) for _ in range(2))
    worker = new_worker(engine)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET state = 'paused' WHERE id = :id"), {"id": late})
    ask_ahead_of_claims(engine, Event(), set())
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET state = 'paused' WHERE id = :id"), {"id": early})
        session.execute(text("UPDATE sweeps SET state = 'queued' WHERE id = :id"), {"id": late})
    assign_params(engine, setup_of(engine, late), claim(engine, worker, 8))
    assert [trial.params for trial in trials_of(engine, early)] == [trial.params for trial in trials_of(engine, late)]


def test_two_workers_that_ask_at_once_ask_once(engine: Engine) -> None:
    """Every trial has its parameters, and nothing was drawn for nothing."""
    sweep = create_sweep(engine, space=WIDE, sampler="random", n_trials=40, constraints=["parameters <= 200000"])
    at_once([lambda: ask_ahead_of_claims(engine, Event(), set())] * 3)
    waiting = [trial for trial in trials_of(engine, sweep) if trial.state == TrialState.waiting]
    infeasible = [trial.configuration for trial in trials_of(engine, sweep) if trial.state == TrialState.infeasible]
    assert len(waiting) == 40
    assert all(trial.params for trial in waiting)
    assert len(infeasible) == len(set(infeasible)) > 0


def test_a_sampler_that_learns_is_not_asked_before_it_has_learned(engine: Engine) -> None:
    """Its trials stay without parameters until they are claimed."""
    create_sweep(engine, space=WIDE, sampler="tpe", n_trials=12)
    ask_ahead_of_claims(engine, Event(), set())
    with transaction(engine) as session:
        assert session.scalar(select(func.count()).where(Trial.params.is_not(None))) == 0


def test_a_learned_sampler_is_asked_while_the_cohort_trains(engine: Engine) -> None:
    """Once a hundred trials have ended, the next claim finds its parameters there; asking again adds none."""
    sweep = create_sweep(engine, space=WIDE, sampler={"name": "tpe", "n_ei_candidates": 2}, n_trials=200)
    worker = new_worker(engine)
    ended = 0
    while ended < 100:
        trials = assign_params(engine, setup_of(engine, sweep), claim(engine, worker, 64))
        finish(engine, sweep, worker, [success(trial.lease, 0.5) for trial in trials])
        ended += len(trials)
    claimed = assign_params(engine, setup_of(engine, sweep), claim(engine, worker, 20))
    for _ in range(2):
        if (ask := prepare_asking(engine, Event(), setup_of(engine, sweep), max_trials=64)) is not None:
            ask()
    waiting_trials = [trial for trial in trials_of(engine, sweep) if trial.state == TrialState.waiting and trial.params]
    assert len(waiting_trials) == min((ended + len(claimed)) // 2, 200 - ended - len(claimed))


def test_what_was_asked_ahead_takes_over_results_too(engine: Engine) -> None:
    """Where results are reused no configuration is trained twice, nor with further seeds, whenever it was drawn."""
    space = {"hidden_units": [4, 8], "activation": ["relu", "tanh"], "epochs": 1}
    sweep = create_sweep(engine, space=space, sampler="random", n_trials=14, repeats="reuse")
    worker = new_worker(engine)

    def train(max_trials: int) -> None:
        trials = assign_params(engine, setup_of(engine, sweep), claim(engine, worker, max_trials))
        finish(engine, sweep, worker, [success(trial.lease, 0.5) for trial in trials])

    train(1)
    ask_ahead_of_claims(engine, Event(), set())
    assert all(trial.params for trial in trials_of(engine, sweep))
    while any(trial.state == TrialState.waiting for trial in trials_of(engine, sweep)):
        train(8)
    trials = trials_of(engine, sweep)
    assert {(trial.state, trial.first_seed) for trial in trials} == {(TrialState.complete, 0)}
    assert sum(trial.reason is None for trial in trials) == len({trial.configuration for trial in trials}) == 4
