"""The queue against a real Postgres: who may write what, and when a trial changes hands."""

from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select, text

from app import queries, queue
from app.db.engine import transaction
from app.db.tables import LogEntry, Run, Trial
from app.domain.states import SweepState, TrialState
from app.queue import scoring
from app.queue.claims import ClaimedTrial
from app.queue.leases import MAX_ATTEMPTS, Lease
from app.search.assignment import Suggestion, apply_suggestions
from app.sweeps import deletion
from tests.support.queue_examples import (
    LEASE_SECONDS,
    at_once,
    change,
    choose,
    claim,
    count_epochs,
    create_grid,
    create_sweep,
    expire,
    finish,
    heartbeat,
    let_lapse,
    new_worker,
    record,
    runs_of,
    states,
    success,
    sweep_of,
    trials_of,
)

UPDATED_IN_PLACE = text("SELECT pg_stat_get_xact_tuples_hot_updated('trials'::regclass)")


def test_every_trial_is_claimed_once_by_many_claimers(engine: Engine) -> None:
    """Eight workers that claim at the same time, small bites until nothing waits, never hold the same trial."""
    for _ in range(3):
        create_sweep(engine, n_trials=40)
    workers = [new_worker(engine) for _ in range(8)]

    def greedily(worker: UUID) -> list[int]:
        taken_ids: list[int] = []
        while bite := claim(engine, worker, max_trials=3):
            taken_ids += [trial.lease.trial_id for trial in bite]
        return taken_ids

    taken_ids = [trial for ids in at_once([partial(greedily, worker) for worker in workers]) for trial in ids]
    taken_ids += greedily(workers[0])  # a claimer that finds a sweep just emptied gives up; its next call goes on
    assert len(taken_ids) == len(set(taken_ids)) == 120


def test_a_short_sweep_is_not_starved_by_a_long_one(engine: Engine) -> None:
    """Four trials that were queued behind a thousand are claimed next."""
    long = create_sweep(engine, n_trials=1000)
    worker = new_worker(engine)
    assert len(claim(engine, worker, max_trials=64)) == 64
    short = create_sweep(engine, n_trials=4)
    claimed = claim(engine, worker, max_trials=64)
    assert {trial.lease.trial_id for trial in claimed} == {trial.id for trial in trials_of(engine, short)}
    assert states(engine, long).count("running") == 64


def test_a_higher_priority_is_served_first(engine: Engine) -> None:
    """While a sweep of a higher priority has waiting trials, none of a lower one starts; then the others share."""
    low, high = create_sweep(engine, n_trials=2), create_sweep(engine, n_trials=3, priority=1)
    worker = new_worker(engine)
    claimed = [claim(engine, worker, max_trials=2) for _ in range(3)]
    owners = {trial.id: sweep for sweep in (low, high) for trial in trials_of(engine, sweep)}
    assert [[owners[trial.lease.trial_id] for trial in bite] for bite in claimed] == [[high, high], [high], [low, low]]


def test_sweeps_of_equal_priority_share_the_workers(engine: Engine) -> None:
    """Each claim goes to the sweep with the fewest running trials, whichever is longer."""
    first, second = create_sweep(engine, n_trials=100), create_sweep(engine, n_trials=10)
    worker = new_worker(engine)
    for _ in range(4):
        claim(engine, worker, max_trials=5)
    assert [states(engine, sweep).count("running") for sweep in (first, second)] == [10, 10]


def test_a_sampler_that_learns_is_asked_for_few_trials_at_once(engine: Engine) -> None:
    """TPE's first claim is no larger than its random start, however many trials wait."""
    create_sweep(engine, sampler={"name": "tpe", "n_startup_trials": 5}, n_trials=50)
    assert len(claim(engine, new_worker(engine))) == 5


def test_a_claim_starts_the_sweep_and_counts_the_attempt(engine: Engine) -> None:
    """The sweep runs from its first claim on, and each claimed trial says who holds it, how often and until when."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claimed = claim(engine, worker, max_trials=1)
    (trial,) = [trial for trial in trials_of(engine, sweep) if trial.state == TrialState.running]
    assert (trial.worker_id, trial.attempt, trial.lease_token) == (worker, 1, claimed[0].lease.token)
    assert trial.started_at is not None
    assert trial.lease_until is not None
    assert trial.lease_until > trial.started_at
    assert (sweep_of(engine, sweep).state, sweep_of(engine, sweep).started_at is None) == (SweepState.running, False)


def test_a_token_that_is_no_longer_the_trial_s_writes_nothing(engine: Engine) -> None:
    """Epochs, heartbeat, parameters and result of a former holder change nothing, and leave the trial out."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    held_trial, lost_trial = claim(engine, worker, max_trials=2)
    stale = Lease(lost_trial.lease.trial_id, uuid4())
    choose(engine, sweep, [held_trial, ClaimedTrial(stale, lost_trial.number, None, 1)])
    leases = [held_trial.lease, stale]
    assert record(engine, sweep, leases) == {held_trial.lease.trial_id}
    assert heartbeat(engine, worker, leases) == {held_trial.lease.trial_id}
    assert finish(engine, sweep, worker, [success(lease) for lease in leases]) == {held_trial.lease.trial_id}
    with transaction(engine) as session:
        queue.give_back(session, sweep, [stale])
        queue.fail_attempt(session, sweep, [stale], "no reason")
    after = trials_of(engine, sweep)[lost_trial.number]
    assert (after.state, after.params, after.epochs_done, after.attempt) == (TrialState.running, None, 0, 1)
    assert (count_epochs(engine), len(runs_of(engine, sweep))) == (1, 1)


def test_a_heartbeat_makes_the_leases_longer(engine: Engine) -> None:
    """A lease that was extended does not lapse."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    leases = [trial.lease for trial in claim(engine, worker, lease_seconds=1)]
    before = [trial.lease_until for trial in trials_of(engine, sweep)]
    assert len(heartbeat(engine, worker, leases)) == 4
    after = [trial.lease_until for trial in trials_of(engine, sweep)]
    assert all(old and new and new > old for old, new in zip(before, after, strict=True))


def test_a_record_extends_a_lease_of_which_more_than_a_tenth_has_passed(engine: Engine) -> None:
    """Before that the trial is written in place, and none of its indexes."""
    sweep, worker = create_sweep(engine, n_trials=2), new_worker(engine)
    leases = [trial.lease for trial in claim(engine, worker, lease_seconds=0.8 * LEASE_SECONDS)]
    ends = [[trial.lease_until for trial in trials_of(engine, sweep)]]
    for _ in range(2):
        assert len(record(engine, sweep, leases)) == 2
        ends.append([trial.lease_until for trial in trials_of(engine, sweep)])
    assert all(claimed and extended and extended > claimed for claimed, extended in zip(*ends[:2], strict=True))
    assert ends[1] == ends[2]
    with transaction(engine) as session:
        before = session.scalar(UPDATED_IN_PLACE) or 0
        queue.record(session, sweep, dict.fromkeys(leases, 2), [], LEASE_SECONDS)
        assert session.scalar(UPDATED_IN_PLACE) == before + 2


def test_a_lapsed_trial_goes_to_another_and_its_old_holder_writes_nothing(engine: Engine) -> None:
    """Once the lease has run out the trial is claimed again, its curve begins anew, and the first token is void."""
    sweep, slow, quick = create_sweep(engine, n_trials=1), new_worker(engine), new_worker(engine)
    (first,) = claim(engine, slow)
    choose(engine, sweep, [first])
    record(engine, sweep, [first.lease])
    let_lapse(engine, first.lease)
    expire(engine)
    (second,) = claim(engine, quick)
    assert (second.attempt, second.params) == (2, {"hidden_units": 1, "epochs": 2})
    assert second.lease.token != first.lease.token
    assert count_epochs(engine) == 0
    assert record(engine, sweep, [first.lease]) == set()
    assert finish(engine, sweep, slow, [success(first.lease, 0.1)]) == set()
    assert finish(engine, sweep, quick, [success(second.lease, 0.9)]) == {second.lease.trial_id}
    assert [run.value for run in runs_of(engine, sweep)] == [0.9]


def test_a_lapsed_lease_that_nobody_took_still_counts(engine: Engine) -> None:
    """A worker that was only late, and whose trial was not taken back, goes on with it."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    (trial,) = claim(engine, worker)
    let_lapse(engine, trial.lease)
    assert record(engine, sweep, [trial.lease]) == {trial.lease.trial_id}
    expire(engine)
    assert states(engine, sweep) == ["running"]


def test_three_lost_workers_fail_the_trial(engine: Engine) -> None:
    """A trial whose workers vanish each time fails with that reason, and with it the sweep that has no other."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    for attempt in range(MAX_ATTEMPTS):
        (trial,) = claim(engine, worker)
        assert trial.attempt == attempt + 1
        record(engine, sweep, [trial.lease])
        let_lapse(engine, trial.lease)
        expire(engine)
    (lost_trial,) = trials_of(engine, sweep)
    assert lost_trial.epochs_done == count_epochs(engine) == 1  # of its last attempt
    assert (lost_trial.state, lost_trial.error) == (TrialState.failed, "its worker was lost 3 times")
    assert sweep_of(engine, sweep).state == SweepState.failed
    assert claim(engine, worker) == []


def test_a_trial_that_lost_two_workers_is_trained_alone(engine: Engine) -> None:
    """The suspect takes no innocent trial down with it."""
    create_sweep(engine, n_trials=3)
    worker = new_worker(engine)
    for _ in range(2):
        leases = [trial.lease for trial in claim(engine, worker)]
        assert len(leases) == 3
        let_lapse(engine, *leases)
        expire(engine)
    assert [trial.attempt for trial in claim(engine, worker)] == [3]


def test_given_back_trials_keep_their_parameters_and_their_attempts(engine: Engine) -> None:
    """A worker that was asked to leave has not failed: the trial waits as if it had not been claimed."""
    sweep, worker = create_sweep(engine, n_trials=2), new_worker(engine)
    claimed = claim(engine, worker)
    choose(engine, sweep, claimed)
    with transaction(engine) as session:
        queue.give_back(session, sweep, [trial.lease for trial in claimed])
    for trial in trials_of(engine, sweep):
        assert (trial.state, trial.attempt, trial.epochs_done) == (TrialState.waiting, 0, 0)
        assert (trial.started_at, trial.lease_token, trial.lease_until) == (None, None, None)
    again = claim(engine, worker)
    assert [trial.params for trial in again] == [{"hidden_units": number + 1, "epochs": 2} for number in range(2)]
    assert [trial.attempt for trial in again] == [1, 1]


def test_dropped_trials_count_the_attempt_and_fail_with_the_reason(engine: Engine) -> None:
    """An error in training puts the trial back twice; the third one is its end, in the error's own words."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (trial,) = claim(engine, worker)
        assert trial.attempt == attempt
        with transaction(engine) as session:
            queue.fail_attempt(session, sweep, [trial.lease], "RuntimeError: out of memory")
        (dropped,) = trials_of(engine, sweep)
        assert dropped.error == ("RuntimeError: out of memory" if attempt == MAX_ATTEMPTS else None)
    assert dropped.state == TrialState.failed


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_trial_s_weights_are_kept(engine: Engine, direction: str) -> None:
    """Weights are written for a trial that is the best so far; after the scoring only those of the best are left."""
    values = [0.2, 0.5, 0.4, 0.7] if direction == "maximize" else [0.7, 0.4, 0.5, 0.2]
    objective = {"metric": "val_accuracy" if direction == "maximize" else "val_loss", "direction": direction}
    sweep, worker = create_grid(engine, 1, 2, 3, 4, objective=objective), new_worker(engine)
    for trial, value in zip(claim(engine, worker), values, strict=True):
        finish(engine, sweep, worker, [success(trial.lease, value)])
    with transaction(engine) as session:
        unscored = scoring.next_unscored(session)
        assert unscored is not None
        best_id = trials_of(engine, sweep)[3].id
        assert (unscored.trial_id, unscored.seeds) == (best_id, [0])
        assert scoring.load_weights(session, best_id, 0) == str(best_id).encode()
        scoring.write(session, unscored, {seed: {"test_accuracy": 0.625} for seed in unscored.seeds})
    with transaction(engine) as session:
        assert scoring.next_unscored(session) is None
        best = queries.summary(session, sweep).best
        assert best is not None
        assert best.test_accuracy == 0.625
        assert best.test_looks == 1
        (look,) = queries.summary(session, sweep).test_scores
        assert (look.number, look.runs, look.test_accuracy) == (3, 1, 0.625)
        assert look.at is not None
        with_weights = select(func.count()).select_from(Trial).join(Run).where(Run.weights.is_not(None))
        assert session.scalars(with_weights).one() == 1


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({0: {"test_mae": 40.0}, 1: {"test_mae": 42.0, "test_r2": 0.5}}, "R² not defined, mean absolute error 41.00"),
        ({0: {}, 1: {"test_mae": 42.0, "test_r2": 0.5}}, "no finite number"),
    ],
)
def test_what_is_not_finite_in_a_run_has_no_mean(engine: Engine, scores: dict[int, scoring.Scores], words: str) -> None:
    """The sweep is scored all the same, and its log says so."""
    sweep, worker = create_grid(engine, 4, dataset="diabetes"), new_worker(engine)
    finish(engine, sweep, worker, [success(claim(engine, worker)[0].lease, 0.5)])
    with transaction(engine) as session:
        unscored = scoring.next_unscored(session)
        assert unscored is not None
        scoring.write(session, unscored, scores)
    with transaction(engine) as session:
        (look,) = queries.summary(session, sweep).test_scores
        assert look.test_r2 is None
        log = session.scalars(select(LogEntry.text).where(LogEntry.sweep_id == sweep)).all()
        assert words in " ".join(log)


def test_a_result_that_is_sent_again_after_an_unknown_commit_is_harmless(engine: Engine) -> None:
    """A worker that never heard whether its result was stored may send it again: it is stored once."""
    sweep, worker = create_grid(engine, 4), new_worker(engine)
    (trial,) = claim(engine, worker)
    for accepted in ({trial.lease.trial_id}, set()):
        record(engine, sweep, [trial.lease])
        assert finish(engine, sweep, worker, [success(trial.lease)]) == accepted
    assert (len(runs_of(engine, sweep)), count_epochs(engine)) == (1, 1)
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_epochs_that_are_sent_again_are_written_once(engine: Engine) -> None:
    """The same point of a curve twice is one row."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    (trial,) = claim(engine, worker)
    for _ in range(2):
        assert record(engine, sweep, [trial.lease]) == {trial.lease.trial_id}
    assert count_epochs(engine) == 1


def test_a_worker_s_writes_to_a_deleted_sweep_are_refused_quietly(engine: Engine) -> None:
    """Cancelled and deleted under the worker's hands: every write answers that nothing is held, none raises."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claimed = claim(engine, worker)
    leases = [trial.lease for trial in claimed]
    change(engine, sweep, "cancel")
    with transaction(engine) as session:
        deletion.delete(session, sweep)
    with transaction(engine) as session:
        apply_suggestions(
            session, sweep, [Suggestion(lease.trial_id, lease.token, {"hidden_units": 1}) for lease in leases]
        )
        queue.give_back(session, sweep, leases)
        queue.fail_attempt(session, sweep, leases, "an error")
    assert record(engine, sweep, leases) == set()
    assert heartbeat(engine, worker, leases) == set()
    assert finish(engine, sweep, worker, [success(lease) for lease in leases]) == set()
