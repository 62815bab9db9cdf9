"""The values of runs in real tables, as a lens wants them."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.charts.lens import MetricLens, parse_lens
from app.charts.registry import CHARTS
from app.charts.rows import TrialRow
from app.db.engine import transaction
from app.errors import InvalidError
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.queries.binary import read_binary
from app.queries.lens import run_values
from app.queries.lens.trial_metrics import metric_means
from app.queries.lens.trials import TrialsInSight, list_in_sight, trials_in_sight
from app.schemas import TrialOut
from tests.support.sweeps.measured_sweeps import a_sweep_with_epochs


@pytest.fixture
def finished(engine: Engine) -> int:
    return a_sweep_with_epochs(engine)


def through(engine: Engine, sweep_id: int, chart: str, metric: str) -> list[TrialRow]:
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        lens = parse_lens(chart_rows.chart_sweep(sweep), {"metric": metric})
        return chart_rows.chart_rows(session, sweep, CHARTS[chart], lens=lens)[1]


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("last", {0: [0.7, 0.6], 1: [0.4, 0.4]}),
        ("best", {0: [0.8, 0.6], 1: [0.4, 0.4]}),
        ("mean_last=2", {0: [0.6, 0.4], 1: [0.35, 0.35]}),
        ("at_epoch=1", {0: [0.1, 0.2], 1: [0.3, 0.3]}),
        ("at_epoch=3", {0: [0.5, 0.6]}),
    ],
)
def test_each_run_has_the_value_that_the_lens_wants(
    engine: Engine, finished: int, metric: str, values: dict[int, list[float]]
) -> None:
    """One that stopped early has its last value later on too; a trial meant for fewer epochs is left out."""
    trials = through(engine, finished, "effect", metric)
    assert {trial.number: [run.value for run in trial.runs] for trial in trials} == {
        number: pytest.approx(expected) for number, expected in values.items()
    }
    means = {number: sum(expected) / 2 for number, expected in values.items()}
    assert {trial.number: trial.value for trial in trials} == pytest.approx(means)
    of_history = through(engine, finished, "history", metric)
    assert {trial.number: trial.value for trial in of_history} == pytest.approx(means)


def test_a_best_epoch_is_the_same_wherever_trials_lie(
    engine: Engine, finished: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all epochs between the first and the last trial are read, or those of each of its trials or of a few."""
    values = []
    for few, sparse in ((0, 2), (0, 0), (2, 2)):
        monkeypatch.setattr(run_values, "FEW", few)
        monkeypatch.setattr(run_values, "SPARSE", sparse)
        monkeypatch.setattr(run_values, "_memories", WeakKeyDictionary())
        values.append([trial.runs for trial in through(engine, finished, "effect", "best")])
    assert values[0] == values[1] == values[2] != []


def test_curves_through_a_lens_are_those_of_its_trials(engine: Engine, finished: int) -> None:
    """And only they are read; every epoch is shown, so there is no other metric."""
    with transaction(engine) as session:
        sweep = sweep_row.get(session, finished)
        lens = parse_lens(chart_rows.chart_sweep(sweep), {"where": "epochs=2"})
        row, trials, curves = chart_rows.chart_rows(session, sweep, CHARTS["curves"], lens=lens)
        means = chart_rows.chart_rows(session, sweep, CHARTS["heatmap"], {"x": "learning_rate"}, lens=lens)[2]
    assert [trial.number for trial in trials] == [1]
    assert {curve.trial for curve in curves} == {mean.trial for mean in means} == {1}
    assert (row.trials_with_curves, row.lens) == (1, "epochs = 2 · 1 of 2 trials")
    with pytest.raises(InvalidError, match="leave it out"):
        through(engine, finished, "curves", "best")


def test_the_lowest_loss_is_the_best_epoch(engine: Engine, finished: int) -> None:
    """Where the sweep minimises."""
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET direction = 'minimize' WHERE id = :id"), {"id": finished})
    trials = through(engine, finished, "effect", "best")
    assert [run.value for run in trials[0].runs] == pytest.approx([0.1, 0.2])
    assert MetricLens("best").note.endswith("a little too good")


def test_a_trial_without_curves_has_no_best_epoch(engine: Engine, finished: int) -> None:
    """Its last value would be shown as what it is not."""
    with transaction(engine) as session:
        delete = "DELETE FROM epochs USING trials t WHERE t.id = trial_id AND t.sweep_id = :sweep AND t.number = 1"
        session.execute(text(delete), {"sweep": finished})
    for metric in ("best", "mean_last=2", "at_epoch=1"):
        assert [trial.number for trial in through(engine, finished, "effect", metric)] == [0]
    assert [trial.number for trial in through(engine, finished, "effect", "last")] == [0, 1]


def sight_of(
    engine: Engine, sweep_id: int, order_by: str = "number", **query: str
) -> tuple[TrialsInSight, list[TrialOut]]:
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        in_sight = trials_in_sight(session, sweep, parse_lens(chart_rows.chart_sweep(sweep), query))
        return in_sight, list(list_in_sight(session, sweep_id, in_sight, order_by=order_by, limit=1, skip=0).items)


def test_a_table_through_a_lens_has_its_trials_and_their_values(engine: Engine, finished: int) -> None:
    """In its order: the best of the first epoch is another one than that of the last."""
    in_sight, page = sight_of(engine, finished, "-value", metric="at_epoch=1")
    assert {item.number: item.value for item in page} == pytest.approx({1: 0.3})
    assert in_sight.best is not None
    assert (in_sight.best.trial.number, in_sight.left_out) == (1, [])
    _, page = sight_of(engine, finished, "-value")
    assert {item.number: item.value for item in page} == pytest.approx({0: 0.65})
    in_sight, page = sight_of(engine, finished, metric="at_epoch=3", where="value<0.1")
    assert (page, in_sight.best, in_sight.total) == ([], None, 2)
    assert in_sight.left_out == ["1 without such an epoch", "1 trial without value < 0.1"]


def test_a_page_of_a_table_reads_its_own_trials_alone(
    engine: Engine, finished: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep may have a million other epochs, and the page has as many metrics as there are."""
    read_numbers = set[int]()

    def noting(session: Session, statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        rows = read_binary(session, statement, parameters)
        read_numbers.update(number for number, *_ in rows)
        return rows

    with transaction(engine) as session:
        sweep = sweep_row.get(session, finished)
        trials = chart_rows.trial_rows(session, finished)
        monkeypatch.setattr(run_values, "read_binary", noting)
        for lens in (MetricLens("best"), MetricLens("mean_last", 2), MetricLens("at_epoch", 1)):
            assert metric_means(session, sweep, trials[1:], "val_loss", lens)
    assert read_numbers == {1}


def test_what_has_no_value_is_last_in_a_table_through_a_lens(engine: Engine, finished: int) -> None:
    """In both directions; by a hyperparameter it has its place."""
    with transaction(engine) as session:
        clear = (
            "UPDATE trials SET state = 'failed', error = 'lost', value = NULL WHERE sweep_id = :sweep AND number = 0"
        )
        session.execute(text(clear), {"sweep": finished})
    for order_by in ("value", "-value"):
        assert sight_of(engine, finished, order_by, top="100", where="epochs>1")[1][0].number == 1
    assert sight_of(engine, finished, "epochs", where="epochs>1")[1][0].number == 1
    assert sight_of(engine, finished, "-epochs", where="epochs>1")[1][0].number == 0


def test_runs_are_read_where_several_trials_are_one_configuration(engine: Engine, finished: int) -> None:
    """Their mean is over all runs; of the other trials a chart of configurations needs the value alone."""
    assert [trial.runs for trial in through(engine, finished, "edf", "last")] == [(), ()]
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET configuration = 'one' WHERE sweep_id = :sweep"), {"sweep": finished})
    assert [len(trial.runs) for trial in through(engine, finished, "edf", "last")] == [2, 2]


def test_the_values_of_a_metric_are_read_once(engine: Engine, finished: int) -> None:
    """What has ended stays as it is; a trial that ended again is read again."""
    assert through(engine, finished, "history", "best")[1].value == pytest.approx(0.4)
    with transaction(engine) as session:
        better = "UPDATE epochs SET val_accuracy = 0.9 FROM trials t WHERE t.id = trial_id AND t.sweep_id = :sweep"
        session.execute(text(better), {"sweep": finished})
        again = "UPDATE trials SET finished_at = finished_at + interval '1 s' WHERE sweep_id = :sweep AND number = 1"
        session.execute(text(again), {"sweep": finished})
    values = {trial.number: trial.value for trial in through(engine, finished, "history", "best")}
    assert values == pytest.approx({0: 0.7, 1: 0.9})
