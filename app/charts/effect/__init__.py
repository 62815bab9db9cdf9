"""The chart of a metric against one hyperparameter: which value is best, and by how much."""

from app.charts.effect.data import effect_data
from app.charts.effect.figure import effect_figure
from app.charts.effect.parts import EffectData, EffectOptions

__all__ = ["EffectData", "EffectOptions", "effect_data", "effect_figure"]
