"""Shares of a sweep by cost of its trials and speed of its workers, and trials left to workers with more memory."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, text

from app import queue
from app.db.engine import transaction
from app.db.tables import LogEntry, Trial, Worker
from app.domain.people.log_events import LogEvent
from app.domain.states import WorkerState
from app.queue import retraining
from app.queue.leases import TooLargeTrial
from tests.support.queue_examples import (
    LEASE_SECONDS,
    claim,
    complete,
    create_grid,
    create_sweep,
    new_worker,
    states,
    trials_of,
)


def worker_of_speed(engine: Engine, speed: float | None, device: str = "cpu", host: str | None = None) -> UUID:
    """A worker that was measured, on a machine of its own."""
    worker = new_worker(engine, host or str(uuid4()), device)
    with transaction(engine) as session:
        queue.heartbeat(session, worker, [], LEASE_SECONDS, speed=speed)
    return worker


def widths(engine: Engine, worker: UUID) -> list[int]:
    """What the worker claims next."""
    return sorted((trial.params or {})["hidden_units"] for trial in claim(engine, worker))


def leave(engine: Engine, sweep: int, worker: UUID, memory: int) -> None:
    """The worker claims a trial, and has too little memory for it."""
    (trial,) = claim(engine, worker, max_trials=1)
    with transaction(engine) as session:
        queue.leave_to_larger(session, sweep, worker, [TooLargeTrial(trial.lease, memory, "too large")])


def let_vanish(engine: Engine, worker: UUID) -> None:
    """Nothing was heard of the worker for eleven minutes."""
    with transaction(engine) as session:
        long_ago = "UPDATE workers SET last_seen = clock_timestamp() - interval '11 minutes' WHERE id = :id"
        session.execute(text(long_ago), {"id": worker})


def test_workers_share_a_sweep_by_what_its_trials_cost(engine: Engine) -> None:
    """Of two workers one takes the widest model and the other the many narrow ones, not half of the trials each."""
    sweep = create_grid(engine, *range(1, 17), 1600)
    first, second = new_worker(engine), new_worker(engine)
    assert widths(engine, first) == [1600]
    assert len(widths(engine, second)) == 16
    assert states(engine, sweep) == ["running"] * 17


def test_a_trial_is_left_of_which_more_than_half_lies_beyond_the_share(engine: Engine) -> None:
    """Of two workers, one takes one of two wide models and not a part of the other; what is little is not left."""
    create_grid(engine, *range(1, 5), 800, 1600)
    workers = [new_worker(engine), new_worker(engine)]
    assert [widths(engine, worker) for worker in workers] == [[1600], [1, 2, 3, 4, 800]]


@pytest.mark.parametrize(("sweeps", "trials"), [(1, 5), (2, 10), (8, 20)])
def test_workers_share_a_sweep_with_those_that_fall_on_it(engine: Engine, sweeps: int, trials: int) -> None:
    """Of forty trials eight workers take an eighth each of the only sweep, a half each where all have their own."""
    workers = [new_worker(engine) for _ in range(8)]
    for _ in range(sweeps):
        create_sweep(engine, n_trials=40)
    assert len(claim(engine, workers[0])) == trials


def test_many_workers_of_a_large_sweep_take_whole_cohorts(engine: Engine) -> None:
    """However many share it: as long as enough waits for all, none is given less than it can take."""
    create_sweep(engine, n_trials=8_000)
    worker = new_worker(engine)
    with transaction(engine) as session:
        session.execute(
            text("""
            INSERT INTO workers (id, host, pid, device, threads, memory)
            SELECT gen_random_uuid(), 'there', n, 'cpu', 1, 1 FROM generate_series(1, 99) AS n
        """)
        )
    assert len(claim(engine, worker, max_trials=64)) == 64


def test_a_lone_card_takes_as_many_as_it_may(engine: Engine) -> None:
    """All that waits is its share: its claim is as large as a claim of a GPU can be."""
    create_sweep(engine, n_trials=1_200)
    worker = new_worker(engine, device="NVIDIA H200")
    most = queue.MAX_CLAIMED_TRIALS["cuda"]
    assert [len(claim(engine, worker, most)) for _ in range(3)] == [most, most, 1_200 - 2 * most]


@pytest.mark.parametrize(("workers", "trials"), [(1, 1_200), (2, 600)])
def test_what_is_compared_after_one_epoch_is_claimed_together(engine: Engine, workers: int, trials: int) -> None:
    """However many a worker takes of other sweeps: all, or what falls on it."""
    create_sweep(engine, n_trials=1_200, pruner={"name": "one_epoch", "keep": 10})
    first, *_ = [new_worker(engine) for _ in range(workers)]
    assert len(claim(engine, first, queue.MAX_CLAIMED_TRIALS["cpu"])) == trials


def test_a_worker_that_is_silent_or_stopped_gets_no_share(engine: Engine) -> None:
    """With the only other worker signed off, the whole sweep is one worker's."""
    create_sweep(engine, n_trials=10)
    worker, other_worker = new_worker(engine), new_worker(engine)
    with transaction(engine) as session:
        queue.set_worker_state(session, other_worker, WorkerState.stopped)
    assert len(claim(engine, worker)) == 10


@pytest.mark.parametrize(
    ("speeds", "shares"),
    [
        ([1.0, 10.0], [4, 40]),
        ([None, None], [22, 22]),
        ([1.0, 1.4], [22, 22]),  # two measurements are never equal
        ([1.0, 3.0], [11, 33]),
        ([None, 10.0], [22, 22]),  # as quick as the others with such a device
        ([0.0, 10.0], [22, 22]),  # which is no speed
    ],
)
def test_who_is_quicker_takes_more(engine: Engine, speeds: list[float | None], shares: list[int]) -> None:
    """As many times more as its speed says, where that is worth a difference."""
    workers = [worker_of_speed(engine, speed) for speed in speeds]
    create_sweep(engine, n_trials=44)
    assert [len(claim(engine, worker)) for worker in workers] == shares


@pytest.mark.parametrize(("device", "host"), [("NVIDIA H200", None), ("cpu", "here")])
def test_like_devices_share_equally(engine: Engine, device: str, host: str | None) -> None:
    """However quick each was with what it trained: who has a small share is slow because of that."""
    workers = [worker_of_speed(engine, speed, device, host) for speed in (10.0, 100.0)]
    create_sweep(engine, n_trials=44)
    assert [len(claim(engine, worker)) for worker in workers] == [22, 22]


def test_who_was_not_measured_counts_as_its_like(engine: Engine) -> None:
    """A second card is as quick as the first one, and not as the processor."""
    worker_of_speed(engine, 1.0)
    worker_of_speed(engine, 10.0, "NVIDIA H200")
    card = worker_of_speed(engine, None, "NVIDIA H200")
    create_sweep(engine, n_trials=42)
    assert len(claim(engine, card)) == 20


def test_who_can_not_be_told_tries_a_part(engine: Engine) -> None:
    """Where devices differ, a worker like none that was measured takes a quarter of what it would, until it is."""
    processor, card = worker_of_speed(engine, 1.0), worker_of_speed(engine, None, "NVIDIA H200")
    create_sweep(engine, n_trials=40)
    assert len(claim(engine, card)) == 5
    assert len(claim(engine, card, max_trials=8)) == 2
    with transaction(engine) as session:
        queue.heartbeat(session, card, [], LEASE_SECONDS, speed=9.0)
    assert (len(claim(engine, card)), len(claim(engine, processor))) == (33, 0)


def test_who_is_drained_or_silent_has_no_share(engine: Engine) -> None:
    """However quick it was."""
    slow = worker_of_speed(engine, 1.0)
    drained, stopped = worker_of_speed(engine, 10.0), worker_of_speed(engine, 10.0)
    with transaction(engine) as session:
        session.get_one(Worker, drained).draining = True
        queue.set_worker_state(session, stopped, WorkerState.stopped)
    create_sweep(engine, n_trials=10)
    assert len(claim(engine, slow)) == 10


def test_a_slow_worker_leaves_what_is_expensive_to_a_quick_one(engine: Engine) -> None:
    """It takes what fits into its share, else the cheapest; the quick one takes the most expensive, as always."""
    slow, quick = worker_of_speed(engine, 1.0), worker_of_speed(engine, 10.0)
    create_grid(engine, 4000, 200, 180, 120)
    assert widths(engine, slow) == [180, 200]
    assert widths(engine, quick) == [120, 4000]


def test_the_cheapest_is_taken_where_nothing_fits(engine: Engine) -> None:
    """No worker is idle while something waits, and what a user asked for comes first all the same."""
    slow = worker_of_speed(engine, 1.0)
    worker_of_speed(engine, 100.0)
    sweep = create_grid(engine, 400, 300, 200)
    assert widths(engine, slow) == [200]
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET enqueued = true WHERE number = 0 AND sweep_id = :id"), {"id": sweep})
    assert widths(engine, slow) == [400]


def test_what_is_too_large_waits_for_a_larger_worker(engine: Engine) -> None:
    """Its attempt is not lost, smaller ones take other trials and other sweeps, and the larger one takes it."""
    small, large = new_worker(engine, memory=10**9), new_worker(engine, memory=8 * 10**9)
    sweep = create_grid(engine, 400, 20)
    leave(engine, sweep, small, memory=3 * 10**9)
    assert widths(engine, small) == [20]
    assert claim(engine, small) == []
    trial = trials_of(engine, sweep)[0]
    assert (trial.attempt, trial.history, trial.least_memory) == (0, [], 3 * 10**9)
    assert widths(engine, large) == [400]


def test_what_is_too_large_waits_while_the_larger_worker_is_started_again(engine: Engine) -> None:
    """Or drained; once it was not heard of for ten minutes, others try."""
    small, large = new_worker(engine, memory=10**9), new_worker(engine, memory=8 * 10**9)
    sweep = create_grid(engine, 400)
    leave(engine, sweep, small, memory=3 * 10**9)
    with transaction(engine) as session:
        queue.set_draining(session, large, draining=True)
    assert claim(engine, small) == []
    with transaction(engine) as session:
        queue.set_worker_state(session, large, WorkerState.stopped)
    assert claim(engine, small) == []
    let_vanish(engine, large)
    leave(engine, sweep, small, memory=3 * 10**9)
    assert trials_of(engine, sweep)[0].history[0]["reason"] == "too large"


def test_a_model_is_trained_again_where_it_fits(engine: Engine) -> None:
    """Its trial was too large for the small worker."""
    small, large = new_worker(engine, memory=10**9), new_worker(engine, memory=8 * 10**9)
    sweep = create_grid(engine, 400)
    leave(engine, sweep, small, memory=3 * 10**9)
    complete(engine, sweep, large, claim(engine, large))
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET weights = NULL"))
        retraining.request(session, session.get_one(Trial, trials_of(engine, sweep)[0].id))
    with transaction(engine) as session:
        assert retraining.claim(session, small, LEASE_SECONDS) is None
        assert retraining.claim(session, large, LEASE_SECONDS) is not None


def test_what_is_too_large_for_all_fails_with_its_size(engine: Engine) -> None:
    """A worker with another device than the sweep asks for is none to leave it to; nor one long gone."""
    small, large = new_worker(engine, memory=10**9), new_worker(engine, memory=8 * 10**9)
    card = new_worker(engine, device="NVIDIA H200", memory=10**12)
    sweep = create_grid(engine, 400, device="cpu")
    leave(engine, sweep, small, memory=3 * 10**9)
    assert claim(engine, card) == []
    for _ in range(3):
        leave(engine, sweep, large, memory=9 * 10**9)
    assert states(engine, sweep) == ["failed"]
    assert trials_of(engine, sweep)[0].error == "too large"
    other = create_grid(engine, 400)
    leave(engine, other, large, memory=10**11)
    let_vanish(engine, card)
    trials = claim(engine, small)
    complete(engine, other, small, trials)
    assert states(engine, other) == ["complete"]


def test_a_worker_of_the_same_size_is_no_larger_one(engine: Engine) -> None:
    """Where memory was lacking although it should not, one with a little more would lack it too."""
    small, like_it = (new_worker(engine, memory=memory) for memory in (10**9, 10**9 + 10**7))
    sweep = create_grid(engine, 400)
    leave(engine, sweep, small, memory=10**6)
    assert (trials_of(engine, sweep)[0].history[0]["reason"], len(claim(engine, like_it))) == ("too large", 1)


def test_many_that_are_too_large_are_logged_once(engine: Engine) -> None:
    """A line for each reason."""
    worker = new_worker(engine)
    sweep = create_grid(engine, 400, 300, 200)
    trials = claim(engine, worker)
    reasons = ["too large", "larger", "too large"]
    too_large = [TooLargeTrial(trial.lease, 2**50, reason) for trial, reason in zip(trials, reasons, strict=True)]
    with transaction(engine) as session:
        queue.leave_to_larger(session, sweep, worker, too_large)
    with transaction(engine) as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.event == LogEvent.failed_attempt))
        assert sorted(entry.trials for entry in entries) == [[0, 2], [1]]
