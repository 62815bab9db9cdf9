"""The values of runs as a lens wants them: of another epoch than the last, or of several."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.charts.configurations import mean_and_std
from app.charts.lens import MetricLens
from app.charts.rows import RunRow, TrialRow
from app.db.tables import Sweep
from app.domain.configuration import DEFAULTS


def with_values(session: Session, sweep: Sweep, trials: Sequence[TrialRow], metric: MetricLens) -> list[TrialRow]:
    """The trials with runs, values and spreads of this metric; those that have no value yet are as they were.

    A trial that was not meant to be trained for so many epochs is left out, and so is one whose curves are not there.
    """
    statement = _BEST if metric.kind == "best" else _AT_RUNS.replace("{pick}", _PICKS[metric.kind])
    bound = {"sweep": sweep.id, "number": metric.number}
    rows = session.execute(text(statement.format(metric=sweep.metric, best=_best(sweep))), bound)
    runs: defaultdict[int, list[RunRow]] = defaultdict(list)
    for number, seed, value in rows:
        runs[number].append(RunRow(seed, value))
    return list(_measured(trials, runs, metric))


def _best(sweep: Sweep) -> str:
    return "max" if sweep.first_objective.maximize else "min"


def _measured(trials: Sequence[TrialRow], runs: dict[int, list[RunRow]], metric: MetricLens) -> Iterator[TrialRow]:
    for trial in trials:
        if metric.kind == "at_epoch" and int(str(trial.params.get("epochs", DEFAULTS["epochs"]))) < metric.number:
            continue
        values = [run.value for run in runs.get(trial.number, ()) if run.value is not None]
        if trial.value is None:
            yield trial
        elif values:
            mean, std = mean_and_std(values)
            yield trial._replace(value=mean, std=std, runs=tuple(runs[trial.number]))


# Each run by a step in the index. A run that stopped early has its last epoch at every later one.
_AT_RUNS = """
    SELECT t.number, r.seed, e.value FROM trials t JOIN runs r ON r.trial_id = t.id, LATERAL ({pick}) AS e
    WHERE t.sweep_id = :sweep AND r.value IS NOT NULL ORDER BY t.number, r.seed
"""
_PICKS = {
    "mean_last": """
        SELECT avg({metric}) AS value FROM (
            SELECT {metric} FROM epochs WHERE trial_id = r.trial_id AND seed = r.seed
            ORDER BY epoch DESC LIMIT :number
        ) AS last_epochs
    """,
    "at_epoch": """
        SELECT {metric} AS value FROM epochs
        WHERE trial_id = r.trial_id AND seed = r.seed AND epoch <= :number ORDER BY epoch DESC LIMIT 1
    """,
}

# All epochs in one pass: a million of them, run by run, take five times as long.
_BEST = """
    SELECT t.number, e.seed, {best}(e.{metric}) AS value FROM trials t JOIN epochs e ON e.trial_id = t.id
    WHERE t.sweep_id = :sweep AND t.value IS NOT NULL GROUP BY t.number, e.seed ORDER BY t.number, e.seed
"""
