"""The state of a run between two epochs: all that its training goes on from, in whatever company."""

from dataclasses import dataclass

from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.fused.member import TrainingState
from worker.mlp.initializers import Parameters


@dataclass(frozen=True)
class RunState:
    """A run after some epochs, in memory of its own on the CPU."""

    parameters: Parameters  # its linear layers, and behind them gain and shift of the normalized ones
    training: TrainingState
    early_stopping: EarlyStopping
