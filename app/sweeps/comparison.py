"""Compares sweeps: their setups field by field, and their best configurations where values mean the same."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app import queries, schemas
from app.domain.formatting import domain, plural, setting
from app.domain.space import parse_space
from app.domain.states import ENDED_SWEEPS
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.schemas.comparisons import BestGap, Comparison, SetupRow

MOST_SWEEPS = 8  # side by side

# What has to be equal for values to mean the same, and what to call it.
_BASIS = {"task": "task", "dataset": "data set", "split": "split", "objective": "metric or direction"}
_FIELDS = (
    *("task", "dataset", "split", "objective", "objectives", "constraints", "sampler", "pruner", "n_trials", "seeds"),
    *("warm_start", "repeats", "best_by", "stop", "seed", "diagnostics", "keep_models", "device"),
)
_ABSENT = "–"


def compare(session: Session, sweep_ids: Sequence[int]) -> Comparison:
    """These sweeps side by side. Raises NotFoundError."""
    sweeps = queries.summaries(session, [sweep_row.get(session, sweep_id) for sweep_id in sweep_ids])
    setup = _setup_rows([_setup(sweep) for sweep in sweeps])
    reasons = [_reason(row) for row in setup if row.field in _BASIS and row.differs]
    return Comparison(
        sweeps=sweeps,
        setup=setup,
        not_comparable=reasons,
        remarks=[] if reasons else list(_remarks(sweeps)),
        gaps=[] if reasons else _gaps(sweeps),
    )


def _reason(row: SetupRow) -> str:
    values = " and ".join(dict.fromkeys(row.values))
    return f"They differ in {_BASIS[row.field]} ({values}): their values are not of the same thing."


def _setup(sweep: schemas.SweepOut) -> dict[str, str]:
    """How the sweep has each field, in words; a hyperparameter that its space leaves out has its usual value."""
    task = TASKS[sweep.task]
    space = parse_space(sweep.space, sweep.task)
    usual = {name: setting(entry.default) for name, entry in task.hyperparameters.items() if entry.default is not None}
    worded = {name: domain(values) for name, values in space.domains.items()}
    for name, parents in space.conditions.items():
        conditions = (f"{parent} is {' or '.join(map(setting, values))}" for parent, values in parents.items())
        worded[name] += f", where {' and '.join(conditions)}"
    fields = {name: _words(getattr(sweep, name)) for name in _FIELDS}
    fields["objective"] = f"{sweep.objective.metric}, {sweep.objective.direction}"
    fields |= {f"space.{name}": text for name, text in {**usual, **worded}.items()}
    return fields | {f"environment.{name}": _words(fact) for name, fact in sweep.environment.items()}


def _words(value: Any) -> str:
    """A field of the body as a person would say it."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, Mapping):
        first = [str(value["name"])] if "name" in value else []
        return ", ".join([*first, *(f"{name} {_words(entry)}" for name, entry in value.items() if name != "name")])
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return setting(value)


def _setup_rows(setups: Sequence[Mapping[str, str]]) -> list[SetupRow]:
    names = dict.fromkeys(name for setup in setups for name in setup)
    rows = ((name, [setup.get(name, _ABSENT) for setup in setups]) for name in names)
    return [SetupRow(field=name, values=values, differs=len(set(values)) > 1) for name, values in rows]


def _remarks(sweeps: Sequence[schemas.SweepOut]) -> Iterator[str]:
    for sweep in sweeps:
        if sweep.state not in ENDED_SWEEPS:
            yield f"{sweep.name} is {sweep.state}: its best may still change."
        if sweep.best is None:
            yield f"{sweep.name} has no complete trial."
        elif sweep.best.std is None:
            yield f"The best of {sweep.name} ran once: nothing is known of its noise."
    if TASKS[sweeps[0].task].is_timing and any(sweep.environment != sweeps[0].environment for sweep in sweeps):
        yield "They were not timed on the same machines with the same versions."
    counts = [sweep.counts.complete for sweep in sweeps]
    if max(counts) > 2 * max(1, min(counts)):
        trials = " and ".join(plural(count, "complete trial") for count in counts)
        yield f"Chosen from {trials}: the best of more trials tends to be better, by luck too."


def _gaps(sweeps: Sequence[schemas.SweepOut]) -> list[BestGap]:
    """How far each best configuration is behind the best of them."""
    bests = [(sweep, sweep.best) for sweep in sweeps if sweep.best is not None]
    if len(bests) < 2:
        return []
    sign = 1 if sweeps[0].objective.direction == "maximize" else -1
    leader = max((best for _, best in bests), key=lambda best: sign * best.value)
    return [
        BestGap(
            sweep=sweep.id,
            behind=sign * (leader.value - best.value),
            standard_error=None if best is leader else _standard_error(leader, best),
        )
        for sweep, best in bests
    ]


def _standard_error(*bests: schemas.Best) -> float | None:
    if any(best.std is None for best in bests):
        return None
    return math.sqrt(math.fsum((best.std or 0.0) ** 2 / best.runs for best in bests))
