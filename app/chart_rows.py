"""The rows that charts are drawn from: a sweep's trials with their runs, and the learning curves that are drawn.

A sweep may have 10,000 trials and a million epochs. Trials are read in one statement, a row each; of curves no more is
read than a chart shows.
"""

import json

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.charts.rows import Axis, EpochRow, RunRow, SweepRow, TrialRow
from app.charts.select import CURVES, EPOCHS
from app.fronts import objectives
from app.models import Sweep
from app.space import Choice, Range, parse_space


def sweep_row(sweep: Sweep) -> SweepRow:
    """What charts need to know of a sweep."""
    domains = parse_space(sweep.space).domains
    axes = {
        name: Axis(
            name,
            log=isinstance(domain, Range) and domain.log,
            choices=tuple(domain.values) if isinstance(domain, Choice) else None,
        )
        for name, domain in domains.items()
    }
    return SweepRow(
        name=sweep.name,
        dataset=sweep.dataset,
        split=sweep.split,
        metric=sweep.metric,
        maximize=sweep.direction == "maximize",
        seeds=sweep.seeds,
        axes=axes,
        objectives=objectives(sweep),
    )


def trial_rows(session: Session, sweep_id: int, *, include_excluded: bool = False) -> list[TrialRow]:
    """The trials of a sweep with their runs, for charts and for what learns from them."""
    rows = session.execute(_TRIALS, {"sweep": sweep_id, "excluded": include_excluded}).all()
    # parsed at once: ten thousand calls of the parser would take longer than the statement
    params = json.loads("[" + ",".join([row[0] for row in rows]) + "]")
    # by place: ten thousand rows have a hundred thousand fields, and looking them up by name takes as long as the rest
    return [
        TrialRow(number, state, chosen, value, std, tuple(map(RunRow, *runs)) if runs[0] else (), finished_at, epochs)
        for (_, number, state, value, std, finished_at, epochs, *runs), chosen in zip(rows, params, strict=True)
    ]


def epoch_rows(session: Session, sweep_id: int, *, include_excluded: bool = False) -> list[EpochRow]:
    """Every learning curve of a sweep: of a large one these are a million rows."""
    rows = session.execute(_EPOCHS, {"sweep": sweep_id, "excluded": include_excluded})
    return [EpochRow(*row) for row in rows.all()]


def drawn_epoch_rows(session: Session, sweep: Sweep, *, include_excluded: bool = False) -> list[EpochRow]:
    """The curves that a chart shows: of the best and the worst trials, and of long ones not every epoch.

    A trial that has no value yet counts with its metric in its latest epoch; one that failed comes behind all others.
    """
    given = {"sweep": sweep.id, "excluded": include_excluded, "half": CURVES // 2, "points": EPOCHS - 1}
    statement = text(_DRAWN.format(metric=sweep.metric, sign="-" if sweep.direction == "maximize" else "+"))
    return [EpochRow(*row) for row in session.execute(statement, given).all()]


_TRIALS = text("""
    SELECT coalesce(CAST(t.params AS text), '{}'), t.number, CAST(t.state AS text), t.value, t.std,
           t.finished_at, t.epochs_done, r.seeds, r.run_values, r.errors
    FROM trials t LEFT JOIN (
        SELECT r.trial_id, array_agg(r.seed ORDER BY r.seed) AS seeds,
               array_agg(r.value ORDER BY r.seed) AS run_values, array_agg(r.error ORDER BY r.seed) AS errors
        FROM runs r JOIN trials t ON t.id = r.trial_id WHERE t.sweep_id = :sweep GROUP BY r.trial_id
    ) AS r ON r.trial_id = t.id
    WHERE t.sweep_id = :sweep AND (:excluded OR NOT t.excluded) AND t.state <> 'infeasible' ORDER BY t.number
""")

_COLUMNS = "t.number, e.seed, e.epoch, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy"

_EPOCHS = text(f"""
    SELECT {_COLUMNS} FROM trials t JOIN epochs e ON e.trial_id = t.id
    WHERE t.sweep_id = :sweep AND (:excluded OR NOT t.excluded) ORDER BY t.number, e.seed, e.epoch
""")

# The metric is a column's name, checked when the sweep was posted. The first and the last epoch are always drawn.
_DRAWN = f"""
    WITH scored AS (
        SELECT t.id, t.number, {{sign}} coalesce(t.value, (
            SELECT e.{{metric}} FROM epochs e
            WHERE t.state = 'running' AND e.trial_id = t.id AND e.{{metric}} IS NOT NULL
            ORDER BY e.epoch DESC LIMIT 1
        )) AS score
        FROM trials t WHERE t.sweep_id = :sweep AND t.epochs_done > 0 AND (:excluded OR NOT t.excluded)
    ), ranked AS (
        SELECT id, number, count(*) OVER () AS trials,
               row_number() OVER (ORDER BY score NULLS LAST, number) AS from_best,
               row_number() OVER (ORDER BY score DESC NULLS LAST, number DESC) AS from_worst
        FROM scored
    ), shown AS MATERIALIZED (
        SELECT id, number FROM ranked WHERE from_best <= :half OR from_worst <= :half OR trials <= 2 * :half
    ), longest AS MATERIALIZED (
        SELECT max(epoch) AS epoch, greatest(1, (max(epoch) + :points - 1) / :points) AS step
        FROM epochs WHERE trial_id IN (SELECT id FROM shown)
    )
    SELECT {_COLUMNS} FROM shown t JOIN epochs e ON e.trial_id = t.id, longest
    WHERE (e.epoch - 1) % longest.step = 0 OR e.epoch = longest.epoch
    ORDER BY t.number, e.seed, e.epoch
"""
