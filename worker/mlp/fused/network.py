"""Many multilayer perceptrons trained at once on the same mini-batches.

The first layer of all runs is one matrix product, weight [first rows, features] @ data [features, batch], and its
gradient another; later layers are batched products over runs of one shape. No run's numbers enter another's: rows are
independent in every product, and the loss is summed over the runs. The gradients are written out by hand (D2L 5.3), so
that each result goes into memory made beforehand. Nothing in a step waits for the device or asks anything of the host:
what changes from step to step is loaded for many steps ahead, so that a step can be captured once and replayed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.mlp import dropout
from worker.mlp.batch_norm import BatchNorm, fold
from worker.mlp.fused.layout import BlockIndex, Layout, fusion_order
from worker.mlp.fused.member import Member, TrainingState
from worker.mlp.fused.optimizers import OPTIMIZERS, Optimizer
from worker.mlp.fused.parameters import RunFactors, StackedNorms, StackedParameters, copy_layers
from worker.mlp.fused.step_kind import StepKind
from worker.mlp.fused.step_table import StepTable
from worker.mlp.fused.workspace import Workspace
from worker.mlp.initializers import Parameters
from worker.mlp.scores import RunningSums


class FusedMLP:
    """The networks of some members as few tensors; parameters and states are copied.

    Raises ValueError when the members come in another order than `fusion_order`, or are of two kinds of step.
    """

    def __init__(
        self,
        members: Sequence[Member],  # at least one, in `fusion_order`
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        configs = [member.config for member in members]
        if sorted(configs, key=fusion_order) != configs:
            raise ValueError("the members of a fused network come in fusion_order")
        self._kind, *other_kinds = {StepKind.of(config) for config in configs}
        if other_kinds:
            raise ValueError("the members of a fused network are of one kind")
        self.layout = Layout.of(configs, members[0].features, members[0].classes)
        self._configs, self._like = configs, like.new_empty(0)
        self._parameters = StackedParameters(self.layout, self._like, gain=1 if self._kind.batch_norm else None)
        self._running_stats = StackedNorms(self.layout, self._like, 0, 1) if self._kind.batch_norm else None
        # [1], how many of the loaded steps were taken: a tensor, so that a captured step moves it on by itself
        self.cursor = torch.zeros(1, dtype=torch.int64, device=self._like.device)
        self.optimizer: Optimizer = OPTIMIZERS[self._kind.rule](configs, self._parameters, self._like)
        for position, member in enumerate(members):
            self._copy_member(position, member)
        self._make_loss_coefficients()
        if self._kind.dropout:
            self._make_dropout_coefficients()

    def _make_loss_coefficients(self) -> None:
        smoothing = self._like.new_tensor([config.label_smoothing for config in self._configs]).view(-1, 1, 1)
        # Smoothed targets are smoothing / classes for every class and 1 - smoothing more for the example's own; the
        # gradient of the cross-entropy has both with a minus. Szegedy et al. 2016.
        self._target_grad = smoothing - 1  # [runs, 1, 1]
        self._smoothing = smoothing / self.layout.classes if self._kind.label_smoothing else None  # [runs, 1, 1]

    def _make_dropout_coefficients(self) -> None:
        shares = [config.dropout for config in self._configs]
        thresholds = torch.tensor([dropout.threshold(share) for share in shares], dtype=torch.int32)
        thresholds = thresholds.to(self._like.device)  # [runs]
        self._dropout_thresholds = RunFactors(thresholds, self._parameters)
        # [steps, 2 * hidden layers] int32, two for the key of each layer
        self._dropout_keys = StepTable(2 * len(self.layout.max_widths()), thresholds)
        survivor_scales = self._like.new_tensor([1 / (1 - share) for share in shares])  # [runs], keeps the mean
        self._survivor_scales = RunFactors(survivor_scales, self._parameters)

    def _copy_member(self, position: int, member: Member) -> None:
        copy_layers(self._parameters.of_run(position), member.parameters)
        if member.state is None:
            return
        self.optimizer.steps = member.state.steps
        for stacked, layers in zip(self.optimizer.state, member.state.optimizer, strict=True):
            copy_layers(stacked.of_run(position), layers)
        if self._running_stats:
            copy_layers(self._running_stats.of_run(position), member.state.running_stats)

    def member(self, position: int) -> Member:
        """One network as it is now: views of its parameters and its state."""
        running_stats = self._running_stats.of_run(position) if self._running_stats else []
        optimizer_state = [stacked.of_run(position) for stacked in self.optimizer.state]
        state = TrainingState(optimizer_state, running_stats, self.optimizer.steps)
        return Member(self._configs[position], self._parameters.of_run(position), state)

    def parameters(self, position: int) -> Parameters:
        """One network's layers as it is evaluated, weight [outputs, inputs] and bias [outputs].

        They are views, but for layers into which a batch normalization is folded.
        """
        linear = self._parameters.linear_of_run(position)
        if not self._parameters.norms or not self._running_stats:
            return linear
        norms = zip(self._parameters.norms.of_run(position), self._running_stats.of_run(position), strict=True)
        folded = [fold(layer, *norm) for layer, norm in zip(linear, norms, strict=False)]
        return folded + linear[len(folded) :]

    def for_evaluation(self) -> "FusedMLP":
        """The networks to `evaluate`: these themselves, or with batch normalization copies into which it is folded."""
        if not self._running_stats:
            return self
        members = [Member.for_evaluation(config, self.parameters(i)) for i, config in enumerate(self._configs)]
        return FusedMLP(members, self._like)

    def workspace(self, batch: int, training: bool = True) -> Workspace:
        """Buffers for `step`, or without `training` only for `evaluate`, on batches of exactly this size."""
        return Workspace(self.layout, batch, self._like, self._kind if training else None)

    def load_steps(
        self,
        rates: Tensor,  # [steps, runs] float64, the learning rates of at most STEPS_AHEAD steps
        seed: int,  # of the runs
        epoch: int,  # from 1
        first: int = 0,  # the first of the steps, within the epoch
    ) -> None:
        """Prepares the next steps, all of which must be taken."""
        self.cursor.zero_()
        self.optimizer.load_rates(rates)
        if self._kind.dropout:
            steps = range(first, first + len(rates))
            keys = dropout.keys(seed, epoch, steps, len(self.layout.max_widths()))  # [steps, hidden layers, 2]
            self._dropout_keys.load(keys.flatten(1))

    def step(
        self,
        space: Workspace,  # for training, on batches of this size
        x: Tensor,  # [batch, features]
        y: Tensor,  # [batch] int64
        sums: RunningSums,  # the batch is added as it was before the step
    ) -> None:
        """Takes the next loaded step: the same operations on the same memory, whichever step it is."""
        self.optimizer.begin_step(space.batch, self.cursor)
        if space.masks:
            self._draw_masks(space)
        self._score_batch(space, x, y, sums)  # leaves log(softmax(z)) in space.logits_grad
        if self._smoothing is not None:
            self._add_smoothing_loss(space, y, sums, self._smoothing)
        # dL/dz of the cross-entropy is softmax(z) minus the target probabilities: D2L 4.1.2.2. It is made in the memory
        # of the log-probabilities, which nothing needs any more.
        logits_grad = space.logits_grad.exp_()  # [runs, classes, batch]
        if self._smoothing is not None:
            logits_grad.sub_(self._smoothing)  # [runs, 1, 1]
        targets = self._targets(y)
        logits_grad.scatter_add_(1, targets, self._target_grad.expand(targets.shape))
        # here, where there are few numbers, and not at the parameters, where there are many
        logits_grad.mul_(self.optimizer.logits_grad_scale())  # [runs, 1, 1]
        self._backward(space, x)
        self.cursor.add_(1)

    def _draw_masks(self, space: Workspace) -> None:
        """Draws the masks of a step; blocks of narrower layers read the first rows of the widest layer's noise."""
        keys = self._dropout_keys.select(self.cursor).view(-1, 2)  # [hidden layers, 2] int32
        noise = [layer.draw(key) for layer, key in zip(space.noise, keys, strict=True)]  # [max width, batch] each
        for block, mask in space.masks:
            _, outputs, _ = mask.shape
            survives = noise[self.layout.blocks[block].depth][:outputs] >= self._dropout_thresholds.of_block(block)
            torch.mul(survives, self._survivor_scales.of_block(block), out=mask)  # [runs, outputs, batch]

    def evaluate(
        self,
        space: Workspace,  # on batches of this size
        x: Tensor,  # [batch, features]
        y: Tensor,  # [batch] int64
        sums: RunningSums,  # the batch is added
    ) -> None:
        """Adds a batch's losses and correct answers to the sums.

        Networks with batch normalization are evaluated as their `for_evaluation()`.
        """
        self._score_batch(space, x, y, sums)

    def _score_batch(
        self,
        space: Workspace,  # on batches of this size
        x: Tensor,  # [batch, features]
        y: Tensor,  # [batch] int64
        sums: RunningSums,  # the batch is added
    ) -> None:
        """Adds a batch's losses and correct answers to the sums; leaves log-probabilities in `space.logits_grad`."""
        self._forward(space, x)
        torch.log_softmax(space.logits, 1, out=space.logits_grad)  # [runs, classes, batch]
        sums.loss.sub_(space.logits_grad.gather(1, self._targets(y)).sum((1, 2)))  # [runs]
        # on a CPU max(1) takes a fifth of argmax(1) here, and both give the first of equals
        sums.correct.add_((space.logits.max(1).indices == y).sum(1))  # [runs]

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
        differences = smoothing * (self.layout.classes * target_logs - logs.sum(1, keepdim=True))  # [runs, 1, batch]
        sums.loss.add_(differences.sum((1, 2)))  # [runs]

    def _targets(
        self,
        y: Tensor,  # [batch] int64
    ) -> Tensor:  # [runs, 1, batch] int64, a view: the index along the classes
        return y.expand(self.layout.runs, 1, -1)

    def _forward(
        self,
        space: Workspace,
        x: Tensor,  # [batch, features]
    ) -> None:
        first = self._parameters.first
        torch.addmm(first.bias, first.weight, x.T, out=space.first_out)  # [first rows, batch]
        if space.norm:
            self._norm_forward(None, space.norm)  # [hidden rows, batch]
        for section in space.sections:
            section.forward()  # [rows of one activation, batch]
        for stage in space.stages:
            weight, bias = self._parameters.layers[stage.block]
            torch.baddbmm(bias, weight, stage.inputs, out=stage.out)  # [runs, outputs, batch]
            if stage.hidden:
                if stage.norm:
                    self._norm_forward(stage.block, stage.norm)
                stage.hidden.forward()  # [runs, outputs, batch]

    def _backward(
        self,
        space: Workspace,  # with dL/dlogits in logits_grad
        x: Tensor,  # [batch, features]
    ) -> None:
        for stage in reversed(space.stages):
            if stage.hidden:
                stage.hidden.backward()  # [runs, outputs, batch]
                if stage.norm:
                    self._norm_backward(stage.block, stage.norm)
            weight = self._parameters.layers[stage.block].weight
            # before the weights change: the grad is that of the weights which the forward pass had
            torch.bmm(weight.mT, stage.out_grad, out=stage.inputs_grad)  # [runs, inputs, batch]
            self.optimizer.update(stage.block, stage.out_grad, stage.inputs.mT)  # at once, while both are in the cache
        # the stages have filled in the grads of the sections, whose views they read
        for section in space.sections:
            section.backward()  # [rows of one activation, batch]
        if space.norm:
            self._norm_backward(None, space.norm)  # [hidden rows, batch]
        # the logits of runs without hidden layers end first_out_grad, so that one product serves all runs
        self.optimizer.update(None, space.first_out_grad, x)

    def _norm_forward(self, block: BlockIndex, norm: BatchNorm) -> None:
        assert self._parameters.norms
        assert self._running_stats
        norm.forward(self._parameters.norms.layer(block), self._running_stats.layer(block))

    def _norm_backward(self, block: BlockIndex, norm: BatchNorm) -> None:
        assert self._parameters.norms
        assert self._running_stats
        grads = norm.backward(self._parameters.norms.layer(block), self._running_stats.layer(block))
        self.optimizer.update_norm(block, grads)
