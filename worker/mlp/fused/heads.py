"""The heads of fused networks: the loss of what their last layers give, and its gradient, by the kind of target."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.workspace import Workspace
from worker.mlp.scores import RunningSums


class Head(Protocol):
    """What comes behind the last layers of all networks of a group."""

    def add_scores(
        self,
        space: Workspace,  # after a forward pass
        y: Tensor,  # [batch] the targets
        sums: RunningSums,  # the batch is added
    ) -> None:
        """Adds a batch's losses and answers to the sums."""
        ...

    def take(
        self,
        space: Workspace,  # after a forward pass
        y: Tensor,  # [batch] the targets
        sums: RunningSums,  # the batch is added
    ) -> None:
        """The same in training: it leaves the gradient of the loss, summed over the batch, in `space.logits_grad`."""
        ...


class SoftmaxHead:
    """Classes by softmax and cross-entropy. D2L 4.1."""

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run
        classes: int,
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        self._runs, self._classes = len(configs), classes
        smoothing = like.new_tensor([config.label_smoothing for config in configs]).view(-1, 1, 1)
        # Smoothed targets are smoothing / classes for every class and 1 - smoothing more for the example's own; the
        # gradient of the cross-entropy has both with a minus. Szegedy et al. 2016.
        self._target_grad = smoothing - 1  # [runs, 1, 1]
        is_smoothed = any(config.label_smoothing for config in configs)
        self._smoothing = smoothing / classes if is_smoothed else None  # [runs, 1, 1]

    def add_scores(self, space: Workspace, y: Tensor, sums: RunningSums) -> None:
        """Leaves log-probabilities in `space.logits_grad`."""
        torch.log_softmax(space.logits, 1, out=space.logits_grad)  # [runs, classes, batch]
        sums.loss.sub_(space.logits_grad.gather(1, self._targets(y)).sum((1, 2)))  # [runs]
        # on a CPU max(1) takes a fifth of argmax(1) here, and both give the first of equals
        sums.answers.add_((space.logits.max(1).indices == y).sum(1))  # [runs]

    def take(self, space: Workspace, y: Tensor, sums: RunningSums) -> None:
        self.add_scores(space, y, sums)
        if self._smoothing is not None:
            self._add_smoothing_loss(space, y, sums, self._smoothing)
        # dL/dz of the cross-entropy is softmax(z) minus the target probabilities: D2L 4.1.2.2. It is made in the memory
        # of the log-probabilities, which nothing needs any more.
        logits_grad = space.logits_grad.exp_()  # [runs, classes, batch]
        if self._smoothing is not None:
            logits_grad.sub_(self._smoothing)  # [runs, 1, 1]
        targets = self._targets(y)
        logits_grad.scatter_add_(1, targets, self._target_grad.expand(targets.shape))

    def _add_smoothing_loss(
        self,
        space: Workspace,  # with log-probabilities in logits_grad
        y: Tensor,  # [batch] int64
        sums: RunningSums,
        smoothing: Tensor,  # [runs, 1, 1] probability of each class, beside the target's own
    ) -> None:
        """Turns the loss of the labels, which was added, into that of smoothed labels, as torch's cross_entropy."""
        logs = space.logits_grad  # [runs, classes, batch]
        target_logs = logs.gather(1, self._targets(y)).sum(1, keepdim=True)  # [runs, 1, batch]
        differences = smoothing * (self._classes * target_logs - logs.sum(1, keepdim=True))  # [runs, 1, batch]
        sums.loss.add_(differences.sum((1, 2)))  # [runs]

    def _targets(
        self,
        y: Tensor,  # [batch] int64
    ) -> Tensor:  # [runs, 1, batch] int64, a view: the index along the classes
        return y.expand(self._runs, 1, -1)


class SquaredErrorHead:
    """Numbers by the squared error, as nn.MSELoss has it. D2L 3.1.1.2."""

    def add_scores(self, space: Workspace, y: Tensor, sums: RunningSums) -> None:
        """Leaves the errors in `space.logits_grad`."""
        errors = torch.sub(space.logits, y, out=space.logits_grad)  # [runs, 1, batch]
        sums.loss.add_(errors.square().sum((1, 2)))  # [runs]
        sums.answers.add_(errors.abs().sum((1, 2)))  # [runs]

    def take(self, space: Workspace, y: Tensor, sums: RunningSums) -> None:
        self.add_scores(space, y, sums)
        space.logits_grad.mul_(2)
