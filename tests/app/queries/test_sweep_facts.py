"""What is kept of sweeps between two looks: nothing that has changed, and nothing that is rolled back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event

from app import queries, schemas
from app.db.engine import transaction
from app.queries.totals import TOTALS
from app.sweeps import trial_actions
from tests.support.queue_examples import choose, claim, complete, create_grid, create_sweep, new_worker, record


@contextmanager
def reads(engine: Engine) -> Iterator[list[str]]:
    """Each time that all trials of sweeps are read."""
    statements: list[str] = []

    def note(_: object, __: object, ___: object, ____: object, context: object, _____: object) -> None:
        if getattr(context, "invoked_statement", None) is TOTALS:
            statements.append("read")

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def test_trials_are_read_once_for_each_revision(engine: Engine) -> None:
    """A list that is looked at again reads none, unless something was changed: then those of that sweep."""
    other, sweep, worker = create_grid(engine, 3), create_grid(engine, 1, 2, priority=1), new_worker(engine)

    def look() -> tuple[int, schemas.SweepOut]:
        with reads(engine) as times, transaction(engine) as session:
            items = queries.list_sweeps(session).items
        assert [item.id for item in items] == [sweep, other]
        return len(times), items[0]

    assert look()[0] == 1
    assert look()[0] == 0
    trials = claim(engine, worker)
    changes: list[Callable[[], object]] = [
        lambda: record(engine, sweep, [trial.lease for trial in trials]),
        lambda: complete(engine, sweep, worker, trials),
    ]
    seen = [look()[1]]
    for change in changes:
        change()
        times, summary = look()
        assert times == 1
        seen.append(summary)
    assert [(item.counts.running, item.counts.complete, item.epochs.done) for item in seen] == [
        (2, 0, 0),
        (2, 0, 2),
        (0, 2, 2),
    ]
    assert (seen[1].best is None, seen[2].best is None) == (True, False)


def test_what_is_rolled_back_is_not_kept(engine: Engine) -> None:
    """Whoever changes a sweep sees it changed, and nobody else does where that comes to nothing."""
    sweep = create_grid(engine, 1, 2)
    with transaction(engine) as session:
        trial_actions.cancel(session, sweep, 0)
        assert queries.summary(session, sweep).counts.cancelled == 1
        session.rollback()
    with transaction(engine) as session:
        trial_actions.set_note(session, sweep, 0, "of the same revision")
    with transaction(engine) as session:
        assert queries.summary(session, sweep).counts.cancelled == 0


def test_parameters_that_are_chosen_count_at_once(engine: Engine) -> None:
    """Nothing else has changed: how many epochs there are to train is known from now on."""
    sweep, worker = create_sweep(engine, n_trials=2), new_worker(engine)
    trials = claim(engine, worker)
    with transaction(engine) as session:
        assert queries.summary(session, sweep).epochs.total is None
    choose(engine, sweep, trials)
    with transaction(engine) as session:
        assert queries.summary(session, sweep).epochs.total == 4
