"""The lens that every chart takes: which trials it shows, what counts as a run's value, on which axis."""

from app.charts.lens.condition import Condition
from app.charts.lens.lens import WHOLE, Lens, Sight
from app.charts.lens.metric import MetricLens
from app.charts.lens.parsing import OF_RUNS, OPTIONS, divide, parse_lens, refuse_metric

__all__ = [
    "OF_RUNS",
    "OPTIONS",
    "WHOLE",
    "Condition",
    "Lens",
    "MetricLens",
    "Sight",
    "divide",
    "parse_lens",
    "refuse_metric",
]
