"""`python -m benchmarks.training.cohorts`: how quick fused training is in cohorts of different sizes on a CPU."""

import argparse
import math
from collections.abc import Sequence
from statistics import median

from app.config import load_settings
from app.domain.runs import Run
from benchmarks.processes import Crew, Lap, Size, cores
from benchmarks.report import machine, table
from benchmarks.workloads import WORKLOADS, Workload, dealt

SIZE = Size(5_120, 1_000)  # 20 steps of 256
EXTRA = (
    Workload("wide", "32 of width 1024", {"hidden_units": 1024, "learning_rate": [0.1] * 32}, epochs=1),
    Workload(
        "small batches",
        "32 of width 1024 with batches of 16",
        {"hidden_units": 1024, "learning_rate": [0.01] * 32, "batch_size": 16},
        epochs=1,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.cohorts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="these workloads alone")
    arguments = parser.parse_args()
    print(table(["", ""], list(machine().items())) + "\n")
    used_cores = cores()[:2]
    with Crew([[core] for core in used_cores], load_settings().home) as crew:
        for workload in (*WORKLOADS, *EXTRA):
            if not arguments.only or workload.name in arguments.only:
                print(_curve(workload, crew, len(used_cores), arguments.rounds) + "\n", flush=True)


def _curve(workload: Workload, crew: Crew, processes: int, rounds: int) -> str:
    """Seconds of each cohort size, the sizes in turn; by the wall clock, and of the processor alone."""
    hands = dealt(workload.runs(), processes)
    sizes = _sizes(max(map(len, hands)))
    for size in sizes:
        crew.make(f"fused in {size}", hands, SIZE)
    laps: dict[int, list[Lap]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            laps[size].append(crew.lap(f"fused in {size}"))
    crew.drop()
    rows = []
    for size in sizes:
        seconds = median(lap.seconds for lap in laps[size])
        busy = median(lap.busy for lap in laps[size])
        rows.append([str(size), _megabytes(hands[0][:size]), f"{seconds:.3f}", f"{busy:.3f}"])
    header = ["runs in a cohort", "MB of parameters", "seconds", "of the processor"]
    return f"{workload.name}: {workload.title}\n\n{table(header, rows)}"


def _sizes(most: int) -> list[int]:
    """1, 2, 4 ... and the most there are."""
    return [*(2**k for k in range(math.ceil(math.log2(most)))), most]


def _megabytes(runs: Sequence[Run]) -> str:
    return f"{4 * sum(run.config.parameter_count(784, 10) for run in runs) / 1e6:.2g}"


if __name__ == "__main__":
    main()
