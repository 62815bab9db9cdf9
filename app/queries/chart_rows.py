"""Reads the rows that charts are drawn from: a sweep, its trials with their runs, and what else a chart needs.

A sweep may have 100,000 trials, several runs of each and millions of epochs: no more is read than a chart shows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic_core import from_json
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.charts.lens import WHOLE, Lens, refuse_metric, refuse_objective
from app.charts.options import Query, curves_options, diagnostics_options, refuse, scatter_options
from app.charts.registry import Chart, Curves, Needs
from app.charts.rows import Axis, BestRow, RunRow, SweepRow, TrialRow
from app.charts.select import best_and_worst
from app.db.tables import Sweep, Trial
from app.domain.sampling import traits_of
from app.domain.space import Choice, Range, parse_space
from app.domain.tasks import TASKS
from app.lifecycle.best import without_mean
from app.lifecycle.rungs import halving_pruner
from app.queries.best_configurations import best_configurations
from app.queries.binary import read_binary
from app.queries.lens import curves
from app.queries.lens.attempts import attempt_rows, without_names
from app.queries.lens.trial_metrics import through_metric, with_metrics
from app.queries.objective_values import with_objectives

RunsNeeded = Literal["all", "pooled", "valueless", "none"]
_RUNS_NEEDED: Mapping[Needs, RunsNeeded] = {"runs": "all", "pooled": "pooled"}


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
    refuse_objective(lens, needs)
    if needs == "epochs" and (numbers := curves_options(row, query or {}).trials):
        ids = _known_ids(session, sweep, [*numbers])
        trials = trial_rows(session, sweep.id, include_excluded=True, runs="none", ids=ids)
        return row, trials, curves.epochs_of(session, ids)
    if needs in ("epochs", "diagnostics") and not lens.chooses:
        ids, trials_with_curves = curves.drawn_ids(session, sweep, row.best, include_excluded)
        trials = trial_rows(session, sweep.id, include_excluded=include_excluded, runs="none", ids=ids)
        row = replace(row, trials_with_curves=trials_with_curves)
        return row, trials, _curves(session, row, needs, ids, query or {})
    runs = seen_runs(_RUNS_NEEDED.get(needs, "none"), lens)
    trials = trial_rows(session, sweep.id, include_excluded=include_excluded, runs=runs)
    row, trials = through_metric(session, sweep, row, trials, lens)
    if lens != WHOLE:
        row, trials = lens.through(row, trials)
    if needs in ("epochs", "diagnostics"):
        with_curves = [trial for trial in trials if trial.epochs > 0]
        drawn_trials = best_and_worst(row, with_curves)
        ids = _ids_of(session, sweep, [trial.number for trial in drawn_trials])
        row = replace(row, trials_with_curves=len(with_curves))
        return row, drawn_trials, _curves(session, row, needs, ids, query or {})
    if needs == "epoch_means":
        return row, trials, curves.epoch_means(session, sweep, chart.picked_trials(row, trials, query or {}))
    if needs == "attempts":
        attempts = attempt_rows(session, sweep.id, waits_at_rungs=row.waits_at_rungs)
        return row, trials, attempts if names_hosts else without_names(attempts)
    if needs == "metrics":
        names = scatter_options(row, query or {}).metrics(row)
        return row, with_metrics(session, sweep, trials, names, lens.metric), []
    return row, with_objectives(session, sweep, trials) if needs == "objectives" else trials, []


def seen_runs(runs: RunsNeeded, lens: Lens) -> RunsNeeded:
    """The runs to read before the lens gives others to trials that have a value."""
    return "valueless" if runs != "none" and not lens.is_of_own_values else runs


def _curves(session: Session, sweep: SweepRow, needs: Needs, ids: Sequence[int], query: Query) -> Curves:
    if needs == "epochs":
        return curves.epochs_of(session, ids)
    return curves.diagnostics_of(session, ids, diagnostics_options(sweep, query).epoch)


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
           END, coalesce(t.configuration IN ({without_mean}), false)
    FROM trials t
    WHERE {where} AND (%(excluded)s OR NOT t.excluded) AND t.state <> 'infeasible' ORDER BY t.number
"""
_WITHOUT_MEAN = without_mean("%(sweep)s")
_TRIALS = _TRIALS_WHERE.format(where="t.sweep_id = %(sweep)s", without_mean=_WITHOUT_MEAN)
_TRIALS_OF_IDS = _TRIALS_WHERE.format(where="t.id = ANY(%(ids)s)", without_mean=_WITHOUT_MEAN)

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
