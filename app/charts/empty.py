"""A chart that has nothing to show yet says why."""

import plotly.graph_objects as go

from app.charts.theme import figure


def empty_figure(reason: str = "No finished trial yet", title: str = "", subtitle: str = "") -> go.Figure:
    """A valid figure without data: the reason stands where the data would be."""
    made = figure(title, subtitle)
    made.update_xaxes(visible=False).update_yaxes(visible=False)
    middle = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    return made.add_annotation(text=reason, showarrow=False, font_size=16, **middle)
