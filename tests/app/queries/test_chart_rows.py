"""What charts read of a sweep in real tables: no more than they show, and what they show is all of it."""

import pytest
from sqlalchemy import Engine, text

from app.charts.progress.means import epoch_means
from app.charts.registry import CHARTS
from app.charts.rows import DiagnosticsRow, EpochMean, EpochRow, RunRow
from app.db.engine import transaction
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.queries.lens import curves
from app.schemas import SweepCreate
from app.sweeps import creation
from tests.support.queue_examples import create_grid

# Trial n of 30 has the value n / 100, two runs and 300 epochs; the last one failed.
_FINISH = """
    UPDATE trials SET state = CASE WHEN number < 29 THEN CAST('complete' AS trial_state) ELSE 'failed' END,
        value = CASE WHEN number < 29 THEN number / 100.0 END, epochs_done = 600, finished_at = now(),
        error = CASE WHEN number = 29 THEN 'lost' END WHERE sweep_id = :sweep;
    INSERT INTO runs (trial_id, seed, state, value, seconds)
        SELECT id, seed, 'complete', number / 100.0, 1 FROM trials, generate_series(0, 1) AS seed
        WHERE sweep_id = :sweep;
    INSERT INTO epochs (trial_id, seed, epoch, val_accuracy, seconds)
        SELECT id, seed, epoch, 0.5, 0.1 FROM trials, generate_series(0, 1) AS seed, generate_series(1, 300) AS epoch
        WHERE sweep_id = :sweep
"""


def finished_sweep(engine: Engine) -> int:
    space = {"hidden_units": list(range(1, 31)), "epochs": 300, "learning_rate": 0.1}
    body = {"name": "drawn", "dataset": "digits", "space": space, "seeds": 2, "sampler": "grid"}
    with transaction(engine) as session:
        sweep = creation.create(session, SweepCreate.model_validate(body)).id
        for statement in _FINISH.split(";"):
            session.execute(text(statement), {"sweep": sweep})
    return sweep


def test_curves_are_read_of_the_best_and_the_worst_trials_alone(engine: Engine) -> None:
    """Twelve of thirty, with at most 200 epochs of 300; how many there are is known, and a failed one is not drawn."""
    sweep_id = finished_sweep(engine)
    with transaction(engine) as session:
        row, trials, epochs = chart_rows.chart_rows(session, sweep_row.get(session, sweep_id), CHARTS["curves"])
    drawn_trials = [trial.number for trial in trials]
    assert row.trials_with_curves == 30
    assert len(drawn_trials) == 12
    assert drawn_trials[-6:] == [23, 24, 25, 26, 27, 28]
    assert {epoch.trial for epoch in epochs} == set(drawn_trials)
    drawn_epochs = sorted({epoch.epoch for epoch in epochs if isinstance(epoch, EpochRow)})
    assert (drawn_epochs[0], drawn_epochs[-1]) == (1, 300)
    assert len(drawn_epochs) <= 200


def test_runs_are_read_for_the_charts_that_show_them(engine: Engine) -> None:
    """By seed, with their trial; a chart of trials gets none."""
    sweep_id = finished_sweep(engine)
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        with_runs = chart_rows.chart_rows(session, sweep, CHARTS["effect"])[1]
        without = chart_rows.chart_rows(session, sweep, CHARTS["history"])[1]
    assert with_runs[7].runs == (RunRow(0, 0.07), RunRow(1, 0.07))
    assert [trial._replace(runs=()) for trial in with_runs] == without


# Trial 0: seed 0 has 4 epochs, seed 1 stopped after 2. Trial 1: seed 0 diverged at epoch 2 by its loss, seed 1 at once.
_CURVES = """
    UPDATE trials SET epochs_done = 6 WHERE sweep_id = :sweep;
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, val_loss, val_accuracy, seconds)
        SELECT t.id, e.seed, e.epoch, e.loss, 1.0, e.accuracy, 0.1 FROM trials t JOIN (VALUES
            (0, 0, 1, 1.0, 0.1), (0, 0, 2, 1.0, 0.2), (0, 0, 3, 1.0, 0.3), (0, 0, 4, 1.0, 0.4),
            (0, 1, 1, 1.0, 0.3), (0, 1, 2, 1.0, 0.4),
            (1, 0, 1, 1.0, 0.5), (1, 0, 2, CAST(NULL AS float8), 0.1), (1, 1, 1, NULL, NULL)
        ) AS e (number, seed, epoch, loss, accuracy) ON e.number = t.number WHERE t.sweep_id = :sweep
"""


def test_a_heat_map_reads_means_over_runs_after_each_epoch(engine: Engine) -> None:
    """A run that stopped early counts with its last epoch, and one that diverged as such at every later one."""
    body = {"name": "curves", "dataset": "digits", "space": {"learning_rate": [0.1, 1.0], "epochs": 4}, "seeds": 2}
    with transaction(engine) as session:
        sweep = creation.create(session, SweepCreate.model_validate(body | {"sampler": "grid"}))
        for statement in _CURVES.split(";"):
            session.execute(text(statement), {"sweep": sweep.id})
    with transaction(engine) as session:
        heatmap, sweep = CHARTS["heatmap"], sweep_row.get(session, sweep.id)
        assert heatmap.rows_needed({"x": "learning_rate"}) == "epoch_means"
        means = curves.epoch_means(session, sweep, [0, 1])
        assert chart_rows.chart_rows(session, sweep, heatmap, {"x": "learning_rate"})[2] == means
        whole_curves = curves.epoch_rows(session, sweep.id)
        by_hyperparameters = chart_rows.chart_rows(session, sweep, heatmap, {"x": "learning_rate", "y": "hidden_units"})
    assert [(row.trial, row.epoch, row.runs, row.diverged) for row in means[:4]] == [
        (0, epoch, 2, 0) for epoch in (1, 2, 3, 4)
    ]
    assert [row.mean for row in means[:4]] == pytest.approx([0.2, 0.3, 0.35, 0.4])
    assert [row.std for row in means[:4]] == pytest.approx([0.02**0.5, 0.02**0.5, 0.005**0.5, 0.0], abs=1e-9)
    assert means[4:] == [
        EpochMean(1, 1, 0.5, None, 1, 1),
        *(EpochMean(1, epoch, None, None, 0, 2) for epoch in (2, 3, 4)),
    ]
    assert by_hyperparameters[2] == []
    of_whole_curves = epoch_means(whole_curves, "val_accuracy")
    assert [row._replace(mean=None, std=None) for row in of_whole_curves] == [
        row._replace(mean=None, std=None) for row in means
    ]
    for figures in zip([row[2:4] for row in of_whole_curves], [row[2:4] for row in means], strict=True):
        assert figures[0] == pytest.approx(figures[1], abs=1e-9)


# Of trial 0 both runs have 300 epochs. Of trial 1 seed 0 has 9, and seed 1 stopped after 4. Trial 2 has 8, and one run
# of it diverged at its epoch 3.
_LONG_AND_SHORT = """
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, val_loss, val_accuracy, seconds)
        SELECT t.id, e.seed, epoch, CASE WHEN t.number < 2 OR e.seed = 0 OR epoch < 3 THEN 1.0 END,
               1.0, epoch / 1000.0, 0.1
        FROM trials t JOIN (VALUES
            (0, 0, 300), (0, 1, 300), (1, 0, 9), (1, 1, 4), (2, 0, 8), (2, 1, 3)
        ) AS e (number, seed, last) ON e.number = t.number, generate_series(1, e.last) AS epoch
        WHERE t.sweep_id = :sweep;
    UPDATE trials SET epochs_done = 12 WHERE sweep_id = :sweep
"""


def long_and_short(engine: Engine) -> int:
    """A sweep of three trials with these curves."""
    space = {"learning_rate": [0.1, 1.0, 10.0], "epochs": 300}
    body = {"name": "curves", "dataset": "digits", "space": space, "seeds": 2, "sampler": "grid"}
    with transaction(engine) as session:
        sweep = creation.create(session, SweepCreate.model_validate(body)).id
        for statement in _LONG_AND_SHORT.split(";"):
            session.execute(text(statement), {"sweep": sweep})
    return sweep


def test_beside_long_curves_short_ones_keep_their_last_epoch(engine: Engine) -> None:
    """Every tenth epoch of 300 is drawn, and what ended before the second of these is not a point at the first."""
    sweep_id = long_and_short(engine)
    with transaction(engine) as session:
        means = curves.epoch_means(session, sweep_row.get(session, sweep_id), [0, 1, 2])
    by_trial = {number: [row for row in means if row.trial == number] for number in (0, 1, 2)}
    assert [(row.epoch, row.gap) for row in by_trial[0]] == [*((1 + 10 * step, 0) for step in range(30)), (300, 0)]
    assert [(row.epoch, row.drawn_epoch, row.runs) for row in by_trial[1]] == [(1, 1, 2), (9, 11, 2)]
    assert by_trial[1][1].mean == pytest.approx((0.009 + 0.004) / 2)
    first, last, later, *_ = by_trial[2]
    assert [(row.epoch, row.drawn_epoch, row.runs, row.diverged) for row in (first, last, later)] == [
        (1, 1, 2, 0),
        (8, 11, 1, 1),
        (21, 21, 0, 1),
    ]


def test_of_each_run_the_last_epoch_is_drawn(engine: Engine) -> None:
    """Also of a run that stopped between two epochs that are drawn of longer ones."""
    sweep_id = long_and_short(engine)
    with transaction(engine) as session:
        epochs = chart_rows.chart_rows(session, sweep_row.get(session, sweep_id), CHARTS["curves"])[2]
    drawn: dict[tuple[int, int], list[int]] = {}
    for row in epochs:
        assert isinstance(row, EpochRow)
        drawn.setdefault((row.trial, row.seed), []).append(row.epoch)
    assert drawn[1, 0] == [1, 3, 5, 7, 9]
    assert drawn[1, 1] == [1, 3, 4]
    assert (len(drawn[0, 0]), drawn[0, 0][-1]) == (151, 300)


def test_of_long_curves_not_every_epoch_is_read(engine: Engine) -> None:
    """About thirty of 300, the first and the last among them."""
    sweep_id = finished_sweep(engine)
    with transaction(engine) as session:
        session.execute(text("UPDATE epochs SET train_loss = 1, val_loss = 1"))
        sweep = sweep_row.get(session, sweep_id)
        means = curves.epoch_means(session, sweep, [3])
    epochs = [row.epoch for row in means]
    assert (epochs[0], epochs[-1]) == (1, 300)
    assert len(epochs) <= 32
    assert means[0] == EpochMean(3, 1, 0.5, 0.0, 2, 0)


# Trial 0 was measured in three runs after 21 epochs; its bottleneck has two classes.
_MEASURE = """
    INSERT INTO diagnostics
        (trial_id, seed, epoch, dead_share, activation_rms, gradient_rms, distinct_outputs, bottleneck)
        SELECT t.id, seed, epoch, '{0}', '{1,1}', '{1,1}', 7, '{{1,2,3,4,5},{1,2,3,4,5}}'
        FROM trials t, generate_series(0, 2) AS seed, generate_series(0, 20) AS epoch
        WHERE t.sweep_id = :sweep AND t.number = 0;
    UPDATE trials SET epochs_done = 60 WHERE sweep_id = :sweep AND number = 0
"""


def test_of_very_many_runs_not_every_measurement_is_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last are always among them; a bottleneck is read where it is drawn."""
    sweep_id = create_grid(engine, 1, 2, seeds=3, diagnostics=True)
    with transaction(engine) as session:
        for statement in _MEASURE.split(";"):
            session.execute(text(statement), {"sweep": sweep_id})

    def read(**query: str) -> list[DiagnosticsRow]:
        with transaction(engine) as session:
            sweep = sweep_row.get(session, sweep_id)
            rows = chart_rows.chart_rows(session, sweep, CHARTS["diagnostics"], query)[2]
        return [row for row in rows if isinstance(row, DiagnosticsRow)]

    def with_bottleneck(rows: list[DiagnosticsRow]) -> list[tuple[int, int]]:
        return [(row.seed, row.epoch) for row in rows if row.bottleneck is not None]

    rows = read()
    assert [(row.seed, row.epoch) for row in rows] == [(seed, epoch) for seed in range(3) for epoch in range(21)]
    assert with_bottleneck(rows) == [(0, 20)]
    monkeypatch.setattr(curves, "MEASUREMENTS", 30)
    assert [row.epoch for row in read()] == [0, 3, 6, 9, 12, 15, 18, 20] * 3
    rows = read(measure="bottleneck", epoch="7")
    assert [(row.seed, row.epoch) for row in rows] == [(0, 7), (1, 7), (2, 7)]
    assert with_bottleneck(rows) == [(0, 7)]
