"""Reads from the tables: sweeps, trials, learning curves, workers, data sets, logs, deliveries, rows of charts."""

from app.queries.datasets import dataset_usage, get_dataset
from app.queries.events import list_deliveries, list_log
from app.queries.sweeps import list_sweeps, standings, summaries, summary, tags
from app.queries.trials import (
    get_trial,
    last_diagnostics,
    list_configurations,
    list_diagnostics,
    list_epochs,
    list_trials,
    members_listed,
    trials_of_numbers,
)
from app.queries.workers import get_worker, list_workers, open_trials

__all__ = [
    "dataset_usage",
    "get_dataset",
    "get_trial",
    "get_worker",
    "last_diagnostics",
    "list_configurations",
    "list_deliveries",
    "list_diagnostics",
    "list_epochs",
    "list_log",
    "list_sweeps",
    "list_trials",
    "list_workers",
    "members_listed",
    "open_trials",
    "standings",
    "summaries",
    "summary",
    "tags",
    "trials_of_numbers",
]
