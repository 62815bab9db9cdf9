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
from worker.fused_parameters import Bank
from worker.fused_workspace import Workspace
from worker.initializers import Parameters
from worker.optimizers import OPTIMIZERS, Optimizer, rule
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


class Memory(NamedTuple):
    """What a network's optimizer has kept of its parameters after so many steps."""

    kept: list[Parameters]
    steps: int


class Member(NamedTuple):
    """One network of a group with its current parameters; without a memory it has taken no step yet."""

    config: RunConfig
    parameters: Parameters
    memory: Memory | None = None


def together(config: RunConfig) -> tuple[str, bool]:
    """What the configurations of a fused network agree in, apart from their mini-batches."""
    return rule(config), config.label_smoothing > 0


class FusedMLP:
    """The networks of `members`, at least one and in `fusion_order`, as few tensors of the dtype and device of `like`.

    The parameters and memories are copied. Raises ValueError when the order is another, or when two configurations can
    not be trained `together`.
    """

    def __init__(self, members: Sequence[Member], like: Tensor) -> None:
        configs = [member.config for member in members]
        if sorted(configs, key=fusion_order) != configs:
            raise ValueError("the members of a fused network come in fusion_order")
        if len({together(config) for config in configs}) > 1:
            raise ValueError("the members of a fused network have one optimizer, and all or none smooth their labels")
        features = members[0].parameters[0].weight.shape[1]
        classes = members[0].parameters[-1].weight.shape[0]
        self.layout = Layout.of(configs, features, classes)
        self._configs, self._like = configs, like.new_empty(0)
        self._bank = Bank(self.layout, self._like)
        self.optimizer: Optimizer = OPTIMIZERS[rule(configs[0])](configs, self._bank, self._like)
        for position, member in enumerate(members):
            self._load(position, member)
        smoothing = self._like.new_tensor([config.label_smoothing for config in configs]).view(-1, 1, 1)
        self._hit = smoothing - 1  # minus the probability that a target has beside the share of every class
        self._spread = smoothing / classes if configs[0].label_smoothing else None

    def _load(self, position: int, member: Member) -> None:
        self._bank.load(position, member.parameters)
        if member.memory:
            self.optimizer.steps = member.memory.steps
            for bank, kept in zip(self.optimizer.memory, member.memory.kept, strict=True):
                bank.load(position, kept)

    def member(self, position: int) -> Member:
        """One network as it is now: views of its parameters and memory."""
        memory = Memory([bank.of(position) for bank in self.optimizer.memory], self.optimizer.steps)
        return Member(self._configs[position], self.parameters(position), memory)

    def parameters(self, position: int) -> Parameters:
        """Views of one network's layers, weight [outputs, inputs] and bias [outputs]."""
        return self._bank.of(position)

    def workspace(self, batch: int, training: bool = True) -> Workspace:
        """Buffers for `step`, or without `training` only for `evaluate`, on batches of exactly this size."""
        return Workspace(self.layout, batch, self._like, training)

    def step(self, space: Workspace, x: Tensor, y: Tensor, tally: Tally) -> None:
        """One step on x [batch, features] and y [batch]; adds the batch, as it was before the step, to the tally."""
        self.optimizer.begin(space.batch)
        self.evaluate(space, x, y, tally)
        if self._spread is not None:
            self._smooth(space, y, tally, self._spread)
        signal = space.logits_gradient.exp_()  # softmax minus one-hot is the gradient of the cross-entropy
        if self._spread is not None:
            signal.sub_(self._spread)
        targets = self._targets(y)
        signal.scatter_add_(1, targets, self._hit.expand(targets.shape))
        signal.mul_(self.optimizer.signal_scale())
        self._backward(space, x)

    def evaluate(self, space: Workspace, x: Tensor, y: Tensor, tally: Tally) -> None:
        """Adds x [batch, features] and y [batch] to the tally; leaves log-probabilities in `logits_gradient`."""
        self._forward(space, x)
        torch.log_softmax(space.logits, 1, out=space.logits_gradient)
        tally.loss.sub_(space.logits_gradient.gather(1, self._targets(y)).sum((1, 2)))
        # on a CPU max(1) takes a fifth of argmax(1) here, and both give the first of equals
        tally.correct.add_((space.logits.max(1).indices == y).sum(1))

    def _smooth(self, space: Workspace, y: Tensor, tally: Tally, spread: Tensor) -> None:
        """Turns the loss that was tallied into that of smoothed labels."""
        logs = space.logits_gradient
        of_targets = logs.gather(1, self._targets(y)).sum(1, keepdim=True)
        tally.loss.add_((spread * (self.layout.classes * of_targets - logs.sum(1, keepdim=True))).sum((1, 2)))

    def _targets(self, y: Tensor) -> Tensor:
        return y.expand(self.layout.runs, 1, -1)

    def _forward(self, space: Workspace, x: Tensor) -> None:
        torch.addmm(self._bank.first.bias, self._bank.first.weight, x.T, out=space.first)
        for section in space.sections:
            section.activate()
        for stage in space.stages:
            weight, bias = self._bank.layers[stage.block]
            torch.baddbmm(bias, weight, stage.inputs, out=stage.out)
            if stage.hidden:
                stage.hidden.activate()

    def _backward(self, space: Workspace, x: Tensor) -> None:
        for stage in reversed(space.stages):
            if stage.hidden:
                stage.hidden.deactivate()
            weight = self._bank.layers[stage.block].weight
            torch.bmm(weight.mT, stage.out_gradient, out=stage.inputs_gradient)  # before the weights change
            self.optimizer.update(stage.block, stage.out_gradient, stage.inputs.mT)
        for section in space.sections:
            section.deactivate()
        self.optimizer.update(None, space.first_gradient, x)
