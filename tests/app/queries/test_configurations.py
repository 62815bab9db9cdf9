"""Trials in the order of their configurations, as the table on a sweep's page has them."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import queries
from app.charts.lens import Lens
from app.charts.registry import CHARTS
from app.db.engine import transaction
from app.domain.states import TrialState
from app.errors import InvalidError
from app.lifecycle import sweep_row
from app.queries import chart_rows, leading_configurations
from app.queries.lens.trials import list_in_sight, trials_in_sight
from tests.app.lifecycle.test_best import again
from tests.support.sweeps.measured_sweeps import a_sweep, end


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


@pytest.mark.parametrize("order_by", ["-value", "-metrics.val_accuracy", "-seconds"])
def test_a_copied_result_is_no_second_measurement(engine: Engine, order_by: str) -> None:
    """Trials 0 and 3 have a mean of 0.625 and took 0.2 s; with the copy, trial 2, it would be over 0.7 and 0.3 s."""
    sweep = a_sweep(engine, [[0.9], [0.7]])
    again(engine, sweep, 0, first_seed=0)
    again(engine, sweep, 0, first_seed=1)
    end(engine, sweep, [[0.9], [0.35]])
    with transaction(engine) as session:
        session.execute(text("UPDATE runs r SET seed = t.first_seed FROM trials t WHERE t.id = r.trial_id"))
        session.execute(text("UPDATE runs r SET seconds = 0.25 FROM trials t WHERE t.id = r.trial_id AND number = 1"))
        session.execute(
            text(
                "INSERT INTO epochs (trial_id, seed, epoch, train_loss, val_loss, val_accuracy, seconds) "
                "SELECT id, first_seed, 1, 1, 1, value, 0.1 FROM trials"
            )
        )
    assert numbers(engine, sweep, order_by=order_by) == ([1, 0, 2, 3], None)
    assert numbers_in_sight(engine, sweep, order_by) == [1, 0, 2, 3]


def test_a_configuration_of_which_a_run_diverged_has_no_mean(engine: Engine) -> None:
    """By value it comes last, as in no chart it is the top; unless the trial that diverged is excluded."""
    sweep_id = a_sweep(engine, [[0.95, 0.95], [0.8, 0.82], [0.7, 0.7]])
    again(engine, sweep_id, 0, first_seed=2)
    end(engine, sweep_id, [[0.9, None]])
    for order_by, order in (("-value", [1, 2, 0, 3]), ("value", [2, 1, 0, 3])):
        assert numbers(engine, sweep_id, order_by=order_by) == (order, None)
        assert numbers_in_sight(engine, sweep_id, order_by) == order
    for name in ("effect", "rank", "slice", "edf", "parallel_coordinates"):
        assert drawn(engine, sweep_id, name) == ({1, 2} if name != "edf" else set(), 1), name
    with transaction(engine) as session:
        in_sight = trials_in_sight(session, sweep_row.get(session, sweep_id), Lens(states=("complete",)))
    assert in_sight.best is not None
    assert (in_sight.best.trial.number, in_sight.best_runs) == (1, 2)
    assert in_sight.best.mean == pytest.approx(0.81)
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET excluded = true WHERE number = 3"))
    assert numbers(engine, sweep_id, order_by="-value") == ([0, 3, 1, 2], None)
    assert drawn(engine, sweep_id, "rank") == ({0, 1, 2}, 0)


def numbers_in_sight(engine: Engine, sweep_id: int, order_by: str) -> list[int]:
    """The same of the table through a lens that leaves out nothing."""
    with transaction(engine) as session:
        in_sight = trials_in_sight(session, sweep_row.get(session, sweep_id), Lens())
        page = list_in_sight(session, sweep_id, in_sight, order_by=order_by, limit=10, skip=0)
        return [trial.number for trial in page.items]


def drawn(engine: Engine, sweep_id: int, name: str) -> tuple[set[int], int]:
    """The numbers of the trials that a chart draws, and how many complete ones it says are left out."""
    with transaction(engine) as session:
        rows = chart_rows.chart_rows(session, sweep_row.get(session, sweep_id), CHARTS[name])
    figure = CHARTS[name].figure(*rows)
    drawn_numbers = {number for trace in figure.data for number in trace.customdata or () if number is not None}
    left_out = "1 complete trial left out: another seed diverged" in figure.layout.title.subtitle.text
    return drawn_numbers, int(left_out)


def test_of_very_many_trials_of_a_configuration_the_first_are_listed(
    engine: Engine, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that listed a hundred thousand would take gigabytes; what is not listed is in no mean that it shows."""
    monkeypatch.setattr(queries.trials, "LEAST_MEMBERS", 3)
    monkeypatch.setattr(queries.trials, "MAX_RUNS", 1)
    sweep = a_sweep(engine, [[0.9], [0.7]])
    for seed in range(1, 5):
        again(engine, sweep, 1, first_seed=seed)
    end(engine, sweep, [[0.8], [0.8], [0.8], [0.8]])
    assert numbers(engine, sweep) == ([0, 1, 2, 3], None)
    assert numbers(engine, sweep, limit=1, skip=1) == ([1, 2, 3], None)
    assert numbers_in_sight(engine, sweep, "number") == [0, 1, 2, 3]
    for query in ("", "?where=epochs=2"):
        page = client.get(f"/sweeps/{sweep}{query}").text
        assert "its first 3 trials" in page
        assert "runs in" not in page


def test_of_very_many_runs_of_a_configuration_those_of_the_first_seeds_are_compared(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand tell no more of how it differs from others, and would be read for each view of its page."""
    monkeypatch.setattr(leading_configurations, "RUNS_READ", 3)
    sweep = a_sweep(engine, [[0.9], [0.7]])
    for seed in (3, 1, 2, 1):
        again(engine, sweep, 1, first_seed=seed)
    end(engine, sweep, [[0.8], [0.6], [0.7], [0.6]])
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET seed = first_seed FROM trials WHERE trials.id = trial_id"))
        leaders = leading_configurations.leading_configurations(session, sweep, 2)
    assert [(leader.number, leader.runs) for leader in leaders] == [(0, {0: 0.9}), (1, {0: 0.7, 1: 0.6, 2: 0.7})]
