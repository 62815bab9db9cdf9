"""`python -m benchmarks.training.before_after FOLDER`: the fused arm on a processor, here and in another checkout.

A folder of an earlier version comes from `git worktree add FOLDER COMMIT`. One half of each workload is trained in two
processes with one thread, which take turns, epoch by epoch; seconds of the processor are compared.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.report import table
from benchmarks.workloads import QUICK, WORKLOADS, Workload

HERE = Path(__file__).parents[2]
# what both versions have: the arm, the meaning of parameters, and a split
PROGRAM = """
import json, sys, time
import torch
from app.domain.runs import Run
from benchmarks.arms import Fused
from benchmarks.workloads import run_config
from worker.mlp.split import Split

torch.set_num_threads(1)
torch.set_flush_denormal(True)
generator = torch.Generator().manual_seed(0)
runs, sizes = json.loads(sys.stdin.readline())

def examples(count):
    y = torch.randint(0, 10, (count,), generator=generator)
    x = torch.rand(count, 784, generator=generator)
    x[torch.arange(count), y * 70] = 3  # one pixel tells the class
    return x, y

split = Split(*examples(sizes[0]), *examples(sizes[1]), 10)
arm = Fused([Run(i, run_config(params), seed) for i, (params, seed) in enumerate(runs)], split)
arm.epoch()
for _ in sys.stdin:
    start = time.process_time()
    arm.epoch()
    print(time.process_time() - start, flush=True)
"""


class Size(NamedTuple):
    """Examples to train on and to validate with."""

    train: int = 10_240
    val: int = 2_000


def seconds(workload: Workload, folders: Sequence[Path], rounds: int, size: Size) -> list[list[float]]:
    """Seconds of the processor for each round, by folder."""
    runs = [(params, seed) for params in workload.params() for seed in range(workload.seeds)]
    processes = [_begun(folder, json.dumps([runs[::2], size])) for folder in folders]
    try:
        return [list(times) for times in zip(*([_epoch(p) for p in processes] for _ in range(rounds)), strict=True)]
    finally:
        for process in processes:
            process.communicate()


def _begun(folder: Path, task: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(task + "\n")
    process.stdin.flush()
    return process


def _epoch(process: subprocess.Popen[str]) -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write("epoch\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.before_after", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the other version")
    parser.add_argument("--only", nargs="*", help="workloads, of W1 W2 W3 W4 W5 and Q")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for workload in (*WORKLOADS, QUICK):
        if options.only is None or workload.name in options.only:
            times = seconds(workload, [options.folder.absolute(), HERE], options.rounds, Size())
            ratios = [after / before for before, after in zip(*times, strict=True)]
            rows.append([workload.name, *(f"{median(t):.3f}" for t in times), f"{median(ratios):.3f}"])
            print(*rows[-1], file=sys.stderr, flush=True)
    print(table(["", "before, s", "after, s", "after / before"], rows))


if __name__ == "__main__":
    main()
