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
from app.domain.objectives import Objective
from app.queries.binary import read_binary

SPARSE = 2  # a sweep's trials are, where their ids span so many times their number
FEW = 1_000  # trials are looked up by their numbers, also where they are all that the caller has: a page of a table
MEMORIES = 16  # of a sweep and a metric each, some megabytes for 10,000 trials


class Ended(NamedTuple):
    """What was read of a trial that has ended."""

    end: datetime | None
    runs: Sequence[RunRow]


_NOTHING = Ended(None, ())
_lock = threading.Lock()
_memories: WeakKeyDictionary[object, OrderedDict[Hashable, dict[int, Ended]]] = WeakKeyDictionary()


def with_values(
    session: Session, sweep: Sweep, trials: Sequence[TrialRow], lens: MetricLens, objective: Objective
) -> list[TrialRow]:
    """The trials with runs, values and spreads of this metric; those that have no value yet are as they were.

    A trial that was not meant to be trained for so many epochs is left out, and so is one whose curves are not there.
    """
    memory = _memory_of(session, (sweep.id, objective, lens))
    ends = {trial.number: trial.finished_at for trial in trials if trial.value is not None and trial.finished_at}
    changed_numbers = [number for number, end in ends.items() if memory.get(number, _NOTHING).end != end]
    if changed_numbers:
        is_whole = len(changed_numbers) == len(ends) > FEW  # then their numbers need not be sent and looked up
        runs = _read(session, sweep.id, lens, objective, None if is_whole else changed_numbers)
        memory.update({number: Ended(ends[number], tuple(runs.get(number, ()))) for number in changed_numbers})
    return list(_measured(trials, {number: memory[number].runs for number in ends}, lens))


def _memory_of(session: Session, key: Hashable) -> dict[int, Ended]:
    """The ended trials whose runs were read before: nothing changes of them while they have the same end."""
    with _lock:
        memories = _memories.setdefault(session.get_bind(), OrderedDict())
        memory = memories.setdefault(key, {})
        memories.move_to_end(key)
        while len(memories) > MEMORIES:
            memories.popitem(last=False)
        return memory


def _read(
    session: Session, sweep_id: int, lens: MetricLens, objective: Objective, numbers: Sequence[int] | None
) -> Mapping[int, list[RunRow]]:
    statement = _STATEMENTS[lens.kind]
    names = {"metric": objective.metric, "best": "max" if objective.maximize else "min"}
    bound: dict[str, object] = {"sweep": sweep_id, "number": lens.number, "numbers": numbers}
    if lens.kind == "best" and numbers is None:
        first, last, count = session.execute(_IDS, {"sweep": sweep_id}).one()
        if last - first < SPARSE * count:
            statement, bound = _BEST_OF_RANGE, {"sweep": sweep_id, "first": first, "last": last}
    runs: defaultdict[int, list[RunRow]] = defaultdict(list)
    for number, seed, value in read_binary(session, statement.format(**names), bound):
        runs[number].append(RunRow(seed, value))
    return runs


def _measured(trials: Sequence[TrialRow], runs: Mapping[int, Sequence[RunRow]], lens: MetricLens) -> Iterator[TrialRow]:
    for trial in trials:
        if lens.kind == "at_epoch" and int(str(trial.params.get("epochs", DEFAULTS["epochs"]))) < lens.number:
            continue
        values = [run.value for run in runs.get(trial.number, ()) if run.value is not None]
        if trial.value is None:
            yield trial
        elif values:
            mean, std = mean_and_std(values)
            yield trial._replace(value=mean, std=std, runs=tuple(runs[trial.number]))


_OF_TRIALS = "t.sweep_id = %(sweep)s AND (%(numbers)s::bigint[] IS NULL OR t.number = ANY(%(numbers)s::bigint[]))"

# Each run by a step in the index.
_PICKED = f"""
    SELECT t.number, r.seed, e.value FROM trials t JOIN runs r ON r.trial_id = t.id, LATERAL ({{pick}}) AS e
    WHERE {_OF_TRIALS} AND r.value IS NOT NULL ORDER BY t.number, r.seed
"""
_PICKS = {
    "last": """
        SELECT {metric} AS value FROM epochs WHERE trial_id = r.trial_id AND seed = r.seed ORDER BY epoch DESC LIMIT 1
    """,
    "mean_last": """
        SELECT avg({metric}) AS value FROM (
            SELECT {metric} FROM epochs WHERE trial_id = r.trial_id AND seed = r.seed
            ORDER BY epoch DESC LIMIT %(number)s
        ) AS last_epochs
    """,
}

# A run that stopped early has its last epoch at every later one; few do, and only these are looked for.
_AT_EPOCH = f"""
    SELECT t.number, r.seed, coalesce(e.{{metric}}, (
        SELECT {{metric}} FROM epochs
        WHERE trial_id = r.trial_id AND seed = r.seed AND epoch <= %(number)s ORDER BY epoch DESC LIMIT 1
    )) AS value
    FROM trials t JOIN runs r ON r.trial_id = t.id
    LEFT JOIN epochs e ON e.trial_id = r.trial_id AND e.seed = r.seed AND e.epoch = %(number)s
    WHERE {_OF_TRIALS} AND r.value IS NOT NULL ORDER BY t.number, r.seed
"""

# All epochs in one pass: a million of them, run by run, take five times as long.
_BEST = f"""
    SELECT t.number, e.seed, {{best}}(e.{{metric}}) AS value FROM trials t JOIN epochs e ON e.trial_id = t.id
    WHERE {_OF_TRIALS} GROUP BY t.number, e.seed ORDER BY t.number, e.seed
"""

# The same where hardly another sweep has ids between those of the trials: not each epoch's trial has to be looked up.
_BEST_OF_RANGE = """
    SELECT t.number, e.seed, e.value FROM trials t JOIN (
        SELECT trial_id, seed, {best}({metric}) AS value FROM epochs
        WHERE trial_id BETWEEN %(first)s AND %(last)s GROUP BY trial_id, seed
    ) AS e ON e.trial_id = t.id
    WHERE t.sweep_id = %(sweep)s ORDER BY t.number, e.seed
"""
_IDS = text("SELECT min(id), max(id), count(*) FROM trials WHERE sweep_id = :sweep")

_STATEMENTS = {
    "best": _BEST,
    "at_epoch": _AT_EPOCH,
    **{kind: _PICKED.replace("{pick}", pick) for kind, pick in _PICKS.items()},
}
