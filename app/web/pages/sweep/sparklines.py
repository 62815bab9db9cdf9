"""The curves of a table's rows, small: the metric over the epochs, all on one scale."""

from collections import defaultdict
from collections.abc import Sequence

from app.charts.rows import EpochMean

WIDTH, HEIGHT = 64, 18  # of the picture
MARGIN = 1.5


def sparklines(means: Sequence[EpochMean]) -> dict[int, str]:
    """The points of each trial's line by its number, for an SVG of this size."""
    points: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for row in means:
        if row.mean is not None:
            points[row.trial].append((row.epoch, row.mean))
    values = [value for line in points.values() for _, value in line]
    if not values:
        return {}
    low, high = min(values), max(values)
    last_epoch = max(epoch for line in points.values() for epoch, _ in line)
    return {trial: _line(line, last_epoch, low, high) for trial, line in points.items()}


def _line(points: Sequence[tuple[int, float]], last_epoch: int, low: float, high: float) -> str:
    places = []
    for epoch, value in points:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (epoch - 1) / max(last_epoch - 1, 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / ((high - low) or 1)
        places.append(f"{x:.1f},{y:.1f}")
    if len(places) == 1:  # a line needs two points
        places.append(f"{x + 1:.1f},{y:.1f}")
    return " ".join(places)
