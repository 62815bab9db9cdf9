"""The trials of a sweep as runs of MLflow or W&B: parameters, tags, and learning curves with an epoch a step."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from perceptune import calls
from perceptune.errors import ConflictError
from perceptune.flows import Flow, send

ENDED_STATES = {"complete", "pruned", "failed"}  # of trials that were trained
MAX_TEXT = 5000  # characters that MLflow takes as a tag, and as a parameter
MODEL_FILE = "model.safetensors"
SWEEP_TAG, TRIAL_TAG, BEST_TAG = "perceptune.sweep", "perceptune.trial", "perceptune.best"
NOTE_TAG = "mlflow.note.content"  # which MLflow shows as the description


class Point(NamedTuple):
    """One value of a metric."""

    name: str
    value: float
    step: int
    """The epoch."""


@dataclass(frozen=True)
class TrialRun:
    """A trial as one run."""

    number: int
    state: str
    """`complete`, `pruned` or `failed`."""
    start: int
    """Milliseconds since 1970."""
    end: int
    configuration: dict[str, Any]
    tags: dict[str, str]
    points: list[Point]
    model: bytes | None = field(default=None, repr=False)
    """The file of the network, of the best trial."""

    def content_hash(self) -> str:
        """The same for the same run, so that what is stored of it already can stay."""
        content = asdict(self) | {"model": hashlib.sha256(self.model or b"").hexdigest()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def is_best(self) -> bool:
        """Whether the sweep has no better one."""
        return BEST_TAG in self.tags


@dataclass(frozen=True)
class SweepRuns:
    """A sweep as it is to be written."""

    identity: str
    """Its number and when it was made, for other databases have a sweep of this number too."""
    name: str
    notes: str
    runs: list[TrialRun]


def runs_of(sweep_id: int) -> Flow[SweepRuns]:
    """The sweep's trials that were trained and are over, and the network of the best one."""
    sweep = yield from send(calls.get_sweep(sweep_id))
    document = yield from send(calls.export_sweep(sweep_id))
    best, model = None, None
    if sweep.best is not None:
        best = sweep.best.number
        if sweep.best.model is not None:
            with suppress(ConflictError):  # meanwhile another one was the best, and its weights went
                model = yield from send(calls.get_model(sweep_id, best, None))
    facts = document["sweep"]
    identity = f"{sweep_id} of {facts['created_at']}"
    ended_trials = [
        trial for trial in document["trials"] if trial["state"] in ENDED_STATES and trial["params"] is not None
    ]
    runs = [_run(trial, facts, identity, trial["number"] == best, model) for trial in ended_trials]
    return SweepRuns(identity, f"sweep {sweep_id}: {facts['name']}", facts["notes"], runs)


def _run(
    trial: Mapping[str, Any], sweep: Mapping[str, Any], identity: str, is_best: bool, model: bytes | None
) -> TrialRun:
    tags = {SWEEP_TAG: identity, TRIAL_TAG: str(trial["number"])} | ({BEST_TAG: "true"} if is_best else {})
    end = trial["finished_at"]
    return TrialRun(
        number=trial["number"],
        state=trial["state"],
        start=_milliseconds(trial["started_at"] or end),
        end=_milliseconds(end),
        configuration=trial["params"],
        tags=tags | _facts(trial, sweep),
        points=[*_totals(trial, sweep), *_curves(trial["epochs"])],
        model=model if is_best else None,
    )


def _facts(trial: Mapping[str, Any], sweep: Mapping[str, Any]) -> dict[str, str]:
    """What else is known, as tags; what is empty has none."""
    facts = {
        "perceptune.sweep_name": sweep["name"],
        "perceptune.tags": ", ".join(sweep["tags"]),
        "perceptune.dataset": sweep["dataset"],
        "perceptune.split": sweep["split"],
        "perceptune.metric": sweep["metric"],
        "perceptune.direction": sweep["direction"],
        "perceptune.state": trial["state"],
        "perceptune.reason": trial["reason"] or trial["error"],
        "perceptune.excluded": trial["excluded"] or None,
        NOTE_TAG: trial["note"],
    }
    return {name: text_of(value) for name, value in facts.items() if value}


def _totals(trial: Mapping[str, Any], sweep: Mapping[str, Any]) -> Iterator[Point]:
    """What is one number a trial: its value over its runs, and their means on the test examples."""
    totals = {"value": trial["value"], "std": trial["std"]}
    metrics = [objective["metric"] for objective in sweep["objectives"]]
    totals |= {f"value/{name}": value for name, value in zip(metrics, trial["other_values"] or [], strict=False)}
    for name in ("test_accuracy", "test_r2", "test_mae"):
        scores = [run[name] for run in trial["runs"]]
        totals[name] = None if None in scores or not scores else math.fsum(scores) / len(scores)
    step = max(trial["epochs"]["epoch"], default=0)
    return (Point(name, value, step) for name, value in totals.items() if _is_number(value))


def _curves(epochs: Mapping[str, list[Any]]) -> Iterator[Point]:
    """Each figure's mean over the runs after each epoch that all have; and each run's own, where there are several."""
    seeds = set(epochs["seed"])
    for name in [name for name in epochs if name not in {"seed", "epoch"}]:
        by_epoch: dict[int, list[float]] = {}
        for seed, epoch, value in zip(epochs["seed"], epochs["epoch"], epochs[name], strict=True):
            if not _is_number(value):
                continue
            by_epoch.setdefault(epoch, []).append(value)
            if len(seeds) > 1:
                yield Point(f"run_{seed}/{name}", value, epoch)
        for epoch, values in sorted(by_epoch.items()):
            if len(values) == len(seeds):
                yield Point(name, math.fsum(values) / len(values), epoch)


def _is_number(value: object) -> bool:
    """Whether it is a finite one; others are null, or texts in an export."""
    return isinstance(value, int | float) and math.isfinite(value)


def text_of(value: object) -> str:
    """As a tag or a parameter has it."""
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT]


def _milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
