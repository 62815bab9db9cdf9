"""The chart of diagnostics: what the networks do, layer by layer over the epochs, or all layers after one epoch."""

from app.charts.diagnostics.data import diagnostics_data
from app.charts.diagnostics.figure import diagnostics_figure
from app.charts.diagnostics.parts import TEXTS, DiagnosticsOptions, Measure

__all__ = ["TEXTS", "DiagnosticsOptions", "Measure", "diagnostics_data", "diagnostics_figure"]
