"""The plain loop with its network compiled: `torch.compile(mode="reduce-overhead")`, which makes CUDA graphs itself."""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.runs import Run
from benchmarks.arms import Model, validation, zero_tallies
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split


class Compiled:
    """One run at a time: forward with its loss, and backward, are compiled; the last, smaller mini-batch is not."""

    def __init__(self, runs: Sequence[Run], split: Split) -> None:
        torch.compiler.reset()  # a function is compiled for so many networks, and then no more
        self._runs = [_CompiledRun(run, split) for run in runs]
        self._epoch = 0

    def epoch(self) -> dict[Hashable, float]:
        self._epoch += 1
        return {run.model.run.key: run.epoch(self._epoch) for run in self._runs}


class _CompiledRun:
    def __init__(self, run: Run, split: Split) -> None:
        self.model, self._split = Model.of(run, split), split
        self._loss, self._hits = zero_tallies(split)
        # a processor has no graphs to make: there it is tried that all else goes on as it does plainly
        backend = "inductor" if split.train_x.is_cuda else "eager"
        self._compiled = torch.compile(self._forward, mode="reduce-overhead", dynamic=False, backend=backend)

    def epoch(self, number: int) -> float:
        self._loss.zero_()
        self._hits.zero_()
        order = epoch_order(self.model.run.seed, number, len(self._split.train_y)).to(self._loss.device)
        for indices in torch.split(order, self.model.run.config.batch_size):
            whole = len(indices) == self.model.run.config.batch_size
            if indices.is_cuda:
                torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            loss, hits = (self._compiled if whole else self._forward)(indices)
            self.model.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self.model.optimizer.step()
            self._loss += loss.detach() * len(indices)
            self._hits += hits
        return validation(self.model, self._split).loss

    def _forward(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        y = self._split.train_y[indices]
        logits = self.model.net(self._split.train_x[indices])
        return functional.cross_entropy(logits, y), (logits.detach().argmax(1) == y).sum()
