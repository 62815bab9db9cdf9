"""The charts by name: the rows that each needs, its options, and how it is drawn."""

from app.charts.registry.entries import CHARTS, chart
from app.charts.registry.kinds import Chart, Curves, Needs

__all__ = ["CHARTS", "Chart", "Curves", "Needs", "chart"]
