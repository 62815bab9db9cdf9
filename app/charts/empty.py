"""The figure of a chart that has nothing to show yet, which says why."""

import plotly.graph_objects as go

from app.charts.theme import new_figure


def empty_figure(reason: str = "No finished trial yet", title: str = "", subtitle: str = "") -> go.Figure:
    """A valid figure without data: the reason stands where the data would be."""
    figure = new_figure(title, subtitle)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    middle = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    return figure.add_annotation(text=reason, showarrow=False, font_size=16, **middle)
