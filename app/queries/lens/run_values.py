"""The values of runs as a lens wants them: of another epoch than the last, or of several."""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.charts.configurations import mean_and_std
from app.charts.lens import MetricLens
from app.charts.rows import RunRow, TrialRow
from app.db.tables import Sweep
from app.domain.configuration import DEFAULTS

MEMORIES = 8  # of a sweep and a metric each, some megabytes for 10,000 trials


class Ended(NamedTuple):
    """What was read of a trial that has ended."""

    end: datetime | None
    runs: Sequence[RunRow]


_NOTHING = Ended(None, ())
_lock = threading.Lock()
_memories: WeakKeyDictionary[object, OrderedDict[Hashable, dict[int, Ended]]] = WeakKeyDictionary()


def with_values(session: Session, sweep: Sweep, trials: Sequence[TrialRow], metric: MetricLens) -> list[TrialRow]:
    """The trials with runs, values and spreads of this metric; those that have no value yet are as they were.

    A trial that was not meant to be trained for so many epochs is left out, and so is one whose curves are not there.
    """
    memory = _memory_of(session, (sweep.id, sweep.metric, sweep.direction, metric.text))
    ends = {trial.number: trial.finished_at for trial in trials if trial.value is not None and trial.finished_at}
    changed_numbers = [number for number, end in ends.items() if memory.get(number, _NOTHING).end != end]
    if changed_numbers:
        runs = _read(session, sweep, metric, changed_numbers)
        memory.update({number: Ended(ends[number], tuple(runs.get(number, ()))) for number in changed_numbers})
    return list(_measured(trials, {number: memory[number].runs for number in ends}, metric))


def _memory_of(session: Session, key: Hashable) -> dict[int, Ended]:
    """The ended trials whose runs were read before: nothing changes of them while they have the same end."""
    with _lock:
        memories = _memories.setdefault(session.get_bind(), OrderedDict())
        memory = memories.setdefault(key, {})
        memories.move_to_end(key)
        while len(memories) > MEMORIES:
            memories.popitem(last=False)
        return memory


def _read(session: Session, sweep: Sweep, metric: MetricLens, numbers: Sequence[int]) -> Mapping[int, list[RunRow]]:
    statement = _BEST if metric.kind == "best" else _AT_RUNS.replace("{pick}", _PICKS[metric.kind])
    bound = {"sweep": sweep.id, "number": metric.number, "numbers": numbers}
    rows = session.execute(text(statement.format(metric=sweep.metric, best=_best(sweep))), bound)
    runs: defaultdict[int, list[RunRow]] = defaultdict(list)
    for number, seed, value in rows:
        runs[number].append(RunRow(seed, value))
    return runs


def _best(sweep: Sweep) -> str:
    return "max" if sweep.first_objective.maximize else "min"


def _measured(
    trials: Sequence[TrialRow], runs: Mapping[int, Sequence[RunRow]], metric: MetricLens
) -> Iterator[TrialRow]:
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
    WHERE t.sweep_id = :sweep AND t.number = ANY(:numbers) AND r.value IS NOT NULL ORDER BY t.number, r.seed
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
    WHERE t.sweep_id = :sweep AND t.number = ANY(:numbers) GROUP BY t.number, e.seed ORDER BY t.number, e.seed
"""
