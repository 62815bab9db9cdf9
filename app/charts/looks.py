"""The look of each trial, the same in every chart of its sweep, whatever else is shown"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.theme import PALETTE, SYMBOLS, colors
from app.domain.hyperparameters import is_number

HUES = PALETTE[:-1]  # the grey is that of all other trials
SHADES = 64
GLYPHS = dict(zip(SYMBOLS, "●■◆▲✚⬟⬢", strict=True))


class Look(NamedTuple):
    """How a trial is drawn where it is told from others."""

    color: str
    symbol: str

    @property
    def glyph(self) -> str:
        """Its symbol as a character."""
        return GLYPHS[self.symbol]


def look_of(sweep: SweepRow, number: int, params: Mapping[str, object]) -> Look:
    """By its number; where one hyperparameter varies, a number, its colour is that of its place on the axis."""
    axis = _only_axis(sweep)
    value = params.get(axis.name) if axis else None
    if axis is not None and is_number(value):
        return Look(_shade(axis, float(str(value))), SYMBOLS[0])
    return Look(HUES[number % len(HUES)], SYMBOLS[number // len(HUES) % len(SYMBOLS)])


def looks(sweep: SweepRow, trials: Iterable[TrialRow]) -> dict[str, object]:
    """What a page needs to give a trial its look: hues and symbols by number, and colours where they have an order."""
    ordered = (
        {trial.number: look_of(sweep, trial.number, trial.params).color for trial in trials}
        if _only_axis(sweep)
        else {}
    )
    return {"hues": HUES, "symbols": SYMBOLS, "colors": ordered}


def _only_axis(sweep: SweepRow) -> Axis | None:
    """The one hyperparameter that varies, where that is a number."""
    varied = [axis for axis in sweep.axes.values() if len(axis.choices or ()) > 1 or axis.ends]
    return varied[0] if len(varied) == 1 and all(map(is_number, varied[0].choices or ())) else None


def _shade(axis: Axis, value: float) -> str:
    """Evenly from choice to choice, or along a range as its scale goes."""
    if axis.choices:
        choices = sorted(float(str(choice)) for choice in axis.choices)
        share = sum(choice < value for choice in choices) / (len(choices) - 1)
    else:
        low, level, high = (math.log(number) if axis.log else number for number in _within(axis, value))
        share = (level - low) / ((high - low) or 1.0)
    return colors(SHADES, ordered=True)[round(share * (SHADES - 1))]


def _within(axis: Axis, value: float) -> tuple[float, float, float]:
    """The ends of a range with a value between them: trials may be left from before it was changed."""
    low, high = axis.ends or (value, value)
    return low, min(max(value, low), high), high
