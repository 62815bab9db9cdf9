"""What the trials of sweeps come to: stored sums that every change of a trial keeps, and no walk through them."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import queries, queue
from app.db.engine import transaction
from app.queries.standing import facts
from app.schemas import SweepPatch
from app.sweeps import changes, deletion, trial_actions
from tests.support.queue_examples import (
    change,
    choose,
    claim,
    complete,
    create_grid,
    create_sweep,
    end_leg,
    expire,
    failure,
    finish,
    halved,
    let_lapse,
    new_worker,
    record,
    save_checkpoints,
    states,
)
from tests.support.sweeps.stored_totals import wrong_totals

WIDTHS = (1, 2, 4, 8, 16, 32)


@pytest.fixture
def checked(engine: Engine) -> Callable[..., Any]:
    """Makes a change, and looks whether the stored totals are those of the rows after it."""

    def make(change: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        result = change(engine, *arguments, **options)
        assert wrong_totals(engine) == [], change
        return result

    return make


def in_transaction(engine: Engine, action: Callable[..., Any], *arguments: Any) -> None:
    with transaction(engine) as session:
        action(session, *arguments)


def test_every_change_of_a_worker_is_counted(engine: Engine, checked: Callable[..., Any]) -> None:
    """Claims, parameters, epochs, checkpoints, legs, results, errors, what is given back, and leases that run out."""
    worker = new_worker(engine)
    sweep = checked(create_sweep, n_trials=9)
    trials = checked(claim, worker)
    leases = [trial.lease for trial in trials]
    checked(choose, sweep, trials)
    checked(record, sweep, leases, 1)
    checked(save_checkpoints, sweep, leases[:4], 1)
    checked(record, sweep, leases, 2)
    checked(end_leg, sweep, {leases[0]: None, leases[5]: None})
    checked(in_transaction, queue.give_back, sweep, [leases[1], leases[6]])
    checked(in_transaction, queue.fail_attempt, sweep, [leases[2], leases[7]], "an error")
    checked(let_lapse, leases[3])
    checked(expire)
    checked(finish, sweep, worker, [failure(leases[4])])
    checked(complete, sweep, worker, trials[8:])
    while claimed_trials := checked(claim, worker):
        checked(in_transaction, queue.fail_attempt, sweep, [trial.lease for trial in claimed_trials], "an error")
    assert {*states(engine, sweep)} == {"complete", "failed"}


def test_every_change_of_a_user_is_counted(engine: Engine, client: TestClient, checked: Callable[..., Any]) -> None:
    """More and fewer trials, retries, cancels, exclusions, further seeds, more epochs, imports and deletions."""

    def call(_: Engine, method: str, path: str, body: Any = None) -> Any:
        answer = client.request(method, f"/api/v1/sweeps{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    worker = new_worker(engine)
    sweep = checked(create_grid, *WIDTHS)
    trials = claim(engine, worker, 4)
    for epoch in (1, 2):
        record(engine, sweep, [trial.lease for trial in trials], epoch)
    finish(engine, sweep, worker, [failure(trials[0].lease)])
    checked(complete, sweep, worker, trials[1:3])
    checked(in_transaction, trial_actions.set_excluded, sweep, trials[1].number, True)
    checked(in_transaction, trial_actions.cancel, sweep, trials[3].number)
    checked(in_transaction, trial_actions.retry, sweep, trials[0].number)
    for name in ("pause", "resume", "stop"):
        checked(change, sweep, name)
    last_trials = claim(engine, worker)
    for epoch in (1, 2):
        record(engine, sweep, [trial.lease for trial in last_trials], epoch)
    checked(complete, sweep, worker, last_trials)
    checked(call, "POST", f"/{sweep}/continue", {"top": 1, "epochs": 5})
    checked(call, "POST", f"/{sweep}/rerun-top", {"k": 1, "seeds": 1})
    checked(change, sweep, "cancel")
    export = client.get(f"/api/v1/sweeps/{sweep}/export.json").json()
    checked(call, "POST", "/import", export)
    random_sweep = checked(create_sweep, n_trials=3)
    checked(call, "POST", f"/{random_sweep}/trials", {"params": {"hidden_units": 8}})
    for n_trials in (5, 2):
        checked(in_transaction, changes.change, random_sweep, SweepPatch.model_validate({"n_trials": n_trials}))
    for deleted_sweep in (sweep, random_sweep):
        checked(in_transaction, deletion.delete, deleted_sweep)
    checked(in_transaction, deletion.clear_piece, 100)


def test_trials_that_wait_at_rungs_are_counted(engine: Engine, checked: Callable[..., Any]) -> None:
    """Those that a pruner ends, and those that it lets go on."""
    worker, sweep = new_worker(engine), checked(halved, 9)
    while trials := checked(claim, worker):
        leases = [trial.lease for trial in trials]
        choose(engine, sweep, [trial for trial in trials if trial.params is None])
        checked(record, sweep, leases)
        if trials[0].rung_epoch is None:
            checked(complete, sweep, worker, trials)
        else:
            checked(end_leg, sweep, {lease: place / 10 for place, lease in enumerate(leases)})
    with transaction(engine) as session:
        counts = queries.summary(session, sweep).counts
    assert min(counts.complete, counts.pruned) > 0


def test_what_is_rolled_back_changes_no_total(engine: Engine) -> None:
    """A worker that is killed in the middle of a claim, as Postgres sees it."""
    create_grid(engine, *WIDTHS)
    worker = new_worker(engine)
    with transaction(engine) as session:
        assert queue.claim(session, worker, 4, 5) is not None
        session.rollback()
    assert wrong_totals(engine) == []


def test_recording_changes_no_total(engine: Engine) -> None:
    """The row of the totals stays the very same while trials only train, so that nobody waits for it."""
    worker, sweep = new_worker(engine), create_grid(engine, *WIDTHS)
    leases = [trial.lease for trial in claim(engine, worker)]
    row = text("SELECT ctid, xmin FROM sweep_totals")
    with engine.connect() as connection:
        before = connection.execute(row).all()
    record(engine, sweep, leases)
    with engine.connect() as connection:
        assert connection.execute(row).all() == before


def test_the_first_list_of_a_server_reads_few_trials(engine: Engine) -> None:
    """Of a sweep with 20,000 complete trials it reads the best one, not all of them."""
    create_grid(engine, 4)
    with transaction(engine) as session:
        session.execute(_MANY_TRIALS)
    with transaction(engine) as session:
        session.execute(text("ANALYZE trials"))
        before = _rows_read(session)
    facts.forget()
    with transaction(engine) as session:
        listed_sweep = queries.list_sweeps(session).items[0]
    assert (listed_sweep.counts.complete, listed_sweep.best is None) == (20_000, False)
    with transaction(engine) as session:
        assert _rows_read(session) - before < 100


_MANY_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, state, params, cost, epochs_total, value, finished_at)
    SELECT sweeps.id, n, 'complete', '{}', 1, 1, n / 20000.0, now() FROM sweeps, generate_series(1, 20000) AS n
""")


def _rows_read(session: Any) -> int:
    """Rows of `trials` that were read so far, by whatever scan."""
    session.execute(text("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()"))
    query = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'trials'"
    return int(session.scalar(text(query)))
