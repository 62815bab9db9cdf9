"""What charts read of a sweep in real tables: no more than they show, and what they show is all of it."""

from sqlalchemy import Engine, text

from app.charts.rows import RunRow
from app.db.engine import transaction
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.schemas import SweepCreate
from app.sweeps import creation

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
        row, trials, epochs = chart_rows.chart_rows(session, sweep_row.get(session, sweep_id), "epochs")
    drawn_trials = [trial.number for trial in trials]
    assert row.trials_with_curves == 30
    assert len(drawn_trials) == 12
    assert drawn_trials[-6:] == [23, 24, 25, 26, 27, 28]
    assert {epoch.trial for epoch in epochs} == set(drawn_trials)
    drawn_epochs = sorted({epoch.epoch for epoch in epochs})
    assert (drawn_epochs[0], drawn_epochs[-1]) == (1, 300)
    assert len(drawn_epochs) <= 200


def test_runs_are_read_for_the_charts_that_show_them(engine: Engine) -> None:
    """By seed, with their trial; a chart of trials gets none."""
    sweep_id = finished_sweep(engine)
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        with_runs = chart_rows.chart_rows(session, sweep, "runs")[1]
        without = chart_rows.chart_rows(session, sweep, "trials")[1]
    assert with_runs[7].runs == (RunRow(0, 0.07), RunRow(1, 0.07))
    assert [trial._replace(runs=()) for trial in with_runs] == without
