"""Trials in the order of their configurations, as the table on a sweep's page has them."""

import pytest
from sqlalchemy import Engine, text

from app import queries
from app.db.engine import transaction
from app.domain.states import TrialState
from app.errors import InvalidError
from tests.app.lifecycle.test_best import again
from tests.support.measured_sweeps import a_sweep, end


def numbers(engine: Engine, sweep: int, **options: object) -> tuple[list[int], str | None]:
    """The numbers of a page of trials, and its next one."""
    with transaction(engine) as session:
        page = queries.list_configurations(session, sweep, **{"limit": 10, "skip": 0, **options})  # type: ignore[arg-type]
        return [trial.number for trial in page.items], page.next


def test_trials_of_one_configuration_stand_together(engine: Engine) -> None:
    """By the mean over all its trials, and once on the pages; what was taken over counts once, excluded ones not."""
    sweep = a_sweep(engine, [[0.9], [0.7], [0.8]])
    assert numbers(engine, sweep, order_by="-value") == ([0, 2, 1], None)
    again(engine, sweep, 0, first_seed=1)
    again(engine, sweep, 1, first_seed=0)
    again(engine, sweep, 2, first_seed=1)
    end(engine, sweep, [[0.5], [0.7], [0.1]])
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET excluded = true WHERE number = 5"))
    assert numbers(engine, sweep) == ([0, 3, 1, 4, 2, 5], None)
    assert numbers(engine, sweep, order_by="-value") == ([2, 5, 0, 3, 1, 4], None)  # means 0.8, 0.7, 0.7
    assert numbers(engine, sweep, order_by="-value", limit=1) == ([2, 5], "1")
    assert numbers(engine, sweep, order_by="value", limit=1, skip=2) == ([2, 5], None)
    assert numbers(engine, sweep, state=TrialState.failed) == ([], None)
    with pytest.raises(InvalidError):
        numbers(engine, sweep, order_by="nonsense")
