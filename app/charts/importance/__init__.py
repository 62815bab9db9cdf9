"""The chart of which hyperparameters matter: the share of the values' variance that each explains alone."""

from app.charts.forest.columns import LEAST_CONFIGURATIONS
from app.charts.importance.data import ImportanceData, ImportanceOptions, Share, importance_data
from app.charts.importance.figure import importance_figure

__all__ = [
    "LEAST_CONFIGURATIONS",
    "ImportanceData",
    "ImportanceOptions",
    "Share",
    "importance_data",
    "importance_figure",
]
