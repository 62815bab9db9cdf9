"""What charts say: names of metrics, labels of values, subtitles, hover texts."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain

from app.charts.rows import SweepRow, TrialRow

escape = lru_cache(4096)(html.escape)  # the same few names, tens of thousands of times

METRICS = {
    "val_accuracy": "Validation accuracy",
    "val_loss": "Validation loss",
    "train_accuracy": "Training accuracy",
    "train_loss": "Training loss",
    "test_accuracy": "Test accuracy",
}


def metric_name(metric: str) -> str:
    """`val_accuracy` -> `Validation accuracy`; a metric we have no name for keeps its own."""
    return METRICS.get(metric, metric.replace("_", " ").capitalize())


def number(value: float) -> str:
    """Four digits, but whole numbers in full: 0.08356, 65536."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def label(value: object) -> str:
    """A hyperparameter's value as text: 0.1, relu, true, 256-1-256 for a list of widths. Safe in plotly's texts."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "-".join(label(item) for item in value) or "no layers"
    if isinstance(value, float):
        return number(value)
    return escape(str(value))


def params_text(params: Mapping[str, object], names: Iterable[str] | None = None) -> str:
    """`hidden_units 256, activation relu`: all of the parameters or those named."""
    chosen = params if names is None else [name for name in names if name in params]
    return ", ".join(f"{escape(name)} {label(params[name])}" for name in chosen)


def varying(trials: Sequence[TrialRow]) -> list[str]:
    """The names of the parameters in which the trials differ, in the order in which they appear."""
    names = dict.fromkeys(chain.from_iterable(trial.params for trial in trials))
    return [name for name in names if _varies(trial.params.get(name) for trial in trials)]


def _varies(values: Iterator[object]) -> bool:
    """Whether two of the values read differently."""
    first = next(values)
    different = (value for value in values if type(value) is not type(first) or value != first)
    return any(label(value) != label(first) for value in different)


def failed_note(count: int) -> str:
    """`2 failed trials left out`, or nothing."""
    return f"{count} failed trial{'s' if count > 1 else ''} left out" if count else ""


def subtitle(sweep: SweepRow, *notes: str) -> str:
    """Data set, split, seeds and notes; it always says when the test images were used to validate."""
    seeds = f"{sweep.seeds} seed{'s' if sweep.seeds != 1 else ''}"
    first = " · ".join([escape(sweep.dataset), f"{escape(sweep.split)} split", seeds])
    book = ["The test images were used for validation, as in the book"] if sweep.split == "book" else []
    return "<br>".join([first, *book, *(note for note in notes if note)])
