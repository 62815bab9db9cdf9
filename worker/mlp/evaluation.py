"""Scores of trained networks on data that they were not trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.memory import EVALUATION_BATCH
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.workspace import Workspace
from worker.mlp.initializers import Parameters
from worker.mlp.scores import RunningSums, Score
from worker.mlp.split import target_of


@dataclass(frozen=True)
class EvaluationPass:
    """All examples once: the same operations on the same memory in every call."""

    model: FusedMLP
    batches: list[tuple[Workspace, Tensor, Tensor]]  # each with [size, features], and [size] int64 or numbers
    sums: RunningSums

    def __call__(self) -> None:
        self.sums.zero_()
        self.model.evaluate(self.batches, self.sums)


class Evaluation:
    """Scores the networks of a group on the same data, in memory made once."""

    def __init__(
        self,
        model: FusedMLP,
        x: Tensor,  # [n, features]
        y: Tensor,  # [n] int64, or numbers
    ) -> None:
        self._y, self._sums = y, model.sums()
        examples = list(zip(torch.split(x, EVALUATION_BATCH), torch.split(y, EVALUATION_BATCH), strict=True))
        sizes = {len(targets) for _, targets in examples}  # the last one may be smaller
        spaces = {size: model.workspace(size, training=False) for size in sizes}
        batches = [(spaces[len(targets)], features, targets) for features, targets in examples]
        # not a method of this: what refers to itself stays in memory when it is no longer needed
        self.take = EvaluationPass(model, batches, self._sums)

    def scores(self) -> list[Score]:  # by run
        """The score of each network as it was when the examples were last taken; here the host waits for the device."""
        return self._sums.means(self._y)


def score(
    config: MLPConfig,
    parameters: Parameters,  # linear layers, into which a normalization is folded
    x: Tensor,  # [n, features], on the device of the parameters
    y: Tensor,  # [n] int64, or numbers
) -> Score:
    """How a trained network does on other data, such as the test examples."""
    model = FusedMLP([Member.for_evaluation(config, parameters)], like=x, target=target_of(y))
    evaluation = Evaluation(model, x, y)
    evaluation.take()
    return evaluation.scores()[0]
