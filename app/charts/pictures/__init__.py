"""Figures as pictures, PNG and SVG, drawn by matplotlib from what plotly would draw: no browser is needed for it."""

from app.charts.pictures.picture import Format, picture

__all__ = ["Format", "picture"]
