"""`python -m benchmarks.gpu`: all that is measured on a GPU, as markdown: hundreds of networks fused and in every other
way, with exact and with TF32 products; the tests that need a card, profiles, the whole service, and two exercises.

The arms need nothing but torch, numpy and this repository; without the data set they train on noise of its shape.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import get_args

import torch

from app.domain.devices.products import Products
from benchmarks.gpu import whole
from benchmarks.gpu.arms import data, first
from benchmarks.gpu.comparison import compare
from benchmarks.gpu.report import EPOCHS, facts_table, machine, markdown, table
from benchmarks.workloads import QUICK, WORKLOADS, Workload
from worker.device.products import has_tf32, products
from worker.mlp.split import Split

PARTS = ("tests", "arms", "profiles", "service", "exercises")
PROFILED = ("W2", "W4")
PAGE_PART = "part of GPUs"  # of docs/performance.md
QUICK_EXAMPLES = 1_024, 512
HUNDREDS = (
    Workload("G32", "512 trials of width 32", {"hidden_units": 32, "learning_rate": [0.1] * 512}, epochs=EPOCHS),
    Workload("G256", "256 trials of width 256", {"hidden_units": 256, "learning_rate": [0.1] * 256}, epochs=EPOCHS),
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    if options.device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: this needs an NVIDIA GPU and a torch built for CUDA; there is none here.")
    torch.set_num_threads(1)
    start = perf_counter()
    split, is_real = data(options.device, options.home)
    if options.quick:
        split = first(split, *QUICK_EXAMPLES)
    parts = []
    for part in _parts(options, split):
        print(part, end="\n\n", file=sys.stderr, flush=True)  # not lost with what is not measured
        parts.append(part)
    words = " ".join(["python", "-m", "benchmarks.gpu", *(sys.argv[1:] if arguments is None else arguments)])
    facts = machine(options.device) | {
        "command": f"`{words}`",
        "data": "Fashion-MNIST" if is_real else "noise of Fashion-MNIST's shape: the data set is not on this machine",
        "minutes": f"{(perf_counter() - start) / 60:.1f}",
    }
    text = "\n\n".join([facts_table(facts), *parts])
    print(text)
    if options.into:
        from benchmarks.report import write_into

        write_into(options.into, text, PAGE_PART)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path.home() / ".local/share/perceptune", help="data folder")
    parser.add_argument("--rounds", type=int, default=5, help="of all arms in turn; medians are told")
    parser.add_argument("--only", nargs="*", help="workloads: W1 W2 W3 W4 W5 G32 G256")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what is measured; default all")
    parser.add_argument("--products", nargs="*", choices=get_args(Products), default=["float32", "TF32"])
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda:0"))
    parser.add_argument("--quick", action="store_true", help="a tiny workload, to try the command on any device")
    parser.add_argument("--into", type=Path, help="a page whose part of GPUs is replaced, as docs/performance.md")
    return parser.parse_args(arguments)


def _parts(options: argparse.Namespace, split: Split) -> Iterator[str]:
    """The parts that are wanted, one after the other; one that fails says so, and the others go on."""
    workloads = [w for w in workloads_here(options.quick) if not options.only or w.name in options.only]
    profiled = [w for w in workloads if options.quick or w.name in PROFILED]
    served = [w for w in workloads if w not in HUNDREDS]
    takes: dict[str, Callable[[], str]] = {
        "tests": whole.tests,
        "arms": lambda: "\n\n".join(_arms(options, kind, workloads, split) for kind in _kinds(options)),
        "profiles": lambda: "\n\n".join(whole.profile_of(workload, split) for workload in profiled),
        "service": lambda: whole.service(served, split, options.home),
        "exercises": lambda: whole.exercises(options.home, options.device),
    }
    for name in options.parts:
        try:
            text = takes[name]()
        except Exception as error:
            text = f"This part failed: {type(error).__name__}: {error}"
        yield f"### {name.capitalize()}\n\n{text}"


def _kinds(options: argparse.Namespace) -> list[Products]:
    """The kinds of products that the device has."""
    return [kind for kind in options.products if kind != "TF32" or has_tf32(options.device)]


def _arms(options: argparse.Namespace, kind: Products, workloads: Sequence[Workload], split: Split) -> str:
    comparisons = []
    with products(kind):
        for workload in workloads:
            print(f"{workload.name}: {workload.title}, {kind} products", file=sys.stderr)
            comparisons.append(compare(workload, split, options.home, options.rounds))
            print(table(comparisons[-1]), file=sys.stderr, flush=True)
    return markdown(comparisons, kind)


def workloads_here(quick: bool = False) -> list[Workload]:
    """Those of the comparison on CPUs, and hundreds of networks; without Optuna the random ones are left out."""
    if quick:
        return [QUICK]
    drawable = all(find_spec(name) for name in ("optuna", "pydantic", "sqlalchemy"))
    return [workload for workload in (*WORKLOADS, *HUNDREDS) if drawable or workload.n_trials is None]


if __name__ == "__main__":
    main()
