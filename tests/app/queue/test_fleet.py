"""The queue under many workers: who waits for whom, how long a sweep is held, and who is woken."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from threading import Event, Thread

import psycopg
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from app import queue
from app.db.engine import connect, transaction
from app.db.notifications import CHANNEL, WORK_CHANNEL
from app.domain.states import SweepState
from app.lifecycle import stop_rules, sweep_row
from app.lifecycle.sweep_row import TURN_SQL
from app.queue import UnclaimableError, picking
from tests.support.queue_examples import (
    LEASE_SECONDS,
    claim,
    count_epochs,
    create_grid,
    create_sweep,
    expire,
    finish,
    let_lapse,
    new_worker,
    record,
    states,
    success,
    sweep_of,
    trials_of,
)
from tests.support.waiting import wait_until

ADVISORY_WAITS = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


@contextmanager
def open_claim(engine: Engine) -> Iterator[int]:
    """Another worker that is in the middle of a claim of one trial; gives the id of the sweep."""
    worker = new_worker(engine)
    with transaction(engine) as session:
        claimed = queue.claim(session, worker, 1, LEASE_SECONDS)
        assert claimed is not None
        yield claimed[0].id


@contextmanager
def statements_under_lock(engine: Engine) -> Iterator[list[str]]:
    """What is sent to the database once a sweep's row is locked, until the end of the transaction."""
    sent: list[str] = []
    locks = Event()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if locks.is_set():
            sent.append(statement)
        if "FOR UPDATE" in statement and "sweeps" in statement:
            locks.set()

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@contextmanager
def lock_timeouts(engine: Engine) -> Iterator[list[str]]:
    """The errors of statements that waited in vain."""
    errors: list[str] = []

    def note(context: object) -> None:
        errors.append(str(getattr(context, "original_exception", "")))

    event.listen(engine, "handle_error", note)
    yield errors
    event.remove(engine, "handle_error", note)


def heard(engine: Engine, channel: str, act: Callable[[], object]) -> bool:
    """Whether whoever listens on the channel is told of what is done."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"LISTEN {channel}".encode())
        act()
        connection.execute(f"NOTIFY {channel}, 'last'".encode())
        return next(connection.notifies()).payload != "last"


def test_workers_that_come_at_once_spread_over_the_sweeps(engine: Engine) -> None:
    """The best sweep is being claimed from: the next worker takes the other one, and waits for nothing."""
    sweeps = {create_sweep(engine, n_trials=4), create_sweep(engine, n_trials=4)}
    worker = new_worker(engine)
    with open_claim(engine) as first, lock_timeouts(engine) as errors:
        claim(engine, worker, 1)
    (second,) = sweeps - {first}
    assert states(engine, second).count("running") == 1
    assert errors == []


def test_a_lower_priority_does_not_go_first_because_others_claim(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only sweep of the highest priority is being claimed from: the next worker waits for its turn there."""
    monkeypatch.setattr(picking, "TURN_WAIT", "60s")
    create_sweep(engine, n_trials=4)
    preferred = create_sweep(engine, n_trials=4, priority=1)
    worker = new_worker(engine)
    thread = Thread(target=partial(claim, engine, worker, 1))
    with open_claim(engine) as first, engine.connect() as connection:
        assert first == preferred
        thread.start()
        wait_until(lambda: connection.scalar(ADVISORY_WAITS))
    thread.join(30)
    assert states(engine, preferred).count("running") == 2


def test_a_sweep_is_held_for_few_statements(engine: Engine) -> None:
    """All other workers of the sweep wait for each of them: two of a claim, four of results, none of a record."""
    sweep, worker = create_grid(engine, *range(1, 9)), new_worker(engine)
    with statements_under_lock(engine) as sent:
        trials = claim(engine, worker, 4)
    assert len(sent) <= 2, sent
    leases = [trial.lease for trial in trials]
    with statements_under_lock(engine) as sent:
        record(engine, sweep, leases)
    assert sent == []
    finish(engine, sweep, worker, [success(leases[0], 0.9)])
    with statements_under_lock(engine) as sent:
        finish(engine, sweep, worker, [success(lease) for lease in leases[1:]])
    assert len(sent) <= 4, sent


def test_a_record_that_waited_for_its_turn_writes_all(engine: Engine) -> None:
    """Meanwhile the sweep and its trial were changed by whoever had the turn: nothing of either is lost."""
    sweep, worker = create_grid(engine, 1), new_worker(engine)
    (trial,) = claim(engine, worker)
    before = sweep_of(engine, sweep).revision
    with ThreadPoolExecutor(1) as pool, engine.connect() as connection:
        with transaction(engine) as session:
            sweep_row.get(session, sweep, lock=True)
            session.execute(text("UPDATE trials SET lease_until = lease_until + interval '1 s'"))
            sweep_row.mark_changed(session, sweep)
            late = pool.submit(record, engine, sweep, [trial.lease])
            wait_until(lambda: connection.scalar(ADVISORY_WAITS))
        assert late.result(60) == {trial.lease.trial_id}
    assert sweep_of(engine, sweep).revision == before + 2
    assert (trials_of(engine, sweep)[0].epochs_done, count_epochs(engine)) == (1, 1)


def test_lapsed_leases_are_taken_back_by_one_process_at_a_time(engine: Engine) -> None:
    """While another process takes them back nobody waits for it, and then nothing is left to do."""
    sweep, worker = create_sweep(engine, n_trials=2), new_worker(engine)
    let_lapse(engine, *[trial.lease for trial in claim(engine, worker)])
    with transaction(engine) as session:
        queue.expire(session)
        with transaction(engine) as late_session:
            late_session.execute(text("SET LOCAL lock_timeout = '200ms'"))
            queue.expire(late_session)
    assert states(engine, sweep) == ["waiting", "waiting"]
    assert [len(trial.history) for trial in trials_of(engine, sweep)] == [1, 1]
    expire(engine)


@pytest.mark.parametrize("take_up", [queue.expire, stop_rules.stop_overdue])
def test_who_locks_several_sweeps_waits_for_its_turn_at_each(
    engine: Engine, take_up: Callable[[Session], None]
) -> None:
    """A writer that has its turn and goes on to the row meets nobody there who waits for that turn."""
    sweep, worker = create_sweep(engine, n_trials=2, stop={"seconds": 60}), new_worker(engine)
    let_lapse(engine, *[trial.lease for trial in claim(engine, worker, 1)])
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET started_at = now() - interval '1 hour'"))

    def act() -> None:
        with transaction(engine) as session:
            take_up(session)

    with ThreadPoolExecutor(1) as pool, engine.connect() as connection:
        with transaction(engine) as session:
            session.execute(text(f"SELECT {TURN_SQL}"), {"sweep": sweep})
            late = pool.submit(act)
            wait_until(lambda: connection.scalar(ADVISORY_WAITS))
            assert sweep_row.lock(session, sweep) is not None
        late.result(60)
    assert sweep_of(engine, sweep).stop_reason == "seconds: 60 have passed"


def test_who_has_nothing_to_do_is_not_woken_by_those_who_train(engine: Engine) -> None:
    """Claims, records and results leave nothing to do for others, until a sweep ends or a trial waits again."""
    worker = new_worker(engine)
    sweep = create_grid(engine, 1, 2, 3)
    trials = claim(engine, worker)
    leases = [trial.lease for trial in trials]
    quiet = [
        lambda: record(engine, sweep, leases),
        lambda: finish(engine, sweep, worker, [success(leases[0])]),
        lambda: claim(engine, worker),
    ]
    assert [heard(engine, WORK_CHANNEL, act) for act in quiet] == [False, False, False]
    assert heard(engine, CHANNEL, lambda: record(engine, sweep, leases[1:], 2))  # pages are told
    assert heard(engine, WORK_CHANNEL, lambda: finish(engine, sweep, worker, [success(lease) for lease in leases]))
    assert heard(engine, WORK_CHANNEL, lambda: create_sweep(engine))
    (trial,) = claim(engine, worker, 1)
    assert heard(engine, WORK_CHANNEL, partial(_give_back, engine, sweep + 1, trial.lease))


def _give_back(engine: Engine, sweep: int, lease: queue.Lease) -> None:
    with transaction(engine) as session:
        queue.give_back(session, sweep, [lease])


def test_an_error_of_a_claim_counts_against_its_sweep(engine: Engine) -> None:
    """Whoever claims learns which sweep it was; its trials fail after three attempts, and others are claimed."""
    poisonous, healthy = create_sweep(engine, n_trials=2, priority=1), create_sweep(engine, n_trials=1)
    worker = new_worker(engine)
    with transaction(engine) as session:
        session.execute(
            text('UPDATE sweeps SET pruner = \'{"name": "median", "n_warmup_steps": "x"}\' WHERE id = :id'),
            {"id": poisonous},
        )
    for _ in range(3):
        with pytest.raises(UnclaimableError) as error:
            claim(engine, worker)
        assert error.value.sweep_id == poisonous
        with transaction(engine) as session:
            assert len(queue.claim(session, worker, 1, LEASE_SECONDS, leave_out=[poisonous]) or ()) == 2
            session.rollback()
        with transaction(engine) as session:
            queue.fail_waiting(session, worker, poisonous, 64, "no such pruner")
    assert [(trial.state, trial.error, trial.attempt) for trial in trials_of(engine, poisonous)] == [
        ("failed", "no such pruner", 3)
    ] * 2
    assert len(claim(engine, worker)) == 1
    assert sweep_of(engine, healthy).state == SweepState.running


SWEEPS, TRIALS, HELD = 20, 1_000, 50


def test_what_others_train_is_not_read_for_each_call(engine: Engine, database_url: str) -> None:
    """However many sweeps and workers there are, a claim, a record and a result read little but their own trials.

    So it is also where the planner takes running trials for few, as it does when a fleet comes: none was running when
    the tables were last analyzed.
    """
    for _ in range(SWEEPS):
        create_grid(engine, 4)
    with transaction(engine) as session:
        session.execute(_MANY_TRIALS, {"trials": TRIALS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    alone = connect(database_url, pool_size=1, max_overflow=0)  # each connection counts what it reads
    for worker in [new_worker(alone) for _ in range(SWEEPS)]:
        assert len(claim(alone, worker, HELD)) == HELD
    worker, running, read = new_worker(alone), SWEEPS * HELD, [entries_read(alone)]
    with transaction(alone) as session:
        claimed = queue.claim(session, worker, HELD, LEASE_SECONDS)
    read.append(entries_read(alone))
    assert claimed is not None
    sweep, leases = claimed[0].id, [trial.lease for trial in claimed[1]]
    assert len(record(alone, sweep, leases)) == HELD
    read.append(entries_read(alone))
    assert len(finish(alone, sweep, worker, [success(lease) for lease in leases])) == HELD
    read.append(entries_read(alone))
    alone.dispose()
    of_claim, of_record, of_finish = (after - before for before, after in pairwise(read))
    assert of_claim < running / 2
    assert of_record < running / 2
    assert of_finish < running / 2


_MANY_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, params, cost, epochs_total)
    SELECT sweeps.id, n, '{"hidden_units": 4}', 1, 1 FROM sweeps, generate_series(1, :trials) AS n
""")


def test_forgetting_workers_reads_trials_once(engine: Engine, database_url: str) -> None:
    """However many there are: of an autoscaled fleet hundreds a day, none of which has a trial that is still here."""
    create_sweep(engine, n_trials=1)
    worker, *_ = [new_worker(engine) for _ in range(21)]
    with transaction(engine) as session:
        session.execute(_MANY_TRIALS, {"trials": 1_000})
        session.execute(text("UPDATE trials SET worker_id = :worker"), {"worker": worker})
    with transaction(engine) as session:
        session.execute(text("UPDATE workers SET last_seen = last_seen - interval '8 days'"))
    alone = connect(database_url, pool_size=1, max_overflow=0)  # each connection counts what it reads
    before = entries_read(alone)
    with transaction(alone) as session:
        queue.forget_workers(session)
    read = entries_read(alone) - before
    alone.dispose()
    with transaction(engine) as session:
        assert session.scalars(text("SELECT id FROM workers")).all() == [worker]
    assert read < 3_000


def entries_read(engine: Engine) -> int:
    """How many entries of indexes of `trials` were read so far, and of its rows where it was read to its end."""
    with transaction(engine) as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
    with transaction(engine) as session:
        return int(session.scalar(_ENTRIES_READ) or 0)


_ENTRIES_READ = text("""
    SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'trials')
         + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'trials')
""")
