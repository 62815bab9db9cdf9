"""Many multilayer perceptrons trained at once on the same mini-batches.

The first layer of all runs is one matrix product, weight [sum of widths, features] @ data [features, batch], and its
gradient another; later layers are batched products over runs of one shape. No run's numbers enter another's: rows are
independent in every product, and the loss is summed over the runs. The gradients are written out by hand, so that each
result goes into memory made beforehand. Nothing in a step waits for the device or asks anything of the host: what
changes from step to step is planned for many steps ahead, so that a step can be captured once and replayed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.memory import update_rule
from worker.mlp import dropout
from worker.mlp.batch_norm import Normalization, fold
from worker.mlp.fused.layout import Layout, fusion_order
from worker.mlp.fused.optimizers import OPTIMIZERS, Optimizer
from worker.mlp.fused.parameters import Bank, Norms, PerRun, load
from worker.mlp.fused.step_table import Planned
from worker.mlp.fused.workspace import Extras, Workspace
from worker.mlp.initializers import Parameters


class Tally(NamedTuple):
    """Sums over examples, for each run."""

    loss: Tensor  # [runs], nats
    correct: Tensor  # [runs], int64

    @classmethod
    def zero(cls, runs: int, like: Tensor) -> "Tally":
        """Nothing seen yet."""
        return cls(like.new_zeros(runs), torch.zeros(runs, dtype=torch.int64, device=like.device))

    def clear(self) -> None:
        """Forgets what was seen."""
        self.loss.zero_()
        self.correct.zero_()

    def means(self, examples: int) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each run; here the host waits for all steps of the device."""
        losses, hits = self.loss.tolist(), self.correct.tolist()
        return [(loss / examples, correct / examples) for loss, correct in zip(losses, hits, strict=True)]


class State(NamedTuple):
    """What training has left beside a network's parameters."""

    memory: list[Parameters]  # what its optimizer keeps of each parameter
    statistics: Parameters  # running mean and variance of each hidden layer, where it is normalized
    steps: int


class Member(NamedTuple):
    """One network of a group.

    Its parameters are its linear layers, behind them gain and shift of the normalized ones; without a state it has
    taken no step yet, and begins with linear layers alone.
    """

    config: MLPConfig
    parameters: Parameters
    state: State | None = None


class Kind(NamedTuple):
    """What a training step consists of; the members of a fused network agree in it."""

    rule: str
    smooths: bool
    extras: Extras

    @classmethod
    def of(cls, config: MLPConfig) -> "Kind":
        """The kind of step that a configuration takes."""
        hidden = bool(config.hidden_layers)
        extras = Extras(hidden and config.dropout > 0, hidden and config.batch_norm)
        return cls(update_rule(config), config.label_smoothing > 0, extras)


class FusedMLP:
    """The networks of `members`, at least one and in `fusion_order`, as few tensors of the dtype and device of `like`.

    Parameters and states are copied. Raises ValueError when the order is another, or the members are of two kinds.
    """

    def __init__(self, members: Sequence[Member], like: Tensor) -> None:
        configs = [member.config for member in members]
        if sorted(configs, key=fusion_order) != configs:
            raise ValueError("the members of a fused network come in fusion_order")
        self._kind, *others = {Kind.of(config) for config in configs}
        if others:
            raise ValueError("the members of a fused network are of one kind")
        features, classes = members[0].parameters[0].weight.shape[1], _classes(members[0])
        self.layout = Layout.of(configs, features, classes)
        self._configs, self._like = configs, like.new_empty(0)
        normalizes = self._kind.extras.normalizes
        self._bank = Bank(self.layout, self._like, gain=1 if normalizes else None)
        self._statistics = Norms(self.layout, self._like, 0, 1) if normalizes else None
        self.cursor = torch.zeros(1, dtype=torch.int64, device=self._like.device)  # planned steps that were taken
        self.optimizer: Optimizer = OPTIMIZERS[self._kind.rule](configs, self._bank, self._like)
        for position, member in enumerate(members):
            self._load(position, member)
        self._prepare(configs)

    def _prepare(self, configs: Sequence[MLPConfig]) -> None:
        """Makes the coefficients of loss and dropout."""
        smoothing = self._like.new_tensor([config.label_smoothing for config in configs]).view(-1, 1, 1)
        self._hit = smoothing - 1  # minus the probability that a target has beside the share of every class
        self._spread = smoothing / self.layout.classes if self._kind.smooths else None
        if self._kind.extras.drops:
            dropouts = [config.dropout for config in configs]
            thresholds = torch.tensor([dropout.threshold(share) for share in dropouts], dtype=torch.int32)
            self._threshold = PerRun(thresholds.to(self._like.device), self._bank)
            self._keys = Planned(2 * len(self.layout.widest()), thresholds.to(self._like.device))
            self._kept = PerRun(self._like.new_tensor([1 / (1 - share) for share in dropouts]), self._bank)

    def _load(self, position: int, member: Member) -> None:
        load(self._bank.of(position), member.parameters)
        if member.state is None:
            return
        self.optimizer.steps = member.state.steps
        for bank, kept in zip(self.optimizer.memory, member.state.memory, strict=True):
            load(bank.of(position), kept)
        if self._statistics:
            load(self._statistics.of(position), member.state.statistics)

    def member(self, position: int) -> Member:
        """One network as it is now: views of its parameters and its state."""
        statistics = self._statistics.of(position) if self._statistics else []
        state = State([bank.of(position) for bank in self.optimizer.memory], statistics, self.optimizer.steps)
        return Member(self._configs[position], self._bank.of(position), state)

    def parameters(self, position: int) -> Parameters:
        """One network's layers as it is evaluated, weight [outputs, inputs] and bias [outputs].

        They are views, but for layers into which a batch normalization is folded.
        """
        linear = self._bank.linear_of(position)
        if not self._bank.norms or not self._statistics:
            return linear
        norms = zip(self._bank.norms.of(position), self._statistics.of(position), strict=True)
        folded = [fold(layer, *norm) for layer, norm in zip(linear, norms, strict=False)]
        return folded + linear[len(folded) :]

    def evaluated(self) -> "FusedMLP":
        """The networks to `evaluate`: these themselves, or with batch normalization copies without it."""
        if not self._statistics:
            return self
        plain = [MLPConfig(config.hidden_layers, activation=config.activation) for config in self._configs]
        return FusedMLP([Member(config, self.parameters(i)) for i, config in enumerate(plain)], self._like)

    def workspace(self, batch: int, training: bool = True) -> Workspace:
        """Buffers for `step`, or without `training` only for `evaluate`, on batches of exactly this size."""
        return Workspace(self.layout, batch, self._like, training, self._kind.extras)

    def plan(self, rates: Tensor, seed: int, epoch: int, first: int = 0) -> None:
        """Prepares the next steps, all of which must be taken, at learning rates [steps, runs] float64.

        There are at most `STEPS_AHEAD`, from step `first` of an epoch on; `seed` is that of the runs.
        """
        self.cursor.zero_()
        self.optimizer.plan(rates)
        if self._kind.extras.drops:
            steps = range(first, first + len(rates))
            self._keys.plan(dropout.keys(seed, epoch, steps, len(self.layout.widest())).flatten(1))

    def step(self, space: Workspace, x: Tensor, y: Tensor, tally: Tally) -> None:
        """The next planned step, on x [batch, features] and y [batch]; adds the batch, as it was before, to the tally.

        The same operations on the same memory, whichever step it is.
        """
        self.optimizer.begin(space.batch, self.cursor)
        if space.masks:
            self._draw(space)
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
        self.cursor.add_(1)

    def _draw(self, space: Workspace) -> None:
        """Draws the masks of a step."""
        keys = self._keys.take(self.cursor).view(-1, 2)
        noise = [layer.draw(key) for layer, key in zip(space.noise, keys, strict=True)]
        for block, mask in space.masks:
            _, outputs, _ = mask.shape
            kept = noise[self.layout.blocks[block].depth][:outputs] >= self._threshold.of(block)
            torch.mul(kept, self._kept.of(block), out=mask)

    def evaluate(self, space: Workspace, x: Tensor, y: Tensor, tally: Tally) -> None:
        """Adds x [batch, features] and y [batch] to the tally; leaves log-probabilities in `logits_gradient`.

        Networks with batch normalization are evaluated as their `evaluated()`.
        """
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
        if space.norm:
            self._normalize(None, space.norm)
        for section in space.sections:
            section.activate()
        for stage in space.stages:
            weight, bias = self._bank.layers[stage.block]
            torch.baddbmm(bias, weight, stage.inputs, out=stage.out)
            if stage.hidden:
                if stage.norm:
                    self._normalize(stage.block, stage.norm)
                stage.hidden.activate()

    def _backward(self, space: Workspace, x: Tensor) -> None:
        for stage in reversed(space.stages):
            if stage.hidden:
                stage.hidden.deactivate()
                if stage.norm:
                    self._denormalize(stage.block, stage.norm)
            weight = self._bank.layers[stage.block].weight
            torch.bmm(weight.mT, stage.out_gradient, out=stage.inputs_gradient)  # before the weights change
            self.optimizer.update(stage.block, stage.out_gradient, stage.inputs.mT)
        for section in space.sections:
            section.deactivate()
        if space.norm:
            self._denormalize(None, space.norm)
        self.optimizer.update(None, space.first_gradient, x)

    def _normalize(self, block: int | None, norm: Normalization) -> None:
        assert self._bank.norms
        assert self._statistics
        norm.normalize(self._bank.norms.layer(block), self._statistics.layer(block))

    def _denormalize(self, block: int | None, norm: Normalization) -> None:
        assert self._bank.norms
        assert self._statistics
        gradients = norm.denormalize(self._bank.norms.layer(block), self._statistics.layer(block))
        self.optimizer.update_norm(block, gradients)


def _classes(member: Member) -> int:
    return len(member.parameters[len(member.config.hidden_layers)].bias)
