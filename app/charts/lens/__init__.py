"""The lens that every chart takes: which trials it shows, what counts as a run's value, on which axis."""

from app.charts.lens.condition import Condition
from app.charts.lens.lens import WHOLE, Lens, Sight, of_objective
from app.charts.lens.metric import MetricLens
from app.charts.lens.parsing import OF_RUNS, OF_TRIALS, OPTIONS, divide, parse_lens, refuse_metric, refuse_objective

__all__ = [
    "OF_RUNS",
    "OF_TRIALS",
    "OPTIONS",
    "WHOLE",
    "Condition",
    "Lens",
    "MetricLens",
    "Sight",
    "divide",
    "of_objective",
    "parse_lens",
    "refuse_metric",
    "refuse_objective",
]
