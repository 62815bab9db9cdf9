"""The look of each trial, the same in every chart of its sweep, whatever else is shown."""

import math
from collections.abc import Iterable, Mapping
from itertools import count
from typing import NamedTuple

from app.charts.rows import Axis, SweepRow
from app.charts.theme import PALETTE, SYMBOLS, colors
from app.domain.hyperparameters import is_number

HUES = PALETTE[:-1]  # the grey is that of all other trials
SHADES = 64
ALONG_LINE = {"size": 9, "maxdisplayed": 5}  # of symbols, by which lines of like colours are told apart
GLYPHS = dict(zip(SYMBOLS, "●■◆▲✚▼✖", strict=True))
LOOKS = {"hues": HUES, "symbols": SYMBOLS}  # what a page needs to give trials their looks


class Look(NamedTuple):
    """How a trial is drawn where it is told from others."""

    color: str
    symbol: str

    @property
    def glyph(self) -> str:
        """Its symbol as a character."""
        return GLYPHS[self.symbol]


def look_at(place: int) -> Look:
    """The look of the trial at this place among those that are selected: the first six have a hue each."""
    return Look(HUES[place % len(HUES)], SYMBOLS[place // len(HUES) % len(SYMBOLS)])


def places_in(text: str) -> dict[int, int]:
    """The trials that `3,,15` names, by number, with the places of their looks: an empty one is free."""
    places: dict[int, int] = {}
    for place, number in enumerate(text.split(",")):
        if number:
            places.setdefault(int(number), place)
    return places


def first_free(places: Iterable[int]) -> int:
    """The place of the trial that is selected next."""
    taken_places = {*places}
    return next(place for place in count() if place not in taken_places)


def look_of(sweep: SweepRow, number: int, params: Mapping[str, object]) -> Look:
    """The look of a trial among all, by its number, or by its place on the axis where one varies and is a number.

    A sweep of which only some trials are drawn may give those places of their own.
    """
    if number in sweep.look_places:
        return look_at(sweep.look_places[number])
    axis = _only_axis(sweep)
    value = params.get(axis.name) if axis else None
    if axis is not None and is_number(value):
        return Look(_shade(axis, float(str(value))), SYMBOLS[0])
    symbol_turns = number // len(HUES)  # turns the hues too: every second or fifth trial, as of one choice, has several
    return Look(HUES[(number - symbol_turns) % len(HUES)], SYMBOLS[symbol_turns % len(SYMBOLS)])


def _only_axis(sweep: SweepRow) -> Axis | None:
    """The one hyperparameter that varies, where that is a number."""
    varied = [axis for axis in sweep.axes.values() if len(axis.choices or ()) > 1 or axis.ends]
    return varied[0] if len(varied) == 1 and all(map(is_number, varied[0].choices or ())) else None


def _shade(axis: Axis, value: float) -> str:
    """Evenly from choice to choice, or along a range as its scale goes."""
    if axis.choices:
        choices = sorted(float(str(choice)) for choice in axis.choices)
        share = min(1.0, sum(choice < value for choice in choices) / (len(choices) - 1))
    else:
        low, level, high = (math.log(number) if axis.log else number for number in _within(axis, value))
        share = (level - low) / ((high - low) or 1.0)
    return colors(SHADES, ordered=True)[round(share * (SHADES - 1))]


def _within(axis: Axis, value: float) -> tuple[float, float, float]:
    """The ends of a range with a value between them: trials may be left from before it was changed."""
    low, high = axis.ends or (value, value)
    return low, min(max(value, low), high), high
