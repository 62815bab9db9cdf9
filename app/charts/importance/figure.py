"""Draws the importance of hyperparameters: a bar for each with its interval, the largest on top."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.charts.empty import empty_figure
from app.charts.importance.data import ImportanceData, Share
from app.charts.labels import escape
from app.charts.theme import INK, PALETTE, Trace, new_figure


def importance_figure(data: ImportanceData) -> go.Figure:
    """Bars for what each hyperparameter explains alone, and grey ones for the rest and for chance."""
    if data.reason:
        return empty_figure(data.reason, data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    figure.add_trace(_bars(data.single, "alone", PALETTE[0]))
    figure.add_trace(_bars(data.comparisons, "for comparison", PALETTE[-1]))
    names = [escape(share.name) for share in (*data.single, *data.comparisons)]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1], showgrid=False)
    figure.update_xaxes(title_text="share of the variance", tickformat=".0%", rangemode="tozero")
    return figure.update_layout(showlegend=False, bargap=0.35)


def _bars(shares: Sequence[Share], name: str, color: str) -> Trace:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": [round(share.share, 4) for share in shares],
        "y": [escape(share.name) for share in shares],
        "marker": {"color": color},
        "error_x": {
            "array": [round(max(share.high - share.share, 0.0), 4) for share in shares],
            "arrayminus": [round(max(share.share - share.low, 0.0), 4) for share in shares],
            "symmetric": False,
            "thickness": 1.5,
            "width": 4,
            "color": INK,
        },
        "text": [f"{share.low:.0%} to {share.high:.0%}" for share in shares],
        "textposition": "none",
        "hovertemplate": "%{y}: <b>%{x:.0%}</b>, %{text}<extra></extra>",
    }
