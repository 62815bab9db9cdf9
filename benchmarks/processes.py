"""Processes that hold arms and train them on command, each on a core of its own."""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple, Self

import torch

from app.domain.runs import Run
from benchmarks.arms import Arm, Eager, Fused, Loader
from benchmarks.book_loader import BookLoader
from benchmarks.products import Products
from worker.data import datasets
from worker.device import devices
from worker.mlp.split import Split
from worker.mlp.training import train

ARMS: dict[str, Callable[[Sequence[Run], Split], Arm]] = {
    "loader": BookLoader,
    "lean loader": Loader,
    "eager": Eager,
    "eager two threads": Eager,
    "fused": Fused,
    "sgemm": Products,
}


class Size(NamedTuple):
    """How many examples an epoch trains and validates on."""

    train: int
    val: int


class Lap(NamedTuple):
    """One timed epoch of an arm in all its processes."""

    seconds: float  # until the last one was done
    busy: float  # of the processor, the process that needed most
    calm: float  # share of their time in which the processes had a core; less than 1 where others took it
    losses: dict[Hashable, float]


def arm_named(name: str) -> Callable[[Sequence[Run], Split], Arm]:
    """What makes an arm; "fused in 8" trains in cohorts of 8."""
    if name.startswith("fused in "):
        return partial(Fused, cohort=int(name.removeprefix("fused in ")))
    return ARMS[name]


def cores() -> list[int]:
    """The cores that this process may use."""
    affinity: Callable[[int], set[int]] = getattr(os, "sched_getaffinity", lambda _: set(range(os.cpu_count() or 1)))
    return sorted(affinity(0))


class Crew:
    """Processes that train the same arms at the same time, one for each set of cores, one thread a core."""

    def __init__(self, core_sets: Sequence[Sequence[int]], home: Path) -> None:
        self._core_sets, self._home = core_sets, home
        self._pipes: list[Connection] = []
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for process_cores in self._core_sets:
            pipe, process_end = context.Pipe()
            process = context.Process(target=_serve, args=(process_end, process_cores, self._home), daemon=True)
            process.start()
            process_end.close()
            self._exit.callback(process.join, 10)
            self._exit.callback(pipe.close)
            self._pipes.append(pipe)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def make(self, arm: str, hands: Sequence[Sequence[Run]], size: Size) -> list[int]:
        """Builds an arm, and trains it once to warm up.

        Gives back the operations of each process's products, where the arm is "sgemm".
        """
        return [int(flops) for flops in self._all("make", *[(arm, hand, size) for hand in hands])]

    def lap(self, arm: str) -> Lap:
        """One epoch of the arm in every process."""
        start = perf_counter()
        laps = self._all("lap", *[(arm,)] * len(self._pipes))
        seconds = perf_counter() - start
        losses = {key: loss for _, _, losses in laps for key, loss in losses.items()}
        busy = [busy for busy, _, _ in laps]
        return Lap(seconds, max(busy), sum(busy) / sum(wall for _, wall, _ in laps), losses)

    def train(self, hands: Sequence[Sequence[Run]]) -> float:
        """Seconds to train the runs from their initial weights to their last epoch, on all the data."""
        start = perf_counter()
        self._all("train", *[(hand,) for hand in hands])
        return perf_counter() - start

    def drop(self) -> None:
        """Forgets all arms."""
        self._all("drop")

    def peak_bytes(self) -> int:
        """The most memory that one of the processes has had."""
        return max(int(peak) for peak in self._all("peak"))

    def _all(self, command: str, *arguments: tuple[Any, ...]) -> list[Any]:
        for pipe, values in zip(self._pipes, arguments or [()] * len(self._pipes), strict=True):
            pipe.send((command, values))
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


class _Member:
    """What one process of a crew can be told."""

    def __init__(self, home: Path) -> None:
        devices.flush_denormals()  # as workers do; for every arm, though a plain script would hardly know
        data = datasets.load("fashion_mnist", "holdout", home=home, device=torch.device("cpu"))
        self._data = data.training_split()
        self._arms: dict[str, Arm] = {}

    def make(self, name: str, runs: Sequence[Run], size: Size) -> int:
        arm = self._arms[name] = arm_named(name)(runs, _first(self._data, size))
        arm.epoch()
        return arm.flops if isinstance(arm, Products) else 0

    def lap(self, name: str) -> tuple[float, float, Mapping[Hashable, float]]:
        start, busy = perf_counter(), process_time()
        losses = self._arms[name].epoch()
        return process_time() - busy, perf_counter() - start, losses

    def train(self, runs: Sequence[Run]) -> None:
        for _ in train(runs, self._data, final_parameters={}):
            pass

    def drop(self) -> None:
        self._arms.clear()

    def peak(self) -> int:
        return peak_bytes()


def _first(data: Split, size: Size) -> Split:
    train_x, train_y = (tensor[: size.train].clone() for tensor in (data.train_x, data.train_y))
    val_x, val_y = (tensor[: size.val].clone() for tensor in (data.val_x, data.val_y))
    return Split(train_x, train_y, val_x, val_y, data.classes)


def peak_bytes() -> int:
    """The most memory that this process has had, resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kilobytes


def _serve(pipe: Connection, process_cores: Sequence[int], home: Path) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, process_cores)
    torch.set_num_threads(len(process_cores))
    member = _Member(home)
    while True:
        try:
            command, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(getattr(member, command)(*arguments))
        except Exception as error:
            pipe.send(error)
