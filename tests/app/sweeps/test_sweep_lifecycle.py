"""What pause, stop, cancel and delete do to the trials of a sweep, and how a sweep ends."""

from itertools import pairwise

import pytest
from sqlalchemy import Engine, text

from app import queue
from app.db.engine import transaction
from app.domain.states import SweepState
from app.errors import ConflictError
from app.schemas import SweepCreate
from app.sweeps import creation, deletion
from tests.support.queue_examples import (
    BODY,
    at_once,
    change,
    claim,
    complete,
    count_epochs,
    create_grid,
    create_sweep,
    expire,
    failure,
    finish,
    heartbeat,
    let_lapse,
    new_worker,
    record,
    states,
    success,
    sweep_of,
    trials_of,
)


def test_cancel_ends_running_trials_at_their_next_write(engine: Engine) -> None:
    """After a cancel no write of the worker is accepted, and what ran and waited is cancelled."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claimed = claim(engine, worker, max_trials=2)
    leases = [trial.lease for trial in claimed]
    assert change(engine, sweep, "cancel") == SweepState.cancelled
    assert states(engine, sweep) == ["cancelled"] * 4
    assert record(engine, sweep, leases) == set()
    assert heartbeat(engine, worker, leases) == set()
    assert finish(engine, sweep, worker, [success(lease) for lease in leases]) == set()
    assert count_epochs(engine) == 0
    assert claim(engine, worker) == []


def test_stop_lets_running_trials_finish_and_then_completes(engine: Engine) -> None:
    """Waiting trials are cancelled at once, the running one is still written, and then the sweep is done."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    (running,) = claim(engine, worker, max_trials=1)
    assert change(engine, sweep, "stop") == SweepState.stopping
    assert sorted(states(engine, sweep)) == ["cancelled", "cancelled", "cancelled", "running"]
    assert claim(engine, worker) == []
    assert complete(engine, sweep, worker, [running]) == {running.lease.trial_id}
    assert sweep_of(engine, sweep).state == SweepState.completed
    assert sweep_of(engine, sweep).finished_at is not None


@pytest.mark.parametrize("end", ["give back", "drop", "lapse"])
def test_a_trial_that_comes_back_to_a_stopping_sweep_is_cancelled(engine: Engine, end: str) -> None:
    """Nothing new starts in a sweep that stops, so a trial whose worker left ends with it."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    (trial,) = claim(engine, worker)
    change(engine, sweep, "stop")
    if end == "lapse":
        let_lapse(engine, trial.lease)
    with transaction(engine) as session:
        if end == "give back":
            queue.give_back(session, sweep, [trial.lease])
        elif end == "drop":
            queue.fail_attempt(session, sweep, [trial.lease], "an error")
        else:
            queue.expire(session)
    assert states(engine, sweep) == ["cancelled"]
    assert sweep_of(engine, sweep).state == SweepState.cancelled


def test_a_paused_sweep_starts_nothing_until_it_is_resumed(engine: Engine) -> None:
    """Running trials of a paused sweep go on and finish; waiting ones wait for the resume."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    (running,) = claim(engine, worker, max_trials=1)
    assert change(engine, sweep, "pause") == SweepState.paused
    assert claim(engine, worker) == []
    assert complete(engine, sweep, worker, [running]) == {running.lease.trial_id}
    assert sweep_of(engine, sweep).state == SweepState.paused
    assert change(engine, sweep, "resume") == SweepState.running
    assert len(claim(engine, worker)) == 3


def test_a_sweep_that_is_paused_with_its_last_trials_running_completes(engine: Engine) -> None:
    """With nothing left to start, a paused sweep ends when its running trials do."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    claimed = claim(engine, worker)
    change(engine, sweep, "pause")
    complete(engine, sweep, worker, claimed)
    assert sweep_of(engine, sweep).state == SweepState.completed


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("ok ok", SweepState.completed),
        ("ok failed", SweepState.completed),
        ("failed failed", SweepState.failed),
        ("failed cancelled", SweepState.failed),
        ("ok cancelled", SweepState.completed),
    ],
)
def test_a_sweep_ends_as_its_trials_did(engine: Engine, outcomes: str, state: SweepState) -> None:
    """Completed if any trial has a value, else failed if any failed."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    claimed = claim(engine, worker, max_trials=2 - outcomes.count("cancelled"))
    if "cancelled" in outcomes:
        change(engine, sweep, "stop")
    pairs = zip(claimed, outcomes.split(), strict=False)
    finish(engine, sweep, worker, [success(t.lease) if word == "ok" else failure(t.lease) for t, word in pairs])
    assert sweep_of(engine, sweep).state == state


def test_a_sweep_with_running_trials_is_not_deleted(engine: Engine) -> None:
    """Running, stopping, or paused while trials run: a conflict, and nothing is gone."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    claim(engine, worker, max_trials=1)
    for call in ("pause", "resume", "stop"):
        change(engine, sweep, call)
        with pytest.raises(ConflictError), transaction(engine) as session:
            deletion.delete(session, sweep)
    assert len(trials_of(engine, sweep)) == 4


def test_one_idempotency_key_posted_many_times_at_once_is_one_sweep(engine: Engine) -> None:
    """Clients that try again while the first call is still on its way all get the same sweep."""
    body = SweepCreate.model_validate(BODY)

    def post() -> int:
        with transaction(engine) as session:
            return creation.create(session, body, "the same key").id

    assert len(set(at_once([post] * 8))) == 1


def test_an_idempotency_key_is_the_name_of_no_other_lock(engine: Engine) -> None:
    """A client may choose it so: expiry goes on while such a post is under way."""
    with transaction(engine) as posting:
        creation.create(posting, SweepCreate.model_validate(BODY), "lapsed leases")
        with transaction(engine) as session:
            lock = text("SELECT pg_try_advisory_xact_lock(hashtextextended('lapsed leases', 0))")
            assert session.scalars(lock).one()


def test_the_revision_grows_with_every_change(engine: Engine) -> None:
    """Claim, epochs, result, pause, give back and expiry are each seen by a reader that compares revisions."""
    sweep, worker = create_sweep(engine), new_worker(engine)
    revisions = [sweep_of(engine, sweep).revision]

    def changed(_: object) -> None:
        revisions.append(sweep_of(engine, sweep).revision)

    claimed = claim(engine, worker, max_trials=3)
    changed(claimed)
    changed(record(engine, sweep, [trial.lease for trial in claimed]))
    changed(complete(engine, sweep, worker, claimed[:1]))
    changed(change(engine, sweep, "pause"))
    changed(change(engine, sweep, "resume"))
    with transaction(engine) as session:
        queue.give_back(session, sweep, [claimed[1].lease])
    changed("given back")
    let_lapse(engine, claimed[2].lease)
    expire(engine)
    changed("expired")
    changed(change(engine, sweep, "cancel"))
    assert all(later > earlier for earlier, later in pairwise(revisions))
