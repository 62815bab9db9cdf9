"""Many multilayer perceptrons trained at once on the same mini-batches.

The first layer of all runs is one matrix product, weight [first rows, features] @ data [features, batch], and its
gradient another; later layers are batched products over runs of one shape. No run's numbers enter another's: rows are
independent in every product, and the loss is summed over the runs. The gradients are written out by hand (D2L 5.3), so
that each result goes into memory made beforehand. Nothing in a step waits for the device or asks anything of the host:
what changes from step to step is loaded for many steps ahead, so that a step can be captured once and replayed.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.datasets import Target
from worker.mlp import dropout
from worker.mlp.batch_norm import fold, write_scale_and_shift
from worker.mlp.fused.heads import Head, SoftmaxHead, SquaredErrorHead
from worker.mlp.fused.layout import Layout, fusion_order
from worker.mlp.fused.member import Member, TrainingState
from worker.mlp.fused.optimizers import Optimizer
from worker.mlp.fused.packing import Packing, gather
from worker.mlp.fused.parameters import FlatParameters, copy_layers, norms_of_run
from worker.mlp.fused.step_kind import StepKind
from worker.mlp.fused.step_table import StepTable
from worker.mlp.fused.workspace import DropoutBuffers, Level, Workspace
from worker.mlp.initializers import Layer, Parameters
from worker.mlp.scores import RunningSums


def layout_for(configs: Sequence[MLPConfig], features: int, outputs: int, device: torch.device) -> Layout:
    """The layout that is quickest on a device: where each operation is a launch, the one of fewer kernels."""
    layout = Layout(configs, features, outputs)
    if device.type == "cpu":
        return layout
    return min(layout, Layout(configs, features, outputs, packed=True), key=Layout.kernels)


_BITS = {torch.float32: torch.int32, torch.float64: torch.int64}  # whole numbers of as many bytes


class FusedMLP:
    """The networks of some members as few tensors; parameters and states are copied.

    Raises ValueError when the members come in another order than `fusion_order`, or are of two kinds of step.
    """

    def __init__(
        self,
        members: Sequence[Member],  # at least one, in `fusion_order`
        like: Tensor,  # any shape: gives dtype and device
        target: Target = "class",
    ) -> None:
        configs = [member.config for member in members]
        if sorted(configs, key=fusion_order) != configs:
            raise ValueError("the members of a fused network come in fusion_order")
        self._kind, *other_kinds = {StepKind.of(config) for config in configs}
        if other_kinds:
            raise ValueError("the members of a fused network are of one kind")
        self._configs, self._like = configs, like.new_empty(0)
        self._target_dtype = like.dtype if target == "number" else torch.int64
        self.layout = layout_for(configs, members[0].features, members[0].outputs, like.device)
        self._packing = Packing(self.layout, like.device) if self.layout.packed else None
        self._parameters = FlatParameters(self.layout, self._like, self._kind.batch_norm)
        self._parameters.gain.fill_(1)
        running_shape = self._parameters.gain.shape  # [hidden rows, 1]
        self._running = Layer(self._like.new_zeros(running_shape), self._like.new_ones(running_shape))
        # scale and shift that stand for normalization in an evaluation
        self._folded = Layer(self._like.new_empty(running_shape), self._like.new_empty(running_shape))
        # [1], how many of the loaded steps were taken: a tensor, so that a captured step moves it on by itself
        self.cursor = torch.zeros(1, dtype=torch.int64, device=self._like.device)
        self._optimizer = Optimizer(configs, self._parameters, self._like)
        for position, member in enumerate(members):
            self._copy_member(position, member)
        self._head = self._make_head(target)
        if self._kind.dropout:
            self._make_dropout_coefficients()

    def _make_head(self, target: Target) -> Head:
        if target == "class":
            return SoftmaxHead(self._configs, self.layout.outputs, self._like)
        if self._kind.label_smoothing:
            raise ValueError("label_smoothing is for classes, and the targets are numbers")
        return SquaredErrorHead()

    def _make_dropout_coefficients(self) -> None:
        device, widths = self._like.device, self.layout.max_widths()
        run_of_unit = self.layout.run_of_row()[self.layout.logit_rows :]  # [hidden rows]
        shares = [config.dropout for config in self._configs]
        thresholds = torch.tensor([dropout.threshold(share) for share in shares], dtype=torch.int32)  # [runs]
        scales = self._like.new_tensor([1 / (1 - share) for share in shares])  # [runs], keeps the mean
        self._dropout_thresholds = thresholds[run_of_unit].unsqueeze(1).to(device)  # [hidden rows, 1]
        survivor_scales = scales[run_of_unit.to(device)].unsqueeze(1)  # [hidden rows, 1]
        self._survivor_bits = survivor_scales.view(_BITS[scales.dtype])
        # narrower layers read the first rows of the noise that the widest one has
        starts = [0, *accumulate(widths)]
        noise_rows = [
            torch.arange(starts[level], starts[level] + rows.stop - rows.start)
            for level, rows in self.layout.hidden_slices()
        ]
        self._noise_rows = torch.cat(noise_rows).to(device)  # [hidden rows] int64
        # [steps, 2 * hidden layers] int32, two for the key of each layer
        self._dropout_keys = StepTable(2 * len(widths), thresholds.to(device))

    def _copy_member(self, position: int, member: Member) -> None:
        copy_layers(self._parameters.of_run(position), member.parameters)
        if member.state is None:
            return
        self._optimizer.steps = member.state.steps
        for stacked, layers in zip(self._optimizer.state, member.state.optimizer, strict=True):
            copy_layers(stacked.of_run(position), layers)
        copy_layers(self._running_stats(position), member.state.running_stats)

    def _running_stats(self, position: int) -> Parameters:
        return norms_of_run(self.layout, position, *self._running) if self._kind.batch_norm else []

    def member(self, position: int) -> Member:
        """One network as it is now: views of its parameters and its state."""
        optimizer_state = [stacked.of_run(position) for stacked in self._optimizer.state]
        state = TrainingState(optimizer_state, self._running_stats(position), self._optimizer.steps)
        return Member(self._configs[position], self._parameters.of_run(position), state)

    def parameters(self, position: int) -> Parameters:
        """One network's layers as it is evaluated, weight [outputs, inputs] and bias [outputs].

        They are views, but for layers into which a batch normalization is folded.
        """
        linear = self._parameters.linear_of_run(position)
        if not self._kind.batch_norm:
            return linear
        affine = norms_of_run(self.layout, position, self._parameters.gain, self._parameters.shift)
        norms = zip(affine, self._running_stats(position), strict=True)
        folded = [fold(layer, *norm) for layer, norm in zip(linear, norms, strict=False)]
        return folded + linear[len(folded) :]

    def workspace(self, batch: int, training: bool = True) -> Workspace:
        """Buffers for `step`, or without `training` only for `evaluate`, on batches of exactly this size."""
        kind = self._kind if training else None
        space = Workspace(self.layout, self._packing, batch, self._like, kind, self._target_dtype)
        if training:
            space.changes = self._optimizer.changes(list(space.gradients()))
        return space

    def sums(self) -> RunningSums:
        """Sums over no examples, for `step` and `evaluate` to add to."""
        return RunningSums.zeros(self.layout.runs, self._like, self._target_dtype)

    def load_steps(
        self,
        rates: Tensor,  # [steps, runs] float64, the learning rates of at most STEPS_AHEAD steps
        seed: int,  # of the runs
        epoch: int,  # from 1
        first: int = 0,  # the first of the steps, within the epoch
    ) -> None:
        """Prepares the next steps, all of which must be taken."""
        self.cursor.zero_()
        self._optimizer.load_rates(rates)
        if self._kind.dropout:
            steps = range(first, first + len(rates))
            keys = dropout.keys(seed, epoch, steps, len(self.layout.levels))  # [steps, hidden layers, 2]
            self._dropout_keys.load(keys.flatten(1))

    def step(
        self,
        space: Workspace,  # for training; its `x` and `y` are the mini-batch
        sums: RunningSums,  # the batch is added as it was before the step
    ) -> None:
        """Takes the next loaded step: the same operations on the same memory, whichever step it is."""
        self._optimizer.begin_step(self.cursor)
        if space.dropout:
            self._draw_masks(space.dropout)
        self._forward(space, space.x, self._normalize)
        self._head.take(space, space.y, sums)
        space.logits_grad.mul_(self._optimizer.logits_grad_scale(space.batch))  # [runs, 1, 1]
        self._backward(space)
        self._optimizer.update(space.changes)
        self.cursor.add_(1)

    def _draw_masks(self, buffers: DropoutBuffers) -> None:
        keys = self._dropout_keys.select(self.cursor).view(-1, 2)  # [hidden layers, 2] int32
        noise = buffers.noise.draw(keys)  # [noise rows, batch] int32
        gather(noise, self._noise_rows, buffers.values)  # [hidden rows, batch]
        # whole numbers throughout: a comparison that gives truth values or floats takes four times as long on a CPU,
        # and 0 or 1 times the bits of a number are the bits of 0 or of it
        bits = buffers.mask.view(self._survivor_bits.dtype)
        torch.ge(buffers.values, self._dropout_thresholds, out=bits)
        bits.mul_(self._survivor_bits)

    def evaluate(
        self,
        batches: Sequence[tuple[Workspace, Tensor, Tensor]],  # each with x [batch, features], and y [batch]
        sums: RunningSums,  # the batches are added
    ) -> None:
        """Adds losses and answers to the sums: nothing is dropped, and running statistics serve."""
        if self._kind.batch_norm:  # once for all batches
            affine = Layer(self._parameters.gain, self._parameters.shift)
            write_scale_and_shift(affine, self._running, self._folded)
        for space, x, y in batches:
            self._forward(space, x, self._normalize_by_running_stats)
            self._head.add_scores(space, y, sums)

    def _forward(
        self,
        space: Workspace,
        x: Tensor,  # [batch, features]
        normalize: Callable[[Level], None],
    ) -> None:
        first_bias = self._parameters.bias[self.layout.first_rows]
        torch.addmm(first_bias, self._parameters.first, x.T, out=space.first_out)  # [first rows, batch]
        if self._packing and space.packed:
            gather(self._parameters.padded_bias, self._packing.from_rows, space.packed.bias)
        for stage, (level, products) in enumerate(zip(space.levels, space.products, strict=True)):
            if self._kind.batch_norm:
                normalize(level)
            level.activate()
            if self._packing and space.packed:
                inputs = self._packing.inputs[stage]
                gather(space.hidden_outputs, self._packing.from_hidden[inputs], space.packed.inputs[inputs])
            for product in products:
                weight = self._parameters.weights[product.block]
                bias = self._parameters.biases[product.block] if product.bias is None else product.bias
                torch.baddbmm(bias, weight, product.inputs, out=product.out)  # [runs, outputs, batch]
            if self._packing and space.packed:
                rows = self.layout.results(stage)
                gather(space.packed.outputs, self._packing.to_rows[rows], space.values[rows])

    def _backward(
        self,
        space: Workspace,  # with dL/dlogits in logits_grad
    ) -> None:
        """Computes dL/dz of all hidden rows; the weights change only afterwards."""
        for stage, (level, products) in reversed(list(enumerate(zip(space.levels, space.products, strict=True)))):
            if self._packing and space.packed:
                outputs = self._packing.outputs[stage]
                gather(space.grads, self._packing.from_rows[outputs], space.packed.outputs[outputs])
            # Each row is read by one product alone, which therefore writes its grad: nothing is zeroed before, and
            # nothing added up.
            for product in products:
                weight = self._parameters.weights[product.block]
                torch.bmm(weight.mT, product.out_grad, out=product.inputs_grad)  # [runs, inputs, batch]
            if self._packing and space.packed:
                gather(space.packed.inputs_grad, self._packing.to_hidden[level.rows], level.grad)
            level.backward()
            if level.norm:
                affine, running = self._norms(level)
                level.norm.backward(affine, running, space.norm_grads[:, level.rows])

    def _norms(self, level: Level) -> tuple[Layer, Layer]:  # [rows, 1] each
        """Gain and shift, and running mean and variance, of a level."""
        gain, shift = self._parameters.gain[level.rows], self._parameters.shift[level.rows]
        return Layer(gain, shift), Layer(self._running.weight[level.rows], self._running.bias[level.rows])

    def _normalize(self, level: Level) -> None:
        assert level.norm
        level.norm.forward(*self._norms(level))

    def _normalize_by_running_stats(self, level: Level) -> None:
        scale, shift = (numbers[level.rows] for numbers in self._folded)
        torch.addcmul(shift, level.z, scale, out=level.z)
