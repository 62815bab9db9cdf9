"""A configuration as text to take along: JSON, Python, or a command that trains it again."""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any, NamedTuple

from app import schemas
from app.domain.formatting import plural, score


class Copy(NamedTuple):
    """What a button copies."""

    label: str
    text: str


def copies(sweep: schemas.SweepOut, address: str) -> list[Copy]:
    """The best configuration of a sweep in each form; `address` is that of the service."""
    best = sweep.best
    if best is None:
        return []
    value = score(best.value, best.std, sweep.objective.metric)
    runs = plural(best.runs, "run")
    remark = f"# the best of sweep {sweep.id}, trial {best.number}: {sweep.objective.metric} {value}, {runs}"
    return [
        Copy("JSON", json.dumps(best.params, ensure_ascii=False)),
        Copy("Python", f"params = {pformat(dict(best.params), sort_dicts=False, width=100)}  {remark}"),
        Copy("CLI", _command(sweep, best.params, best.runs, address)),
    ]


def _command(sweep: schemas.SweepOut, params: Mapping[str, Any], runs: int, address: str) -> str:
    """Trains this configuration alone, with as many seeds."""
    body = {
        "name": f"{sweep.name}, best"[:200],
        "task": sweep.task,
        "dataset": sweep.dataset,
        "split": sweep.split,
        "space": {name: {"value": value} if isinstance(value, list) else value for name, value in params.items()},
        "sampler": "grid",
        "seeds": runs,
        "seed": sweep.seed,
        "objective": sweep.objective.model_dump(),
    }
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl -s {address}/api/v1/sweeps -H 'Content-Type: application/json' -d {text}"
