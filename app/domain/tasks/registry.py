"""The tasks by name, and the hyperparameters of all of them."""

from typing import Literal

from app.domain.hyperparameters import Hyperparameter
from app.domain.tasks.task import Metric, Task
from app.domain.tasks.time_matmul import TIME_MATMUL
from app.domain.tasks.time_memory import TIME_MEMORY
from app.domain.tasks.time_training import TIME_TRAINING
from app.domain.tasks.train_mlp import TRAIN_MLP

TaskName = Literal["train_mlp", "time_training", "time_matmul", "time_memory"]

TASKS: dict[str, Task] = {task.name: task for task in (TRAIN_MLP, TIME_TRAINING, TIME_MATMUL, TIME_MEMORY)}

# by their names, which mean the same in every task that has them
EVERY_HYPERPARAMETER: dict[str, Hyperparameter] = {
    name: parameter for task in TASKS.values() for name, parameter in task.hyperparameters.items()
}

METRICS: dict[str, Metric] = {name: metric for task in TASKS.values() for name, metric in task.metrics.items()}
