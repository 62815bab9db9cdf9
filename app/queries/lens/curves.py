"""Reads learning curves, and what networks did: of the trials and the epochs that a chart draws."""

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.charts.rows import BestRow, DiagnosticsRow, EpochMean, EpochRow
from app.charts.select import CURVES, EPOCHS
from app.db.tables import Diagnostics, Sweep, Trial

EPOCH_MEANS = 30  # epochs of a curve on a heat map
MEASUREMENTS = 20_000  # of networks in a chart, each of all layers


def epoch_means(session: Session, sweep: Sweep, numbers: Sequence[int]) -> list[EpochMean]:
    """The sweep's metric over the runs of each of these trials, after each epoch; of long curves not after each.

    The last epoch of every trial is among them. A run that has stopped early counts with its last epoch as long as
    another one of its trial goes on, and a run that has diverged counts as such from then on.
    """
    statement = text(_EPOCH_MEANS.format(metric=sweep.metric, gap=_GAP))
    rows = session.execute(statement, {"sweep": sweep.id, "numbers": numbers, "points": EPOCH_MEANS})
    return [EpochMean(*row) for row in rows.all()]


def epoch_rows(session: Session, sweep_id: int, *, include_excluded: bool = False) -> list[EpochRow]:
    """Every learning curve of a sweep: of a large one these are a million rows."""
    rows = session.execute(_EPOCHS, {"sweep": sweep_id, "excluded": include_excluded})
    return [EpochRow(*row) for row in rows.all()]


def diagnostics_rows(session: Session, sweep_id: int) -> list[DiagnosticsRow]:
    """All that was measured of a sweep's networks."""
    columns = (getattr(Diagnostics, name) for name in DiagnosticsRow._fields[1:])
    query = select(Trial.number, *columns).join(Diagnostics).where(Trial.sweep_id == sweep_id)
    rows = session.execute(query.order_by(Trial.number, Diagnostics.seed, Diagnostics.epoch))
    return [DiagnosticsRow(*row) for row in rows]


def diagnostics_of(session: Session, ids: Sequence[int], epoch: int | None = None) -> list[DiagnosticsRow]:
    """What was measured of the networks of the trials of these ids: after this epoch, or of very many runs not after
    each, but before the first and after the last one of each run.

    What a bottleneck has, which may be thousands of numbers, is read of the first run of each trial, at its end.
    """
    parameters = {"ids": ids, "epoch": epoch, "rows": MEASUREMENTS}
    return [DiagnosticsRow(*row) for row in session.execute(_DIAGNOSTICS_OF_IDS, parameters)]


def drawn_ids(session: Session, sweep: Sweep, best: BestRow | None, include_excluded: bool) -> tuple[list[int], int]:
    """The ids of the trials whose curves are drawn, and how many trials have curves."""
    best_number = best.number if best else None
    parameters = {"sweep": sweep.id, "best": best_number, "excluded": include_excluded, "half": CURVES // 2}
    statement = text(_DRAWN.format(metric=sweep.metric, sign="-" if sweep.first_objective.maximize else "+"))
    rows = session.execute(statement, parameters).all()
    return [row.id for row in rows], rows[0].curves if rows else 0


def epochs_of(session: Session, ids: Sequence[int]) -> list[EpochRow]:
    """The learning curves of the trials of these ids; of long ones not every epoch, but the last of each run."""
    rows = session.execute(_EPOCHS_OF_IDS, {"ids": ids, "points": EPOCHS - 1})
    return [EpochRow(*row) for row in rows.all()]


_COLUMNS = ", ".join(["t.number", *(f"e.{name}" for name in EpochRow._fields[1:])])

_EPOCHS = text(f"""
    SELECT {_COLUMNS} FROM trials t JOIN epochs e ON e.trial_id = t.id
    WHERE t.sweep_id = :sweep AND (:excluded OR NOT t.excluded) ORDER BY t.number, e.seed, e.epoch
""")

# The best configuration, and the best and the worst trials that have curves, by their value or else the metric of
# their latest epoch; of equal ones the lower number is the better. The metric is a column's name, checked when the
# sweep was posted.
_DRAWN = """
    WITH scored AS MATERIALIZED (
        SELECT t.id, t.number, {sign} coalesce(t.value, (
            SELECT e.{metric} FROM epochs e
            WHERE t.state = 'running' AND e.trial_id = t.id AND e.{metric} IS NOT NULL
            ORDER BY e.epoch DESC LIMIT 1
        )) AS score
        FROM trials t WHERE t.sweep_id = :sweep AND t.epochs_done > 0 AND (:excluded OR NOT t.excluded)
    ), counted AS (
        SELECT count(*) AS curves, CASE WHEN count(*) > 2 * :half THEN :half ELSE 2 * :half END AS best FROM scored
    ), best AS (
        SELECT id FROM scored ORDER BY score NULLS LAST, number LIMIT (SELECT best FROM counted)
    ), worst AS (
        SELECT id FROM scored ORDER BY score DESC NULLS LAST, number DESC LIMIT :half
    )
    SELECT id, curves FROM (
        SELECT id FROM best UNION SELECT id FROM worst
        UNION SELECT id FROM scored WHERE number = CAST(:best AS bigint)
    ) AS drawn, counted
"""

# A statement of its own: as a part of the one above, Postgres would expect thousands of trials and read a million
# epochs. The first and the last epoch of each run are always drawn.
_EPOCHS_OF_IDS = text(f"""
    WITH ends AS MATERIALIZED (
        SELECT trial_id, seed, max(epoch) AS last FROM epochs WHERE trial_id = ANY(:ids) GROUP BY trial_id, seed
    ), steps AS (
        SELECT greatest(1, (max(last) + :points - 1) / :points) AS step FROM ends
    )
    SELECT {_COLUMNS} FROM steps, ends JOIN trials t ON t.id = ends.trial_id
    JOIN epochs e ON e.trial_id = ends.trial_id AND e.seed = ends.seed
    WHERE e.trial_id = ANY(:ids) AND ((e.epoch - 1) % steps.step = 0 OR e.epoch = ends.last)
    ORDER BY t.number, e.seed, e.epoch
""")

_DIAGNOSTICS_OF_IDS = text("""
    WITH ends AS MATERIALIZED (
        SELECT trial_id, seed, max(epoch) AS last, seed = min(seed) OVER (PARTITION BY trial_id) AS is_first
        FROM diagnostics WHERE trial_id = ANY(:ids) GROUP BY trial_id, seed
        HAVING max(epoch) >= coalesce(CAST(:epoch AS int), 0)
    ), epochs AS MATERIALIZED (
        SELECT epoch, row_number() OVER (ORDER BY epoch) - 1 AS place
        FROM (SELECT DISTINCT epoch FROM diagnostics WHERE trial_id = ANY(:ids)) AS measured
    ), steps AS (
        SELECT 1 + (SELECT count(*) FROM ends) * (SELECT count(*) FROM epochs) / :rows AS step
    )
    SELECT t.number, d.seed, d.epoch, d.dead_share, d.activation_rms, d.gradient_rms, d.predicted_classes,
           d.top_class_share, d.distinct_outputs,
           CASE WHEN ends.is_first AND d.epoch = coalesce(CAST(:epoch AS int), ends.last) THEN d.bottleneck END
    FROM steps, ends JOIN trials t ON t.id = ends.trial_id
    JOIN diagnostics d ON d.trial_id = ends.trial_id AND d.seed = ends.seed JOIN epochs ON epochs.epoch = d.epoch
    WHERE d.trial_id = ANY(:ids) AND CASE
        WHEN CAST(:epoch AS int) IS NULL THEN epochs.place % steps.step = 0 OR d.epoch = ends.last
        ELSE d.epoch = :epoch
    END
    ORDER BY t.number, d.seed, d.epoch
""")

# A run diverges by its losses, when its accuracy may still be a number (app.search.curve_cache). A diverged run is
# diverged at every later epoch too, also where no run of its trial came so far. A trial that ended between two epochs
# that are drawn is read at its last one, and stands at the next. Each point is one step in the primary key's index.
_GAP = "CASE WHEN drawn.previous < runs.longest THEN greatest(drawn.epoch - runs.longest, 0) ELSE 0 END"
_EPOCH_MEANS = """
    WITH ends AS MATERIALIZED (
        SELECT t.number, e.trial_id, e.seed, max(e.epoch) AS last
        FROM trials t JOIN epochs e ON e.trial_id = t.id
        WHERE t.sweep_id = :sweep AND t.number = ANY(:numbers) GROUP BY t.number, e.trial_id, e.seed
    ), longest AS (
        SELECT max(last) AS epoch, greatest(1, (max(last) + :points - 1) / :points) AS step FROM ends
    ), drawn AS MATERIALIZED (
        SELECT epoch, coalesce(lag(epoch) OVER (ORDER BY epoch), 0) AS previous FROM (
            SELECT DISTINCT least(1 + step * point, epoch) AS epoch
            FROM longest, generate_series(0, CAST(:points AS int)) AS point
        ) AS points
    ), runs AS (
        SELECT ends.*, max(last) OVER (PARTITION BY trial_id) AS longest FROM ends
    )
    SELECT runs.number, drawn.epoch - {gap}, avg(e.{metric}) FILTER (WHERE NOT diverged),
           stddev_samp(e.{metric}) FILTER (WHERE NOT diverged),
           count(*) FILTER (WHERE NOT diverged), count(*) FILTER (WHERE diverged), {gap}
    FROM runs CROSS JOIN drawn, LATERAL (
        SELECT {metric}, train_loss IS NULL OR val_loss IS NULL OR {metric} IS NULL AS diverged FROM epochs
        WHERE trial_id = runs.trial_id AND seed = runs.seed AND epoch <= drawn.epoch ORDER BY epoch DESC LIMIT 1
    ) AS e
    WHERE drawn.previous < runs.longest OR diverged
    GROUP BY runs.number, runs.longest, drawn.epoch, drawn.previous ORDER BY runs.number, drawn.epoch
"""
