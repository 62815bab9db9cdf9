"""The tasks of sweeps: what a trial measures, its hyperparameters and metrics; a module for each."""

from app.domain.tasks.registry import EVERY_HYPERPARAMETER, METRICS, TASKS, TaskName
from app.domain.tasks.task import Metric, Params, Task

__all__ = ["EVERY_HYPERPARAMETER", "METRICS", "TASKS", "Metric", "Params", "Task", "TaskName"]
