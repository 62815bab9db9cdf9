"""Reads the rows that charts are drawn from: a sweep's trials with their runs, and learning curves.

A sweep may have 10,000 trials, 30,000 runs and a million epochs: no more is read than a chart shows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic_core import from_json
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.charts.lens import WHOLE, Lens, refuse_metric
from app.charts.options import Query, curves_options, refuse, scatter_options
from app.charts.registry import Chart, Curves, Needs
from app.charts.rows import Axis, BestRow, DiagnosticsRow, EpochMean, EpochRow, RunRow, SweepRow, TrialRow
from app.charts.select import CURVES, EPOCHS, best_and_worst
from app.db.tables import Diagnostics, Sweep, Trial
from app.domain.sampling import traits_of
from app.domain.space import Choice, Range, parse_space
from app.domain.tasks import TASKS
from app.lifecycle.rungs import halving_pruner
from app.queries.best_configurations import best_configurations
from app.queries.binary import read_binary
from app.queries.lens.attempts import attempt_rows, without_names
from app.queries.lens.run_values import with_values
from app.queries.lens.trial_metrics import with_metrics
from app.queries.objective_values import with_objectives

RunsNeeded = Literal["all", "pooled", "valueless", "none"]
_RUNS_NEEDED: Mapping[Needs, RunsNeeded] = {"runs": "all", "pooled": "pooled"}

EPOCH_MEANS = 30  # epochs of a curve on a heat map


def chart_sweep(sweep: Sweep) -> SweepRow:
    """The sweep as charts take it."""
    domains = parse_space(sweep.space, sweep.task).domains
    axes = {
        name: Axis(
            name,
            log=isinstance(domain, Range) and domain.log,
            choices=tuple(domain.values) if isinstance(domain, Choice) else None,
            ends=(float(domain.low), float(domain.high)) if isinstance(domain, Range) else None,
        )
        for name, domain in domains.items()
    }
    dataset = sweep.dataset_info
    return SweepRow(
        name=sweep.name,
        dataset=sweep.dataset,
        split=sweep.split,
        task=sweep.task,
        objective=sweep.first_objective,
        seeds=sweep.seeds,
        axes=axes,
        objectives=sweep.all_objectives if sweep.objectives else (),
        is_grid=traits_of(sweep.sampler).enumerates,
        waits_at_rungs=halving_pruner(sweep) is not None,
        started_at=sweep.started_at,
        diagnostics=sweep.diagnostics,
        target=dataset.target,
        unit=dataset.unit,
        noun=dataset.noun,
    )


def measured_sweep(session: Session, sweep: Sweep, *, include_excluded: bool = False) -> SweepRow:
    """The sweep as charts take it, with its best configuration, and how many excluded trials its rows lack."""
    best = best_configurations(session, [sweep.id]).get(sweep.id)
    excluded = select(func.count()).select_from(Trial).where(Trial.sweep_id == sweep.id, Trial.excluded)
    return replace(
        chart_sweep(sweep),
        best=BestRow(best.number, best.value, best.std, best.runs, best.params, best.test_accuracy) if best else None,
        excluded_trials=0 if include_excluded else session.scalars(excluded).one(),
    )


def chart_rows(
    session: Session,
    sweep: Sweep,
    chart: Chart,
    query: Query | None = None,
    *,
    lens: Lens = WHOLE,
    include_excluded: bool = False,
    names_hosts: bool = True,
) -> tuple[SweepRow, list[TrialRow], Curves]:
    """What the chart is drawn from with these options, and no more: runs and curves only where it shows them.

    Raises InvalidError for options that it can't have.
    """
    row = measured_sweep(session, sweep, include_excluded=include_excluded)
    needs = chart.rows_needed(query or {})
    is_timing = TASKS[sweep.task].is_timing
    if is_timing and needs in ("epochs", "epoch_means", "metrics"):
        needs = "runs"  # it has no curves
    refuse_metric(lens, "timings" if is_timing else needs)
    if needs == "epochs" and (numbers := curves_options(row, query or {}).trials):
        ids = _known_ids(session, sweep, [*numbers])
        return row, trial_rows(session, sweep.id, include_excluded=True, runs="none", ids=ids), _epochs_of(session, ids)
    if needs in ("epochs", "diagnostics") and not lens.chooses:
        ids, trials_with_curves = _drawn_trials(session, sweep, row.best, include_excluded)
        trials = trial_rows(session, sweep.id, include_excluded=include_excluded, runs="none", ids=ids)
        return replace(row, trials_with_curves=trials_with_curves), trials, _curves(session, sweep, needs, ids)
    runs = seen_runs(_RUNS_NEEDED.get(needs, "none"), lens)
    trials = trial_rows(session, sweep.id, include_excluded=include_excluded, runs=runs)
    if lens.metric.kind != "last":
        trials = with_values(session, sweep, trials, lens.metric, sweep.first_objective)
    if lens != WHOLE:
        row, trials = lens.through(row, trials)
    if needs in ("epochs", "diagnostics"):
        with_curves = [trial for trial in trials if trial.epochs > 0]
        drawn_trials = best_and_worst(row, with_curves)
        ids = _ids_of(session, sweep, [trial.number for trial in drawn_trials])
        return replace(row, trials_with_curves=len(with_curves)), drawn_trials, _curves(session, sweep, needs, ids)
    if needs == "epoch_means":
        return row, trials, epoch_means(session, sweep, chart.picked_trials(row, trials, query or {}))
    if needs == "attempts":
        attempts = attempt_rows(session, sweep.id, waits_at_rungs=row.waits_at_rungs)
        return row, trials, attempts if names_hosts else without_names(attempts)
    if needs == "metrics":
        names = scatter_options(row, query or {}).metrics(row)
        return row, with_metrics(session, sweep, trials, names, lens.metric), []
    return row, with_objectives(session, sweep, trials) if needs == "objectives" else trials, []


def seen_runs(runs: RunsNeeded, lens: Lens) -> RunsNeeded:
    """The runs to read before the lens gives others to trials that have a value."""
    return "valueless" if runs != "none" and lens.metric.kind != "last" else runs


def _curves(session: Session, sweep: Sweep, needs: Needs, ids: Sequence[int]) -> Curves:
    return _epochs_of(session, ids) if needs == "epochs" else diagnostics_rows(session, sweep.id, ids)


def _ids_of(session: Session, sweep: Sweep, numbers: Sequence[int]) -> list[int]:
    return [*session.scalars(select(Trial.id).where(Trial.sweep_id == sweep.id, Trial.number.in_(numbers)))]


def _known_ids(session: Session, sweep: Sweep, numbers: Sequence[int]) -> list[int]:
    """The ids of the trials that a query string names. Raises InvalidError where there is no such trial."""
    last = session.scalar(select(func.max(Trial.number)).where(Trial.sweep_id == sweep.id))
    unknown_numbers = [number for number in numbers if last is None or number > last]
    if unknown_numbers:
        numbers_text = " or ".join(map(str, unknown_numbers))
        there_are = "it has none yet" if last is None else f"its trials are 0 to {last}"
        refuse("trials", f"the sweep has no trial {numbers_text}; {there_are}")
    return _ids_of(session, sweep, numbers)


def epoch_means(session: Session, sweep: Sweep, numbers: Sequence[int]) -> list[EpochMean]:
    """The sweep's metric over the runs of each of these trials, after each epoch; of long curves not after each.

    A run that has stopped early counts with its last epoch as long as another one of its trial goes on, and a run that
    has diverged counts as such from then on.
    """
    statement = text(_EPOCH_MEANS.format(metric=sweep.metric))
    rows = session.execute(statement, {"sweep": sweep.id, "numbers": numbers, "points": EPOCH_MEANS})
    return [EpochMean(*row) for row in rows.all()]


def trial_rows(
    session: Session,
    sweep_id: int,
    *,
    include_excluded: bool = False,
    runs: RunsNeeded = "all",
    ids: Sequence[int] | None = None,
) -> list[TrialRow]:
    """The trials of a sweep or those of these ids, by number, with their runs.

    runs: `pooled` for those of configurations with several trials alone, whose values are means over all of them;
    `valueless` for those of trials without a value alone.
    """
    parameters = {"sweep": sweep_id, "excluded": include_excluded, "ids": ids}
    rows = read_binary(session, _TRIALS if ids is None else _TRIALS_OF_IDS, parameters)
    if not rows:
        return []
    runs_by_trial: defaultdict[int, list[RunRow]] = defaultdict(list)
    for trial_id, seed, run_value, error in _runs(session, runs, parameters):
        runs_by_trial[trial_id].append(RunRow(seed, run_value, error))
    # a column at a time, without a loop in Python over each trial
    trial_ids, params_texts, *columns = zip(*rows, strict=True)
    number, state, value, std, finished_at, epochs, configuration, excluded, errors, facts_texts, *further = columns
    params = map(from_json, params_texts)  # json.loads takes twice as long
    runs_of_trials = (tuple(runs_by_trial.get(trial_id, ())) for trial_id in trial_ids)
    circumstances = (from_json(facts_text) if facts_text else None for facts_text in facts_texts)
    facts = (finished_at, epochs, configuration, excluded, errors, circumstances, *further)
    return list(map(TrialRow, number, state, params, value, std, runs_of_trials, *facts))


def epoch_rows(session: Session, sweep_id: int, *, include_excluded: bool = False) -> list[EpochRow]:
    """Every learning curve of a sweep: of a large one these are a million rows."""
    rows = session.execute(_EPOCHS, {"sweep": sweep_id, "excluded": include_excluded})
    return [EpochRow(*row) for row in rows.all()]


def diagnostics_rows(session: Session, sweep_id: int, ids: Sequence[int] | None = None) -> list[DiagnosticsRow]:
    """What was measured of a sweep's networks, of all its trials or of those of these ids."""
    columns = (getattr(Diagnostics, name) for name in DiagnosticsRow._fields[1:])
    query = select(Trial.number, *columns).join(Diagnostics).where(Trial.sweep_id == sweep_id)
    if ids is not None:
        query = query.where(Trial.id.in_(ids))
    rows = session.execute(query.order_by(Trial.number, Diagnostics.seed, Diagnostics.epoch))
    return [DiagnosticsRow(*row) for row in rows]


def _drawn_trials(
    session: Session, sweep: Sweep, best: BestRow | None, include_excluded: bool
) -> tuple[list[int], int]:
    """The ids of the trials whose curves are drawn, and how many trials have curves."""
    best_number = best.number if best else None
    parameters = {"sweep": sweep.id, "best": best_number, "excluded": include_excluded, "half": CURVES // 2}
    statement = text(_DRAWN.format(metric=sweep.metric, sign="-" if sweep.first_objective.maximize else "+"))
    rows = session.execute(statement, parameters).all()
    return [row.id for row in rows], rows[0].curves if rows else 0


def _epochs_of(session: Session, ids: Sequence[int]) -> list[EpochRow]:
    rows = session.execute(_EPOCHS_OF_IDS, {"ids": ids, "points": EPOCHS - 1})
    return [EpochRow(*row) for row in rows.all()]


def _runs(session: Session, runs_needed: RunsNeeded, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    if runs_needed == "none":
        return []
    return read_binary(session, _RUNS_STATEMENTS[runs_needed], parameters)


# Copied are all epochs of a trial that took over another one's result, and those of the trial that it goes on from: but
# where that one's checkpoint was gone it began anew, and its first epoch took another time.
_TRIALS_WHERE = """
    SELECT t.id, coalesce(CAST(t.params AS text), '{{}}'), t.number, CAST(t.state AS text), t.value, t.std,
           t.finished_at, t.epochs_done, t.configuration, t.excluded, t.error, CAST(t.circumstances AS text),
           t.started_at, CASE
               WHEN t.continued_from IS NOT NULL THEN coalesce((
                   SELECT s.epochs_done FROM trials s
                   JOIN epochs e ON e.trial_id = s.id AND e.seed = s.first_seed AND e.epoch = 1
                   JOIN epochs c ON c.trial_id = t.id AND c.seed = s.first_seed AND c.epoch = 1
                   WHERE s.sweep_id = t.sweep_id AND s.number = t.continued_from AND c.seconds = e.seconds
               ), 0)
               WHEN t.state = 'complete' AND t.reason LIKE 'same configuration as trial %%' THEN t.epochs_done
               ELSE 0
           END
    FROM trials t
    WHERE {where} AND (%(excluded)s OR NOT t.excluded) AND t.state <> 'infeasible' ORDER BY t.number
"""
_TRIALS = _TRIALS_WHERE.format(where="t.sweep_id = %(sweep)s")
_TRIALS_OF_IDS = _TRIALS_WHERE.format(where="t.id = ANY(%(ids)s)")

_RUNS = """
    SELECT r.trial_id, r.seed, r.value, r.error FROM trials t JOIN runs r ON r.trial_id = t.id
    WHERE t.sweep_id = %(sweep)s ORDER BY r.trial_id, r.seed
"""

_POOLED_RUNS = """
    SELECT r.trial_id, r.seed, r.value, r.error FROM trials t JOIN runs r ON r.trial_id = t.id
    WHERE t.sweep_id = %(sweep)s AND t.configuration IN (
        SELECT configuration FROM trials WHERE sweep_id = %(sweep)s GROUP BY configuration HAVING count(*) > 1
    ) ORDER BY r.trial_id, r.seed
"""

_VALUELESS_RUNS = """
    SELECT r.trial_id, r.seed, r.value, r.error FROM trials t JOIN runs r ON r.trial_id = t.id
    WHERE t.sweep_id = %(sweep)s AND t.value IS NULL ORDER BY r.trial_id, r.seed
"""

_RUNS_STATEMENTS: Mapping[RunsNeeded, str] = {"all": _RUNS, "pooled": _POOLED_RUNS, "valueless": _VALUELESS_RUNS}

_COLUMNS = (
    "t.number, e.seed, e.epoch, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, "
    "e.train_r2, e.train_mae, e.val_r2, e.val_mae"
)

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
# epochs. The first and the last epoch are always drawn.
_EPOCHS_OF_IDS = text(f"""
    WITH longest AS MATERIALIZED (
        SELECT max(epoch) AS epoch, greatest(1, (max(epoch) + :points - 1) / :points) AS step
        FROM epochs WHERE trial_id = ANY(:ids)
    )
    SELECT {_COLUMNS} FROM trials t JOIN epochs e ON e.trial_id = t.id, longest
    WHERE t.id = ANY(:ids) AND ((e.epoch - 1) % longest.step = 0 OR e.epoch = longest.epoch)
    ORDER BY t.number, e.seed, e.epoch
""")

# A run diverges by its losses, when its accuracy may still be a number (app.search.curve_cache). A diverged run is
# diverged at every later epoch too, also where no run of its trial came so far. Each point is one step in the primary
# key's index.
_EPOCH_MEANS = """
    WITH ends AS MATERIALIZED (
        SELECT t.number, e.trial_id, e.seed, max(e.epoch) AS last
        FROM trials t JOIN epochs e ON e.trial_id = t.id
        WHERE t.sweep_id = :sweep AND t.number = ANY(:numbers) GROUP BY t.number, e.trial_id, e.seed
    ), longest AS (
        SELECT max(last) AS epoch, greatest(1, (max(last) + :points - 1) / :points) AS step FROM ends
    ), drawn AS MATERIALIZED (
        SELECT DISTINCT least(1 + step * point, epoch) AS epoch
        FROM longest, generate_series(0, CAST(:points AS int)) AS point
    ), runs AS (
        SELECT ends.*, max(last) OVER (PARTITION BY trial_id) AS longest FROM ends
    )
    SELECT runs.number, drawn.epoch, avg(e.{metric}) FILTER (WHERE NOT diverged),
           stddev_samp(e.{metric}) FILTER (WHERE NOT diverged),
           count(*) FILTER (WHERE NOT diverged), count(*) FILTER (WHERE diverged)
    FROM runs CROSS JOIN drawn, LATERAL (
        SELECT {metric}, train_loss IS NULL OR val_loss IS NULL OR {metric} IS NULL AS diverged FROM epochs
        WHERE trial_id = runs.trial_id AND seed = runs.seed AND epoch <= drawn.epoch ORDER BY epoch DESC LIMIT 1
    ) AS e
    WHERE drawn.epoch <= runs.longest OR diverged
    GROUP BY runs.number, drawn.epoch ORDER BY runs.number, drawn.epoch
"""
