"""The task `train_mlp`: a multilayer perceptron is trained, and validated after each epoch."""

from app.domain.configuration import MLPConfig, with_defaults
from app.domain.datasets import DatasetInfo
from app.domain.hyperparameters import HYPERPARAMETERS
from app.domain.tasks.task import Metric, Params, Task

EPOCH_METRICS = {
    "val_accuracy": Metric("Validation accuracy", maximize=True, target="class"),
    "val_r2": Metric("Validation R²", maximize=True, target="number"),
    "val_loss": Metric("Validation loss", maximize=False),
    "val_mae": Metric("Validation MAE", maximize=False, own_units=True, target="number"),
    "train_accuracy": Metric("Training accuracy", maximize=True, target="class"),
    "train_r2": Metric("Training R²", maximize=True, target="number"),
    "train_loss": Metric("Training loss", maximize=False),
    "train_mae": Metric("Training MAE", maximize=False, own_units=True, target="number"),
}

# What a step of a run takes beside its products, in multiply-adds of a forward pass: 8 to 37 thousand million a second
# count so for runs of 2 to 256 units in batches of 16 to 256, where products alone give 1 to 22.
STEP_COST = 500_000


def _cost(params: Params, dataset: DatasetInfo) -> float:
    """A training example's share of all steps: what its time is proportional to."""
    config = MLPConfig.from_params(params)
    return config.multiply_adds(*dataset.shape) + STEP_COST * config.epochs / config.batch_size


TRAIN_MLP = Task(
    name="train_mlp",
    meaning="trains a multilayer perceptron",
    hyperparameters=HYPERPARAMETERS,
    metrics=EPOCH_METRICS,
    complete=with_defaults,
    cost=_cost,
    epochs=lambda params: MLPConfig.from_params(params).epochs,
)
