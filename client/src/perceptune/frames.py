"""Trials as a table of pandas or polars, one row a trial, one column a hyperparameter."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Literal

from perceptune._models import TrialOut

FrameKind = Literal["auto", "pandas", "polars", "models"]
_LIBRARIES = ("pandas", "polars")


def table(trials: Sequence[TrialOut], kind: FrameKind) -> Any:
    """A data frame of that library; `auto` takes the first that is installed, else the models themselves."""
    library = next((name for name in _LIBRARIES if find_spec(name)), "models") if kind == "auto" else kind
    if library == "models":
        return list(trials)
    return importlib.import_module(library).DataFrame(columns(trials))


def columns(trials: Sequence[TrialOut]) -> dict[str, list[Any]]:
    """The columns by name: what is known of every trial, then each hyperparameter."""
    facts: dict[str, list[Any]] = {
        "number": [trial.number for trial in trials],
        "state": [trial.state for trial in trials],
        "value": [trial.value for trial in trials],
        "std": [trial.std for trial in trials],
        "runs": [len(trial.runs) for trial in trials],
        "seconds": [trial.seconds for trial in trials],
        "excluded": [trial.excluded for trial in trials],
        "note": [trial.note for trial in trials],
    }
    names = dict.fromkeys(name for trial in trials for name in trial.params or {})
    return facts | {name: [(trial.params or {}).get(name) for trial in trials] for name in names}
