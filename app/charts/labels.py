"""Hyperparameters in a chart's ticks, legends and hover texts, and the names of trials, escaped for plotly."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from app.charts.rows import SweepRow, TrialRow
from app.domain.formatting import setting
from app.domain.hyperparameters import is_number

NAMED_BY = 3  # with more parameters that differ, a trial is named by its number

escape = lru_cache(4096)(html.escape)  # the same few names, tens of thousands of times


def label(value: object) -> str:
    """A hyperparameter's value: 0.1, relu, true, 256-1-256 for a list of widths. Safe in plotly's texts."""
    if isinstance(value, list | tuple) and not value:
        return "no layers"
    return escape(setting(value))


def params_text(params: Mapping[str, object], names: Iterable[str] | None = None) -> str:
    """`hidden_units 256, activation relu`: all of the parameters or those named."""
    shown_names = params if names is None else [name for name in names if name in params]
    return ", ".join(f"{escape(name)} {label(params[name])}" for name in shown_names)


def varying(trials: Sequence[TrialRow]) -> list[str]:
    """The names of the parameters in which the trials differ, in the order in which they appear."""
    names = dict.fromkeys(chain.from_iterable(trial.params for trial in trials))
    return [name for name in names if _varies(trial.params.get(name) for trial in trials)]


def _varies(values: Iterator[object]) -> bool:
    """Whether two of the values read differently."""
    first = next(values)
    different = (value for value in values if type(value) is not type(first) or value != first)
    return any(label(value) != label(first) for value in different)


class TrialName(NamedTuple):
    """What a legend calls a trial."""

    trial: int
    text: str
    order: float | None  # the value of the one parameter that tells the trials apart, if that is a number


def naming_parameters(trials: Sequence[TrialRow]) -> list[str]:
    """The parameters by whose values the trials are named; none where they differ in too many."""
    names = varying(trials)
    return names if len(names) <= NAMED_BY else []


def trial_name(sweep: SweepRow, trial: TrialRow, names: Sequence[str]) -> TrialName:
    """`★ relu · 0.1`: the values of these parameters, or the trial's number, with a star for the best."""
    star = "★ " if sweep.best is not None and trial.number == sweep.best.number else ""
    text = " · ".join(label(trial.params.get(name)) for name in names) or f"trial {trial.number}"
    only = trial.params.get(names[0]) if len(names) == 1 else None
    return TrialName(trial.number, star + text, float(str(only)) if is_number(only) else None)
