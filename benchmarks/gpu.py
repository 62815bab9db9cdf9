"""`python -m benchmarks.gpu`: hundreds of networks on one GPU, fused and in every other way, as markdown.

It needs nothing but torch, numpy and this repository; without the data set it trains on noise of its shape.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from app.domain.runs import Run
from benchmarks.arms import Arm, Eager, Fused, Loader
from benchmarks.gpu_arms import EagerProcesses, GraphedEager, GraphedProducts, data
from benchmarks.products import wait
from benchmarks.workloads import WORKLOADS, Workload
from worker.device.devices import device_name
from worker.device.products import products
from worker.mlp.split import Split

EPOCHS = 10  # of a trial, where trials an hour are counted
PROCESSES = 8
# The plain arms train one run after the other, so that some of them, evenly picked, tell of all.
PICKED = {"loader": 1, "eager": 8, "eager + CUDA graph": 8, "processes": 2 * PROCESSES}
GOALS = {
    ("G256", "eager"): 50.0,
    ("G32", "eager"): 50.0,
    ("G256", "eager + CUDA graph"): 8.0,
    ("G32", "eager + CUDA graph"): 20.0,
}
HUNDREDS = (
    Workload("G32", "512 trials of width 32", {"hidden_units": 32, "learning_rate": [0.1] * 512}, epochs=EPOCHS),
    Workload("G256", "256 trials of width 256", {"hidden_units": 256, "learning_rate": [0.1] * 256}, epochs=EPOCHS),
)


@dataclass
class Comparison:
    """Seconds that an epoch of all runs of a workload takes, by arm, and of its matrix products alone."""

    workload: Workload
    seconds: dict[str, list[float]] = field(default_factory=dict)
    flops: int = 0

    def ratio(self, arm: str) -> float:
        """How many times as long as the fused cohort an arm takes."""
        return median(self.seconds[arm]) / median(self.seconds["fused"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path.home() / ".local/share/perceptune", help="data folder")
    parser.add_argument("--rounds", type=int, default=5, help="of all arms in turn; medians are told")
    parser.add_argument("--only", nargs="*", help="workloads: W1 W2 W3 W4 G32 G256")
    parser.add_argument("--tf32", action="store_true", help="round the factors of products, in every arm")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: this needs an NVIDIA GPU and a torch built for CUDA; there is none here.")
    torch.set_num_threads(1)
    device, start = torch.device("cuda:0"), perf_counter()
    split, real = data(device, arguments.home)
    comparisons = []
    with products("TF32" if arguments.tf32 else "float32"):
        for workload in workloads_here():
            if not arguments.only or workload.name in arguments.only:
                comparisons.append(compare(workload, split, arguments.home, arguments.rounds))
                print(_table(comparisons[-1]), file=sys.stderr, flush=True)  # not lost with what is not measured
    facts = machine(device) | {
        "command": f"`{' '.join(['python', '-m', 'benchmarks.gpu', *sys.argv[1:]])}`",
        "data": "Fashion-MNIST" if real else "noise of Fashion-MNIST's shape: the data set is not on this machine",
        "precision": "float32, TF32 products" if arguments.tf32 else "float32",
        "minutes": f"{(perf_counter() - start) / 60:.1f}",
    }
    print(markdown(facts, comparisons))


def workloads_here() -> list[Workload]:
    """Those of the comparison on CPUs, and hundreds of networks; without Optuna the random one is left out."""
    drawable = all(find_spec(name) for name in ("optuna", "pydantic", "sqlalchemy"))
    return [workload for workload in (*WORKLOADS, *HUNDREDS) if drawable or workload.n_trials is None]


def compare(workload: Workload, split: Split, home: Path, rounds: int) -> Comparison:
    """Times all arms in turn, `rounds` times, after an epoch of each that does not count."""
    print(f"{workload.name}: {workload.title}", file=sys.stderr)
    runs, comparison = workload.runs(), Comparison(workload)
    products = GraphedProducts(runs, split)
    comparison.flops = products.flops
    with ExitStack() as stack:
        processes = min(PROCESSES, len(runs))
        many = stack.enter_context(EagerProcesses(picked(runs, PICKED["processes"]), split, processes, home))
        arms: dict[str, tuple[Arm, float]] = {
            "fused": (Fused(runs, split), 1),
            "eager": part(Eager, runs, split, PICKED["eager"]),
            "eager + CUDA graph": part(GraphedEager, runs, split, PICKED["eager + CUDA graph"]),
            f"eager, {processes} processes": (many, len(runs) / min(len(runs), PICKED["processes"])),
            "cuBLAS": (products, 1),
            "loader": part(Loader, runs, split, PICKED["loader"]),
        }
        for number in range(rounds + 1):
            for name, (arm, times) in arms.items():
                if name == "loader" and number > 1:
                    continue  # it takes seconds a run, and is far off
                seconds = timed(arm.epoch, split.train_x.device) * times
                if number:
                    comparison.seconds.setdefault(name, []).append(seconds)
    return comparison


def part(
    make: Callable[[Sequence[Run], Split], Arm], runs: Sequence[Run], split: Split, count: int
) -> tuple[Arm, float]:
    """An arm of some of the runs, and how many times as long it would take with all of them."""
    some = picked(runs, count)
    return make(some, split), len(runs) / len(some)


def picked(runs: Sequence[Run], count: int) -> list[Run]:
    """So many of the runs, evenly from the first to the last."""
    count = min(count, len(runs))
    return [runs[(2 * i + 1) * len(runs) // (2 * count)] for i in range(count)]


def timed(epoch: Callable[[], Mapping[Hashable, float]], device: torch.device) -> float:
    wait(device)
    start = perf_counter()
    epoch()
    wait(device)
    return perf_counter() - start


def machine(device: torch.device) -> dict[str, str]:
    """What was measured on."""
    query = ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
    try:
        driver, memory = (
            subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0].split(", ")
        )
    except (OSError, subprocess.CalledProcessError, ValueError):
        driver, memory = "not told by nvidia-smi", "not told by nvidia-smi"
    return {
        "card": device_name(device),
        "memory": memory,
        "driver": driver,
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}",
        "python": platform.python_version(),
    }


def markdown(facts: Mapping[str, str], comparisons: Sequence[Comparison]) -> str:
    """Facts, a table a workload, and the goals."""
    parts = ["\n".join(["| | |", "|---|---|", *(f"| {name} | {words} |" for name, words in facts.items())])]
    for comparison in comparisons:
        parts += [f"**{comparison.workload.name}**, {comparison.workload.title}:", _table(comparison)]
    return "\n\n".join([*parts, "Goals:", _goals(comparisons)])


def _table(comparison: Comparison) -> str:
    trials = len(comparison.workload.runs()) / comparison.workload.seeds
    lines = [
        f"| arm | seconds an epoch of all runs | trials of {EPOCHS} epochs an hour | times the fused one's |",
        "|---|---|---|---|",
    ]
    for name, seconds in comparison.seconds.items():
        if name == "cuBLAS":
            continue
        middle = median(seconds)
        lines.append(
            f"| {name} | {middle:.3g} | {trials * 3600 / (EPOCHS * middle):,.0f} | {comparison.ratio(name):.3g} |"
        )
    fused, products = (comparison.flops / median(comparison.seconds[name]) / 1e12 for name in ("fused", "cuBLAS"))
    share = f"{products:.3g} TFLOP/s in the matrix products alone, {fused:.3g} in training"
    return "\n".join([*lines, "", f"{share}: {fused / products:.0%} of cuBLAS"])


def _goals(comparisons: Sequence[Comparison]) -> str:
    lines = ["| goal | at least | measured | |", "|---|---|---|---|"]
    measured = {comparison.workload.name: comparison for comparison in comparisons}
    for (workload, arm), least in GOALS.items():
        if workload in measured:
            ratio = measured[workload].ratio(arm)
            words = "met" if ratio >= least else f"missed by {1 - ratio / least:.0%}"
            lines.append(f"| {workload}: fused / {arm} | {least:g} | {ratio:.3g} | {words} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
