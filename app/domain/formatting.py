"""Times, durations, numbers, settings and counts as text for people."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.domain.datasets import DatasetInfo
from app.domain.space import Choice, Domain, Range
from app.domain.tasks import METRICS

_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (365, "day"))


def ago(time: datetime, now: datetime | None = None) -> str:
    """`3 minutes ago`. What lies less than 5 seconds back is `just now`."""
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    if seconds < 5:
        return "just now"
    amount = seconds
    for size, unit in _STEPS:
        if amount < size:
            return f"{plural(int(amount), unit)} ago"
        amount /= size
    return f"{plural(int(amount), 'year')} ago"


def utc(time: datetime) -> str:
    """`2026-03-01 12:30:05 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """`40 ms`, `0.4 s`, `41 s`, `3 min 5 s`, `2 h 10 min`."""
    if 0 < seconds < 0.0995:
        return f"{max(1, round(1000 * seconds))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if (whole := round(seconds)) < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 else "")


def remaining(seconds: float) -> str:
    """A time still to come, which nobody knows to the tenth: `a few seconds`, `41 s`, `3 min 5 s`."""
    return "a few seconds" if seconds < 9.5 else duration(seconds)


def approximate(seconds: float) -> str:
    """An estimate, which is not known to the second: `a few seconds`, `20 s`, `31 min`, `2 h 10 min`."""
    if seconds < 9.5:
        return "a few seconds"
    return f"{5 * round(seconds / 5)} s" if seconds < 57.5 else duration(60 * max(1, round(seconds / 60)))


def about(seconds: float) -> str:
    """The same as a guess: `about 20 s`, but `a few seconds`, which says so itself."""
    text = approximate(seconds)
    return text if text.startswith("a ") else f"about {text}"


def score(value: float | None, std: float | None = None, metric: str = "val_accuracy") -> str:
    """`0.8893 ± 0.0021`, or with its unit `61.24 ± 0.35 GFLOP/s`; a dash where there is no value yet."""
    if value is None:
        return "–"
    unit = METRICS[metric].unit if metric in METRICS else "s" if metric == "seconds" else ""
    decimals = _decimals(value) if unit or is_in_own_units(metric) else 0 if metric == "parameters" else 4
    text = f"{value:,.{decimals}f}" if std is None else f"{value:,.{decimals}f} ± {std:,.{decimals}f}"
    return f"{text} {unit}" if unit else text


def is_in_own_units(metric: str) -> bool:
    """Whether the metric is counted in the units of the data set's target, so that it may be of any size."""
    return metric in METRICS and METRICS[metric].own_units


def look_text(look: Mapping[str, Any], unit: str) -> str:
    """What was seen on the test examples: `0.8871`, or of numbers `R² 0.5612, mean absolute error 43.36 points`."""
    if look.get("test_accuracy") is not None:
        return score(look["test_accuracy"])
    if look.get("test_mae") is None:
        return "no finite number, for the network goes beyond all numbers on some of them"
    r2 = "R² not defined" if look.get("test_r2") is None else f"R² {look['test_r2']:.4f}"
    return f"{r2}, mean absolute error {in_units(look['test_mae'], unit)}"


def in_units(value: float, unit: str) -> str:
    """An amount in four digits, with its unit: `43.36 points`."""
    return f"{value:,.{_decimals(value)}f} {unit}".strip()


def _decimals(value: float) -> int:
    """How many decimals show four digits of a number."""
    return max(0, min(9, 3 - math.floor(math.log10(abs(value))))) if value else 1


def percent(share: float) -> str:
    """`42 %`. It says 100 only when all is done."""
    return f"{100 if share >= 1 else min(99, int(100 * share))} %"


def plural(count: int, noun: str) -> str:
    """`1 trial`, `2,000 trials`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def memory(size: int) -> str:
    """Bytes as `16.0 GiB`."""
    return f"{size / 2**30:.1f} GiB"


def number(value: float) -> str:
    """Four digits, but whole numbers in full: `0.08356`, `65536`."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def number_range(low: float, high: float) -> str:
    """A range of numbers, which has its lower end: `50 up to 75`, `1,000 up to 1,002.5`. Edges are round numbers."""
    return f"{low:,.12g} up to {high:,.12g}"


def setting(value: object) -> str:
    """A hyperparameter's value: `0.1`, `relu`, `true`, `256-64` for a list of widths, `none`."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return "-".join(map(setting, value)) or "no hidden layer"
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, float) else str(value)


def settings(params: Mapping[str, object]) -> str:
    """`hidden_units 256, activation relu`."""
    return ", ".join(f"{name} {setting(value)}" for name, value in params.items())


def domain(values: Domain) -> str:
    """What a search space says of one hyperparameter: `0.001 to 1, on a log scale`."""
    if isinstance(values, Range):
        text = f"{setting(values.low)} to {setting(values.high)}"
        text += f" in steps of {setting(values.step)}" if values.step is not None else ""
        return text + (", on a log scale" if values.log else "")
    return ", ".join(map(setting, values.values)) if isinstance(values, Choice) else setting(values.value)


def split(name: str, info: DatasetInfo) -> str:
    """What is trained on and what is measured on, in a sentence or two."""
    if name == "book":
        return (
            f"As in the book: trained on all {info.train:,} training {info.noun}, and the {info.test:,} test "
            f"{info.noun} were used to validate. So the best value is a little too good to be true of new {info.noun}."
        )
    return (
        f"Trained on {info.train_examples(name):,} {info.noun} and validated on {info.held_out:,} held out of the "
        f"training set. The {info.test:,} test {info.noun} choose nothing: the best configuration is scored on them, "
        "at the end."
    )
