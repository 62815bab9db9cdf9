"""Networks of one shape as one by `torch.func`: their parameters stacked, one function for all of them."""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from app.domain.memory import EVALUATION_BATCH
from app.domain.runs import Run
from benchmarks.arms import Model
from worker.device.cuda_graph import Recorder, recorder_for
from worker.device.rounds import together
from worker.mlp.fused.step_table import StepTable
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split

Stacked = dict[str, Tensor]  # by the name of a parameter [networks, ...]


class Ensembles:
    """All runs, those of one shape and recipe as one ensemble each; a step is one CUDA graph."""

    def __init__(self, runs: Sequence[Run], split: Split, recorder: Recorder | None = None) -> None:
        recorder = recorder or recorder_for(split.train_x.device)
        alike: dict[Hashable, list[Run]] = defaultdict(list)
        for run in runs:
            c = run.config
            alike[c.hidden_layers, c.activation, c.batch_size, c.optimizer, c.dropout].append(run)
        self._ensembles = [_Ensemble(members, split, recorder) for members in alike.values()]
        self._epoch = 0

    def epoch(self) -> dict[Hashable, float]:
        self._epoch += 1
        return {key: loss for ensemble in self._ensembles for key, loss in ensemble.epoch(self._epoch).items()}


class _Ensemble:
    def __init__(self, runs: Sequence[Run], split: Split, recorder: Recorder | None) -> None:
        self._runs, self._split, config = runs, split, runs[0].config
        self._batch, count = config.batch_size, len(split.train_y)
        nets = [Model.of(run, split).net for run in runs]
        parameters, _ = stack_module_state(nets)
        self._parameters: Stacked = {name: numbers.detach() for name, numbers in parameters.items()}
        self._net = deepcopy(nets[0]).to("meta")
        self._seeds = sorted({run.seed for run in runs})
        # networks of one seed see the same examples, which are then there once
        self._examples_dim = None if len(self._seeds) == 1 else 0
        seed_of_run = torch.tensor([self._seeds.index(run.seed) for run in runs], device=split.train_x.device)
        self._seed_of_run = seed_of_run if len(self._seeds) > 1 else seed_of_run[:1]
        self._indices = StepTable(len(self._seeds) * self._batch, split.train_y, max(count // self._batch, 1))
        self._cursor = torch.zeros(1, dtype=torch.int64, device=split.train_x.device)
        self._rates = split.train_x.new_tensor([run.config.learning_rate for run in runs])
        self._decays = split.train_x.new_tensor([run.config.weight_decay for run in runs])
        self._change = {"sgd": self._sgd, "adam": self._adam}[config.optimizer]
        self._means, self._squares = (
            {name: torch.zeros_like(p) for name, p in self._parameters.items()} for _ in range(2)
        )
        self._t = torch.zeros((), device=split.train_x.device)
        self._step = together([self._whole_batch], recorder)
        in_dims = 0, self._examples_dim, self._examples_dim
        self._grads: Callable[..., Stacked] = vmap(grad(self._loss), in_dims, randomness="different")

    def epoch(self, number: int) -> dict[Hashable, float]:
        count, seeds = len(self._split.train_y), len(self._seeds)
        orders = torch.stack([epoch_order(seed, number, count) for seed in self._seeds])  # [seeds, n]
        orders = orders.to(self._cursor.device)
        whole = count // self._batch
        rows = orders[:, : whole * self._batch].view(seeds, whole, self._batch)
        self._indices.load(rows.transpose(0, 1).reshape(whole, -1))
        self._cursor.zero_()
        for _ in range(whole):
            self._step()
        if whole * self._batch < count:
            self._learn(orders[:, whole * self._batch :])
        return self._validation()

    def _whole_batch(self) -> None:
        self._learn(self._indices.select(self._cursor).view(len(self._seeds), -1))
        self._cursor.add_(1)

    def _learn(
        self,
        indices: Tensor,  # [seeds, batch]
    ) -> None:
        indices = indices[self._seed_of_run]  # [networks or 1, batch]
        if self._examples_dim is None:
            indices = indices[0]
        self._net.train()
        grads = self._grads(self._parameters, self._split.train_x[indices], self._split.train_y[indices])
        self._t.add_(1)
        for name, p in self._parameters.items():
            shape = (-1, *[1] * (p.dim() - 1))
            g = grads[name].add_(p * self._decays.view(shape))
            self._change(name, p, g, self._rates.view(shape))

    def _loss(self, parameters: Stacked, x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(self._net, parameters, (x,)), y)

    def _sgd(self, _name: str, p: Tensor, g: Tensor, rates: Tensor) -> None:
        p.sub_(rates * g)

    def _adam(self, name: str, p: Tensor, g: Tensor, rates: Tensor) -> None:
        mean, square = self._means[name], self._squares[name]
        mean.lerp_(g, 0.1)
        square.mul_(0.999).addcmul_(g, g, value=0.001)
        corrections = [-torch.expm1(self._t * math.log(share)) for share in (0.9, 0.999)]
        p.sub_(rates * (mean / corrections[0]) / ((square / corrections[1]).sqrt_() + 1e-8))

    @torch.no_grad()
    def _validation(self) -> dict[Hashable, float]:
        self._net.eval()
        losses = self._rates.new_zeros(len(self._runs))
        forward = vmap(lambda parameters, x: functional_call(self._net, parameters, (x,)), (0, None))
        parts = (torch.split(part, EVALUATION_BATCH) for part in (self._split.val_x, self._split.val_y))
        for x, y in zip(*parts, strict=True):
            logits = forward(self._parameters, x).flatten(0, 1)  # [networks * batch, classes]
            each = functional.cross_entropy(logits, y.repeat(len(self._runs)), reduction="none")
            losses += each.view(len(self._runs), -1).sum(1)
        means = (losses / len(self._split.val_y)).tolist()
        return {run.key: loss for run, loss in zip(self._runs, means, strict=True)}
