"""The envelope of a sampled sweep: the best value that was found near each value of a hyperparameter."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from app.charts.axis import AxisPlan, Place
from app.charts.effect.parts import Level
from app.charts.rows import SweepRow

STEPS = 60  # places along a numeric axis
WINDOW = 1 / 16  # of the axis, to either side


def envelope(sweep: SweepRow, plan: AxisPlan, values: Sequence[tuple[Place, float]], levels: int) -> list[Level]:
    """The best value at each place, or in a window round it where nearly every trial has a place of its own.

    A window without a trial has no level: the line has a gap there.
    """
    places = {place for place, _ in values}
    if plan.scale == "category" or len(places) <= min(levels, len(values) / 2):
        return [
            _level(sweep, place, [value for other_place, value in values if other_place == place])
            for place in plan.places
            if place in places
        ]
    return _windows(sweep, plan, values)


def _windows(sweep: SweepRow, plan: AxisPlan, values: Sequence[tuple[Place, float]]) -> list[Level]:
    is_log = plan.scale == "log"
    points = sorted((math.log10(float(place)) if is_log else float(place), value) for place, value in values)
    places = [place for place, _ in points]
    values_by_place = [value for _, value in points]
    low, high = places[0], places[-1]
    reach = WINDOW * (high - low)
    levels = []
    for step in range(STEPS + 1):
        middle = low + (high - low) * step / STEPS
        window = slice(bisect_left(places, middle - reach), bisect_right(places, middle + reach))
        levels.append(_level(sweep, 10**middle if is_log else middle, values_by_place[window]))
    return levels


def _level(sweep: SweepRow, place: Place, values: Sequence[float]) -> Level:
    if not values:
        return Level(place, None, None, 0)
    return Level(place, max(values) if sweep.objective.maximize else min(values), None, len(values))
