"""One network of a fused group: what it takes to put it into a group, and to take it out again."""

from typing import NamedTuple

import torch

from app.domain.configuration import MLPConfig
from worker.mlp.initializers import Parameters


class TrainingState(NamedTuple):
    """What training has made of a network beside its parameters."""

    optimizer: list[Parameters]  # the optimizer's state, such as velocities, each shaped as all of the parameters
    running_stats: Parameters  # running mean and variance [outputs] of each hidden layer; empty without normalization
    steps: int  # that were taken


class Member(NamedTuple):
    """One network of a group."""

    config: MLPConfig
    parameters: Parameters  # its linear layers; behind them, once it has a state, gain and shift of the normalized ones
    state: TrainingState | None = None  # None: it begins

    @classmethod
    def for_evaluation(
        cls,
        config: MLPConfig,
        layers: Parameters,  # weight [outputs, inputs] and bias [outputs], into which a normalization is folded
    ) -> "Member":
        """A trained network without what only its training has, such as normalization and dropout."""
        return cls(MLPConfig(config.hidden_layers, activation=config.activation), layers)

    def to_cpu(self) -> "Member":
        """A copy in memory of its own on the CPU."""
        if self.state is None:
            return self._replace(parameters=_to_cpu(self.parameters))
        optimizer_state = [_to_cpu(layers) for layers in self.state.optimizer]
        state = TrainingState(optimizer_state, _to_cpu(self.state.running_stats), self.state.steps)
        return self._replace(parameters=_to_cpu(self.parameters), state=state)

    @property
    def features(self) -> int:
        """Numbers of an example."""
        return self.parameters[0].weight.shape[1]

    @property
    def outputs(self) -> int:
        """Outputs of its last linear layer."""
        return len(self.parameters[len(self.config.hidden_layers)].bias)


def _to_cpu(layers: Parameters) -> Parameters:
    return [layer.to(torch.device("cpu"), copy=True) for layer in layers]
