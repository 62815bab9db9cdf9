"""The chart of a metric over two hyperparameters, or over one and the epochs of its learning curves."""

from app.charts.heatmap.data import heatmap_data
from app.charts.heatmap.figure import heatmap_figure
from app.charts.heatmap.parts import EPOCHS_AXIS, HeatmapData, HeatmapOptions
from app.charts.heatmap.samples import trials_with_curves

__all__ = [
    "EPOCHS_AXIS",
    "HeatmapData",
    "HeatmapOptions",
    "heatmap_data",
    "heatmap_figure",
    "trials_with_curves",
]
