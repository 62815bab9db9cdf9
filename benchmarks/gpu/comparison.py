"""Times all arms on one workload; an arm that fails says so in the table, and the others go on."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

import torch

from app.domain.runs import Run
from benchmarks.arms import Arm, Eager, Fused, Loader
from benchmarks.gpu.arms import EagerProcesses, GraphedEager, GraphedProducts
from benchmarks.gpu.compiled import Compiled
from benchmarks.gpu.ensembles import Ensembles
from benchmarks.products import square_flops, wait
from benchmarks.workloads import Workload
from worker.device.cuda_graph import WARM_UP
from worker.mlp.split import Split

PROCESSES = 8
# The plain arms train one run after the other, so that some of them, evenly picked, tell of all.
PICKED = {"loader": 1, "eager": 8, "eager + CUDA graph": 8, "eager, compiled": 4, "processes": 2 * PROCESSES}
UNTIMED = WARM_UP + 1  # epochs of each arm, in the last of which what an epoch has once is captured too
Result = TypeVar("Result")


@dataclass
class Comparison:
    """What was measured on one workload, by arm."""

    workload: Workload
    seconds: dict[str, list[float]] = field(default_factory=dict)  # an epoch of all runs, or their products alone
    card_bytes: dict[str, int] = field(default_factory=dict)  # of the card's memory, for the runs that it trained
    failures: dict[str, str] = field(default_factory=dict)
    flops: int = 0  # of the products of an epoch
    large_flops: float = 0.0  # a second, in one large product of as many operations as a step

    def ratio(self, arm: str) -> float:
        """How many times as long as the fused cohort an arm takes."""
        return median(self.seconds[arm]) / median(self.seconds["fused"])

    def flops_of(self, arm: str) -> float:
        """Operations of products a second."""
        return self.flops / median(self.seconds[arm])

    def attempt(self, arm: str, work: Callable[[], Result]) -> Result | None:
        """What the work gives; None where it fails."""
        try:
            return work()
        except Exception as error:
            reason = (str(error).strip() or "no reason").splitlines()[0]
            self.failures[arm] = f"{type(error).__name__}: {reason}"[:200].replace("|", "/")
            return None


def compare(workload: Workload, split: Split, home: Path, rounds: int) -> Comparison:
    """Times all arms in turn, `rounds` times, after some epochs of each that do not count."""
    comparison, device = Comparison(workload), split.train_x.device
    with ExitStack() as stack:
        arms: dict[str, tuple[Arm, float]] = {}
        for name, (make, times) in _makers(workload.runs(), split, home, stack).items():
            before = used_bytes(device)
            arm = comparison.attempt(name, partial(_warmed_up, make, device, 1 if name == "loader" else UNTIMED))
            if arm is None:
                continue
            arms[name] = arm, times
            if before is not None:
                comparison.card_bytes[name] = (used_bytes(device, emptied=False) or 0) - before
            if isinstance(arm, GraphedProducts):
                comparison.flops = arm.flops
                comparison.large_flops = square_flops(arm.step_flops, device)
        for number in range(rounds):
            for name, (arm, times) in arms.items():
                if name in comparison.failures or (name == "loader" and number):
                    continue  # it takes seconds a run, and is far off
                seconds = comparison.attempt(name, partial(timed, arm.epoch, device))
                if seconds is not None:
                    comparison.seconds.setdefault(name, []).append(seconds * times)
    return comparison


def _warmed_up(make: Callable[[], Arm], device: torch.device, epochs: int) -> Arm:
    arm = make()
    for _ in range(epochs):
        arm.epoch()
    wait(device)
    return arm


def _makers(
    runs: Sequence[Run], split: Split, home: Path, stack: ExitStack
) -> dict[str, tuple[Callable[[], Arm], float]]:
    """What makes each arm, and how many times as long it would take with all of the runs."""
    processes = min(PROCESSES, len(runs))

    def part(make: Callable[[Sequence[Run], Split], Arm], count: int) -> tuple[Callable[[], Arm], float]:
        some = picked(runs, count)
        return partial(make, some, split), len(runs) / len(some)

    def together(some: Sequence[Run], split: Split) -> Arm:
        return stack.enter_context(EagerProcesses(some, split, processes, home))

    return {
        "fused": part(Fused, len(runs)),
        "eager": part(Eager, PICKED["eager"]),
        "eager + CUDA graph": part(GraphedEager, PICKED["eager + CUDA graph"]),
        "eager, compiled": part(Compiled, PICKED["eager, compiled"]),
        "ensembles + CUDA graph": part(Ensembles, len(runs)),
        f"eager, {processes} processes": part(together, PICKED["processes"]),
        "cuBLAS": part(GraphedProducts, len(runs)),
        "loader": part(Loader, PICKED["loader"]),
    }


def picked(runs: Sequence[Run], count: int) -> list[Run]:
    """So many of the runs, evenly from the first to the last."""
    count = min(count, len(runs))
    return [runs[(2 * i + 1) * len(runs) // (2 * count)] for i in range(count)]


def timed(epoch: Callable[[], Mapping[Hashable, float]], device: torch.device) -> float:
    """Seconds of an epoch, by the clock."""
    wait(device)
    start = perf_counter()
    epoch()
    wait(device)
    return perf_counter() - start


def used_bytes(device: torch.device, *, emptied: bool = True) -> int | None:
    """What is taken of a card's memory, by all processes; None where that can't be asked.

    `emptied`: without what this process keeps for later.
    """
    if device.type != "cuda":
        return None
    if emptied:
        torch.cuda.empty_cache()
    free_bytes, total_bytes = torch.cuda.mem_get_info(device)
    return total_bytes - free_bytes
