"""The charts of a sweep: rows become data, data becomes plotly figures."""
