"""What only the comparison on a GPU has: the plain loop under a CUDA graph and in processes, products alone, data."""

import multiprocessing
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.runs import Run
from benchmarks.arms import Eager, Model, validation
from benchmarks.products import Products, wait
from worker.data import datasets
from worker.device.cuda_graph import Recorder, Step, recorder_for
from worker.device.rounds import together
from worker.mlp.fused.step_table import StepTable
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split

SPLIT_SIZES = 50_000, 10_000  # of Fashion-MNIST with its validation images held out


class GraphedEager:
    """The plain loop as a good engineer would write it for a GPU: one run at a time, each step one graph.

    Forward, automatic differentiation, torch.optim and the choice of the mini-batch are all in the graph; only the
    last, smaller mini-batch of an epoch is launched operation by operation.
    """

    def __init__(self, runs: Sequence[Run], split: Split, recorder: Recorder | None = None) -> None:
        recorder = recorder or recorder_for(split.train_x.device)
        self._runs = [_GraphedRun(run, split, recorder) for run in runs]
        self._epoch = 0

    def epoch(self) -> dict[Hashable, float]:
        self._epoch += 1
        return {run.model.run.key: run.epoch(self._epoch) for run in self._runs}


class _GraphedRun:
    def __init__(self, run: Run, split: Split, recorder: Recorder | None) -> None:
        self.model, self._split = Model.of(run, split), split
        for group in self.model.optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True
        batch, count = run.config.batch_size, len(split.train_y)
        self._indices = StepTable(batch, split.train_y, count // batch)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=split.train_x.device)
        self._loss, self._hits = split.train_x.new_zeros(()), split.train_y.new_zeros(())
        self._step = together([self._whole_batch], recorder)

    def epoch(self, number: int) -> float:
        order = epoch_order(self.model.run.seed, number, len(self._split.train_y)).to(self._cursor.device)
        batch = self.model.run.config.batch_size
        whole = len(order) // batch
        self._indices.load(order[: whole * batch].view(whole, batch))
        self._cursor.zero_()
        self._loss.zero_()
        self._hits.zero_()
        for _ in range(whole):
            self._step()
        if whole * batch < len(order):
            self._learn(order[whole * batch :])
        return validation(self.model, self._split).loss

    def _whole_batch(self) -> None:
        self._learn(self._indices.select(self._cursor)[0])
        self._cursor.add_(1)

    def _learn(self, indices: Tensor) -> None:
        x, y = self._split.train_x[indices], self._split.train_y[indices]
        logits = self.model.net(x)
        loss = functional.cross_entropy(logits, y)
        self.model.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.model.optimizer.step()
        self._loss += loss.detach() * len(y)
        self._hits += (logits.detach().argmax(1) == y).sum()


class GraphedProducts:
    """The matrix products of a cohort's epoch alone, each in its quickest way; those of a step are one graph."""

    def __init__(self, runs: Sequence[Run], split: Split) -> None:
        recorder, products = recorder_for(split.train_x.device), Products(runs, split)
        self.flops, self.step_flops = products.flops, products.step_flops
        self._phases = [(times, _all(calls, recorder)) for times, calls in products.phases]

    def epoch(self) -> dict[Hashable, float]:
        for times, step in self._phases:
            for _ in range(times):
                step()
        return {}


def _all(calls: Sequence[Callable[[], object]], recorder: Recorder | None) -> Step:
    def step() -> None:
        for call in calls:
            call()

    return together([step], recorder)


class EagerProcesses:
    """Several processes that share the GPU, each with the plain loop and its share of the runs."""

    def __init__(self, runs: Sequence[Run], split: Split, processes: int, home: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._exit = ExitStack()
        for index in range(processes):
            pipe, child_pipe = context.Pipe()
            sizes = len(split.train_y), len(split.val_y)
            is_tf32 = torch.backends.cuda.matmul.allow_tf32  # which is each process's own
            arguments = child_pipe, list(runs[index::processes]), sizes, str(split.train_x.device), home, is_tf32
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            child_pipe.close()
            self._exit.callback(process.join, 10)
            self._exit.callback(pipe.close)
            self._pipes.append(pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def epoch(self) -> dict[Hashable, float]:
        for pipe in self._pipes:
            pipe.send("epoch")
        return {key: loss for pipe in self._pipes for key, loss in pipe.recv().items()}


def _serve(
    pipe: Connection, runs: Sequence[Run], sizes: tuple[int, int], device: str, home: Path, is_tf32: bool
) -> None:
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = is_tf32
    split = first(data(torch.device(device), home)[0], *sizes)
    arm = Eager(runs, split)
    try:
        while True:
            pipe.recv()
            losses = arm.epoch()
            wait(split.train_x.device)
            pipe.send(losses)
    except EOFError:
        return


def data(device: torch.device, home: Path) -> tuple[Split, bool]:
    """Fashion-MNIST on the device, or where this machine has none, noise of its shape; and whether it is the real one.

    Which numbers are multiplied makes hardly a difference to the time.
    """
    if not datasets.available("fashion_mnist", home):
        return noise_split(device), False
    loaded = datasets.load("fashion_mnist", "holdout", home=home, device=device)
    return loaded.training_split(), True


def first(split: Split, train: int, val: int) -> Split:
    """So many of its examples."""
    return Split(split.train_x[:train], split.train_y[:train], split.val_x[:val], split.val_y[:val], split.classes)


def noise_split(device: torch.device) -> Split:
    """Noise of the shape of Fashion-MNIST with its validation images held out; one pixel tells the class."""
    generator = torch.Generator().manual_seed(0)

    def examples(count: int) -> tuple[Tensor, Tensor]:
        y = torch.randint(0, 10, (count,), generator=generator)
        x = torch.rand(count, 784, generator=generator)
        x[torch.arange(count), y * 70] = 3
        return x.to(device), y.to(device)

    train, val = (examples(count) for count in SPLIT_SIZES)
    return Split(*train, *val, 10)
