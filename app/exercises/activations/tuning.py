"""The activations with the rates that are best for them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.charts.rows import TrialRow
from app.domain.configuration import DEFAULTS
from app.exercises.answers.choosing import held_out
from app.exercises.answers.comparison import compare
from app.exercises.answers.levels import Level, best_level, sound

SWEEP = "activation"
LINEAR = "identity"  # no nonlinearity at all
ONE_RATE = float(str(DEFAULTS["learning_rate"]))  # the book's, for all


class Setting(NamedTuple):
    """What was varied."""

    activation: str
    rate: float


Settings = Mapping[Setting, Level[Setting]]


class Tuned(NamedTuple):
    """One activation with the rate that is best for it."""

    activation: str
    best: Level[Setting]
    at_one_rate: Level[Setting] | None  # with the rate that all have
    unseen: Level[Any] | None  # of rates that other seeds chose
    at_end: bool  # whether the best rate is the smallest or the largest that was tried


def setting_of(trial: TrialRow) -> Setting | None:
    params = trial.params
    if "activation" not in params or "learning_rate" not in params:
        return None
    return Setting(str(params["activation"]), float(str(params["learning_rate"])))


def ranking(settings: Settings) -> list[Tuned]:
    """The activations with their best rates by the means over seeds, the best first. Rates that diverged are none."""
    tuned = [item for name in dict.fromkeys(key.activation for key in settings) if (item := _tuned(settings, name))]
    return sorted(tuned, key=lambda item: -item.best.mean)


def _tuned(settings: Settings, activation: str) -> Tuned | None:
    own = {key: level for key, level in settings.items() if key.activation == activation}
    best = best_level(own)
    if best is None:
        return None
    rates = [key.rate for key in own]
    at_end = best.setting.rate in (min(rates), max(rates))
    return Tuned(activation, best, sound(own).get(Setting(activation, ONE_RATE)), held_out(own), at_end)


def as_good(ranked: Sequence[Tuned]) -> list[Tuned]:
    """Those behind the best that are not clearly worse at equal seeds."""
    comparisons = ((tuned, compare(ranked[0].best, tuned.best)) for tuned in ranked[1:])
    return [tuned for tuned, comparison in comparisons if comparison is not None and not comparison.is_clear]
