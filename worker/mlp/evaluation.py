"""Loss and accuracy of trained networks on data that they were not trained on."""

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.memory import EVALUATION_BATCH
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.workspace import Workspace
from worker.mlp.initializers import Parameters
from worker.mlp.scores import RunningSums, Score


def evaluate(
    model: FusedMLP,
    x: Tensor,  # [n, features]
    y: Tensor,  # [n] int64
) -> list[Score]:  # by run
    """Mean loss and accuracy of each network of a group."""
    model = model.for_evaluation()
    sums = RunningSums.zeros(model.layout.runs, x)
    spaces: dict[int, Workspace] = {}  # by size: the last batch may be smaller
    for inputs, targets in zip(torch.split(x, EVALUATION_BATCH), torch.split(y, EVALUATION_BATCH), strict=True):
        if len(targets) not in spaces:
            spaces[len(targets)] = model.workspace(len(targets), training=False)
        model.evaluate(spaces[len(targets)], inputs, targets, sums)
    return sums.means(len(y))


def score(
    config: MLPConfig,
    parameters: Parameters,  # linear layers, into which a normalization is folded
    x: Tensor,  # [n, features], on the device of the parameters
    y: Tensor,  # [n] int64
) -> Score:
    """How a trained network does on other data, such as the test images."""
    return evaluate(FusedMLP([Member.for_evaluation(config, parameters)], like=x), x, y)[0]
