"""A space that holds nothing more to try ends the search, and nothing that has parameters."""

from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from app.db.engine import transaction
from app.db.tables import LogEntry, Trial
from app.domain.people.log_events import LogEvent
from app.domain.states import SweepState, TrialState
from app.lifecycle import sweep_row
from app.lifecycle.rungs import STOPPED
from app.queue.claims import MAX_CLAIMED_TRIALS, ClaimedTrial
from app.queue.progress import TrialResult
from app.schemas import SweepPatch
from app.search.assignment import assign_params
from app.sweeps import changes, trial_actions
from tests.support.queue_examples import (
    HALVING,
    claim,
    create_sweep,
    finish,
    new_worker,
    reach_rung,
    setup_of,
    states,
    success,
    sweep_of,
    trials_of,
)

FOUR = {"hidden_units": [4, 8], "activation": ["relu", "tanh"], "epochs": 1}
REASON = "every configuration of the space has been tried"


def width(trial: ClaimedTrial | Trial) -> int:
    return int((trial.params or {})["hidden_units"])


def filled(engine: Engine, sweep: int, trials: list[ClaimedTrial]) -> list[ClaimedTrial]:
    return assign_params(engine, setup_of(engine, sweep), trials)


def ended(trial: ClaimedTrial) -> TrialResult:
    """Its value is a tenth of its width."""
    return success(trial.lease, width(trial) / 10)


def train_rest(engine: Engine, sweep: int, worker: UUID) -> None:
    while claimed := claim(engine, worker):
        finish(engine, sweep, worker, [ended(trial) for trial in filled(engine, sweep, claimed)])


def in_state(engine: Engine, sweep: int, state: TrialState) -> list[Trial]:
    return [trial for trial in trials_of(engine, sweep) if trial.state == state]


def log_texts(engine: Engine, sweep: int) -> list[str]:
    """What the sweep's log says of what has stopped it."""
    with transaction(engine) as session:
        texts = select(LogEntry.text).where(LogEntry.sweep_id == sweep, LogEntry.event == LogEvent.stop_rule)
        return list(session.scalars(texts))


def test_trials_at_rungs_go_on(engine: Engine) -> None:
    """Six of nine trials have all configurations: four of them wait at a rung, and two were promoted."""
    space = {"hidden_units": [2, 3, 4, 5, 6, 7], "epochs": 9}
    sweep = create_sweep(engine, space=space, n_trials=9, repeats="forbid", pruner=HALVING)
    worker, quality = new_worker(engine), {number: number / 10 for number in range(9)}
    reach_rung(engine, sweep, filled(engine, sweep, claim(engine, worker, 6)), quality)
    new_trials = claim(engine, worker, MAX_CLAIMED_TRIALS["cuda"])  # two promoted ones are no company for a GPU
    assert [(trial.epochs_trained, trial.params) for trial in new_trials] == [(0, None)] * 3
    assert filled(engine, sweep, new_trials) == []
    assert Counter(states(engine, sweep)) == {"waiting": 6, "cancelled": 3}
    assert (sweep_of(engine, sweep).state, sweep_of(engine, sweep).stop_reason) == (SweepState.running, REASON)
    while claimed := claim(engine, worker):
        if claimed[0].rung_epoch is None:
            finish(engine, sweep, worker, [success(trial.lease, quality[trial.number]) for trial in claimed])
        else:
            reach_rung(engine, sweep, claimed, quality)
    assert states(engine, sweep) == ["pruned"] * 5 + ["complete"] + ["cancelled"] * 3
    assert [trial.value for trial in trials_of(engine, sweep)[:6]] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert {trial.reason for trial in in_state(engine, sweep, TrialState.pruned)}.isdisjoint({STOPPED, None})
    assert (sweep_of(engine, sweep).state, sweep_of(engine, sweep).stop_reason) == (SweepState.completed, REASON)
    assert log_texts(engine, sweep) == [f"No further trials: {REASON}"]


def test_survivors_get_their_seeds(engine: Engine) -> None:
    """What is queued of them is trained, and the final round comes: of seven configurations the best three."""
    body = {"space": {"hidden_units": [1, 2, 3, 4, 5, 6, 7], "epochs": 1}, "seeds": {"first": 1, "survivors": 3}}
    sweep = create_sweep(engine, **body, n_trials=12, repeats="forbid")
    worker = new_worker(engine)
    first_trials = filled(engine, sweep, claim(engine, worker, 7))
    rest = claim(engine, new_worker(engine))
    assert {trial.params is None for trial in rest} == {True}
    finish(engine, sweep, worker, [ended(trial) for trial in first_trials])
    assert [(trial.state, width(trial)) for trial in trials_of(engine, sweep) if trial.is_survivor] == [
        *[(TrialState.waiting, 7)] * 2,
        *[(TrialState.waiting, 6)] * 2,
    ]
    assert filled(engine, sweep, rest) == []
    assert len(in_state(engine, sweep, TrialState.waiting)) == 6
    train_rest(engine, sweep, worker)
    complete = Counter(width(trial) for trial in in_state(engine, sweep, TrialState.complete))
    assert complete == {1: 1, 2: 1, 3: 1, 4: 1, 5: 3, 6: 3, 7: 3}
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_what_was_queued_by_hand_is_trained(engine: Engine) -> None:
    """And as trials are added in a wider space, the sweep says no longer that it holds nothing more."""
    sweep, worker = create_sweep(engine, space=FOUR, n_trials=6, repeats="forbid"), new_worker(engine)
    claimed = claim(engine, worker, 6)
    with transaction(engine) as session:
        own = trial_actions.enqueue(session, sweep, {"hidden_units": 8, "activation": "tanh"}).number
    trials = filled(engine, sweep, claimed)
    assert (len(trials), states(engine, sweep).count("cancelled")) == (3, 3)
    assert trials_of(engine, sweep)[own].state == TrialState.waiting
    with transaction(engine) as session:
        changes.change(session, sweep, SweepPatch(n_trials=8, space=FOUR | {"hidden_units": [4, 8, 16]}))
    assert sweep_of(engine, sweep).stop_reason is None
    finish(engine, sweep, worker, [ended(trial) for trial in trials])
    train_rest(engine, sweep, worker)
    assert Counter(states(engine, sweep)) == {"complete": 5, "cancelled": 3}


def test_a_sweep_that_stops_says_why_it_was_stopped(engine: Engine) -> None:
    """And nothing of its space; the trials that were to get parameters are cancelled all the same."""
    sweep, worker = create_sweep(engine, space=FOUR, n_trials=6, repeats="forbid"), new_worker(engine)
    claimed = claim(engine, worker, 6)
    with transaction(engine) as session:
        sweep_row.change_state(session, sweep, "stop")
    trials = filled(engine, sweep, claimed)
    assert Counter(states(engine, sweep)) == {"running": 4, "cancelled": 2}
    assert (sweep_of(engine, sweep).stop_reason, log_texts(engine, sweep)) == (None, [])
    finish(engine, sweep, worker, [ended(trial) for trial in trials])
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_it_is_said_once(engine: Engine) -> None:
    """Whoever finds it first: the other worker's trials are cancelled, and the log has one entry."""
    sweep = create_sweep(engine, space=FOUR, n_trials=12, repeats="forbid")
    workers = [new_worker(engine), new_worker(engine)]
    claims = [claim(engine, worker, 6) for worker in workers]
    trials = [filled(engine, sweep, claimed) for claimed in claims]
    assert [len(filled_trials) for filled_trials in trials] == [4, 0]
    finish(engine, sweep, workers[0], [ended(trial) for trial in trials[0]])
    assert Counter(states(engine, sweep)) == {"complete": 4, "cancelled": 8}
    assert log_texts(engine, sweep) == [f"No further trials: {REASON}"]
