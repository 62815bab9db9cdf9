"""Reads from the tables: sweeps, trials, learning curves, workers, logs, webhook deliveries, the rows of charts."""

from app.queries.deliveries import list_deliveries
from app.queries.sweep_log import list_log
from app.queries.sweeps import list_sweeps, summaries, summary, tags
from app.queries.trials import get_trial, list_configurations, list_diagnostics, list_epochs, list_trials
from app.queries.workers import list_workers

__all__ = [
    "get_trial",
    "list_configurations",
    "list_deliveries",
    "list_diagnostics",
    "list_epochs",
    "list_log",
    "list_sweeps",
    "list_trials",
    "list_workers",
    "summaries",
    "summary",
    "tags",
]
