"""Many multilayer perceptrons trained at once on the same mini-batches.

The first layer of all runs is one matrix product, weight [sum of widths, features] @ data [features, batch], and its
gradient another; later layers are batched products over runs of one shape. No run's numbers enter another's: rows are
independent in every product, and the loss is summed over the runs. The gradients are written out by hand, so that each
result goes into memory made beforehand. Nothing in a step waits for the device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from worker.fused_layout import Layout, fusion_order
from worker.fused_workspace import Workspace
from worker.initializers import Layer, Parameters
from worker.optimizers import SGD, Optimizer
from worker.run import RunConfig


class Tally(NamedTuple):
    """Sums over examples, for each run."""

    loss: Tensor  # [runs], nats
    correct: Tensor  # [runs], int64

    @classmethod
    def zero(cls, runs: int, like: Tensor) -> "Tally":
        """Nothing seen yet."""
        return cls(like.new_zeros(runs), torch.zeros(runs, dtype=torch.int64, device=like.device))

    def means(self, examples: int) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each run; the one place where the host waits for the device."""
        losses, hits = self.loss.tolist(), self.correct.tolist()
        return [(loss / examples, correct / examples) for loss, correct in zip(losses, hits, strict=True)]


class Member(NamedTuple):
    """One network of a group with its current parameters."""

    config: RunConfig
    parameters: Parameters


class FusedMLP:
    """The networks of `members`, at least one and in `fusion_order`, as few tensors of the dtype and device of `like`.

    The parameters are copied. Raises ValueError when the order is another.
    """

    def __init__(self, members: Sequence[Member], like: Tensor) -> None:
        configs = [member.config for member in members]
        if sorted(configs, key=fusion_order) != configs:
            raise ValueError("the members of a fused network come in fusion_order")
        features = members[0].parameters[0].weight.shape[1]
        classes = members[0].parameters[-1].weight.shape[0]
        self.layout = Layout.of(configs, features, classes)
        self._like = like.new_empty(0)
        self._first, self._layers = self._allocate()
        for position, member in enumerate(members):
            for mine, given in zip(self.parameters(position), member.parameters, strict=True):
                mine.weight.copy_(given.weight)
                mine.bias.copy_(given.bias)
        self.optimizer: Optimizer = SGD([config.learning_rate for config in configs], self._like)
        self._minus_one = self._like.new_full((1, 1, 1), -1)

    def _allocate(self) -> tuple[Layer, list[Layer]]:
        """The first layer of all runs, and each block's layer: weight [n, outputs, inputs], bias [n, outputs, 1]."""
        rows = self.layout.first_rows
        first = Layer(self._like.new_empty(rows, self.layout.features), self._like.new_empty(rows, 1))
        rows_of = dict(self.layout.first_slices())
        layers = []
        for index, block in enumerate(self.layout.blocks):
            weight, bias = (block.size, block.outputs, block.inputs), (block.size, block.outputs, 1)
            if index in rows_of:
                part = rows_of[index]
                layers.append(Layer(first.weight[part].view(weight), first.bias[part].view(bias)))
            else:
                layers.append(Layer(self._like.new_empty(weight), self._like.new_empty(bias)))
        return first, layers

    def parameters(self, position: int) -> Parameters:
        """Views of one network's layers, weight [outputs, inputs] and bias [outputs]."""
        layers = []
        for index in self.layout.path(position):
            local = position - self.layout.blocks[index].runs.start
            weight, bias = self._layers[index]
            layers.append(Layer(weight[local], bias[local, :, 0]))
        return layers

    def workspace(self, batch: int, training: bool = True) -> Workspace:
        """Buffers for `step`, or without `training` only for `evaluate`, on batches of exactly this size."""
        return Workspace(self.layout, batch, self._like, training)

    def step(self, space: Workspace, x: Tensor, y: Tensor, tally: Tally) -> None:
        """One step on x [batch, features] and y [batch]; adds the batch, as it was before the step, to the tally."""
        self.evaluate(space, x, y, tally)
        signal = space.logits_gradient.exp_()  # softmax minus one-hot is the gradient of the cross-entropy
        targets = self._targets(y)
        signal.scatter_add_(1, targets, self._minus_one.expand(targets.shape))
        signal.mul_(self.optimizer.signal_scale(space.batch))
        self._backward(space, x)

    def evaluate(self, space: Workspace, x: Tensor, y: Tensor, tally: Tally) -> None:
        """Adds x [batch, features] and y [batch] to the tally; leaves log-probabilities in `logits_gradient`."""
        self._forward(space, x)
        torch.log_softmax(space.logits, 1, out=space.logits_gradient)
        tally.loss.sub_(space.logits_gradient.gather(1, self._targets(y)).sum((1, 2)))
        # on a CPU max(1) takes a fifth of argmax(1) here, and both give the first of equals
        tally.correct.add_((space.logits.max(1).indices == y).sum(1))

    def _targets(self, y: Tensor) -> Tensor:
        return y.expand(self.layout.runs, 1, -1)

    def _forward(self, space: Workspace, x: Tensor) -> None:
        torch.addmm(self._first.bias, self._first.weight, x.T, out=space.first)
        for section in space.sections:
            section.activate()
        for stage in space.stages:
            weight, bias = self._layers[stage.block]
            torch.baddbmm(bias, weight, stage.inputs, out=stage.out)
            if stage.hidden:
                stage.hidden.activate()

    def _backward(self, space: Workspace, x: Tensor) -> None:
        for stage in reversed(space.stages):
            if stage.hidden:
                stage.hidden.deactivate()
            weight, bias = self._layers[stage.block]
            torch.bmm(weight.mT, stage.out_gradient, out=stage.inputs_gradient)  # before the weights change
            self.optimizer.update(weight, bias, stage.out_gradient, stage.inputs.mT)
        for section in space.sections:
            section.deactivate()
        self.optimizer.update(*self._first, space.first_gradient, x)
