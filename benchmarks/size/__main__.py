"""What the service does over 1,000,000 trials in 200 sweeps, beside 10,000 trials in 2 sweeps and in 200.

A Postgres of its own with a database for each of them: 22 epochs of each trial that has ended; a fifth of the sweeps
goes on, with half of its trials waiting. The first has sweeps of the same size, for what is asked of one sweep; the
second as many sweeps, for what is asked of all. They take turns: what else the machine does meets all of them. Times
are milliseconds of processors, the server's and Postgres', and of the clock behind them, medians. A million trials take
about 5 GB of the disk and some minutes to store.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from app.db.engine import connect
from app.db.migrations import migrate
from app.service.postgres.server import running
from benchmarks.report import table
from benchmarks.size.arms import Arm, arm
from benchmarks.size.churn import churn
from benchmarks.size.filling import fill, new_database
from benchmarks.size.plans import explained, slowest
from benchmarks.size.processor import postmaster, processor_seconds

BYTES_A_TRIAL = 8_000  # of the disk, with the log that Postgres writes beside
OPTIONS = {"max_wal_size": "2GB"}


class Shape(NamedTuple):
    """How many sweeps with how many trials each."""

    sweeps: int
    trials: int

    def __str__(self) -> str:
        return f"{self.sweeps:,} x {self.trials:,}"


def shape(text: str) -> Shape:
    """Of a text such as `200x5000`."""
    sweeps, trials = map(int, text.split("x"))
    return Shape(sweeps, trials)


class Spent(NamedTuple):
    """Milliseconds of a call."""

    processor: float
    clock: float


def measure(arms: Mapping[Shape, Arm], times: int, postmaster_pid: int) -> dict[str, dict[Shape, list[Spent]]]:
    """What each call took by shape, after one that is not counted."""
    names = list(next(iter(arms.values())).calls)
    spent: dict[str, dict[Shape, list[Spent]]] = {name: {shape: [] for shape in arms} for name in names}
    for turn in range(times + 1):
        for name in names:
            for measured_shape, measured_arm in arms.items():
                measured_arm.prepare(name)
                begin, busy = time.perf_counter(), processor_seconds(postmaster_pid)
                measured_arm.calls[name]()
                clock, processor = time.perf_counter() - begin, processor_seconds(postmaster_pid) - busy
                if turn:
                    spent[name][measured_shape].append(Spent(processor * 1e3, clock * 1e3))
    return spent


def rows(spent: Mapping[str, Mapping[Shape, Sequence[Spent]]]) -> list[list[str]]:
    """A row a call: medians of each shape, and how many times the others' processor time the last one's is."""
    cells = []
    for name, by_shape in spent.items():
        clocks = [median(value.clock for value in values) for values in by_shape.values()]
        *medians, last = processors = [median(value.processor for value in values) for values in by_shape.values()]
        times = [f"{processor:.1f} ({clock:.0f})" for processor, clock in zip(processors, clocks, strict=True)]
        cells.append([name, *times, *(f"{last / value:.2f}" for value in medians)])
    return cells


def print_plans(largest: Arm) -> None:
    """The slowest statement of each call."""
    for name, call in largest.calls.items():
        largest.prepare(name)
        with slowest() as sent:
            call()
        for statement in list(sent):
            print(f"\n{name}: {explained(largest.engine, statement)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=__doc__)
    shapes = [Shape(2, 5_000), Shape(200, 50), Shape(200, 5_000)]
    parser.add_argument(
        "--shapes", type=shape, nargs="+", default=shapes, help="such as 200x5000, the last the largest"
    )
    parser.add_argument("--times", type=int, default=15, help="0: nothing is measured before the churn")
    parser.add_argument("--plans", action="store_true", help="how the slowest statements are carried out")
    parser.add_argument("--churn", type=float, default=0.0, help="seconds of training, posting and deleting at the end")
    parser.add_argument("--pace", type=float, default=0.0, help="each worker of these comes once in so many seconds")
    parser.add_argument("--every", type=float, default=60.0, help="seconds after which the tables are looked at again")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    if shutil.disk_usage(arguments.folder).free < 1.5 * BYTES_A_TRIAL * sum(
        sweeps * trials for sweeps, trials in arguments.shapes
    ):
        sys.exit(f"{arguments.folder} has too little room for so many trials.")
    with tempfile.TemporaryDirectory(prefix="perceptune-size.", dir=arguments.folder) as folder, ExitStack() as exit:
        Path(folder).chmod(0o755)
        url = exit.enter_context(running(Path(folder), OPTIONS))
        arms: dict[Shape, Arm] = {}
        for place in arguments.shapes:
            address = new_database(url, f"size_{place.sweeps}x{place.trials}")
            engine = connect(address)
            migrate(engine)
            print(fill(engine, *place), flush=True)
            engine.dispose()
            arms[place] = exit.enter_context(arm(address, Path(folder)))
        if arguments.times:
            header = ["", *map(str, arms), *(f"{place} / {other}" for other in [*arms][:-1])]
            load = os.getloadavg()[0]
            spent = measure(arms, arguments.times, postmaster(Path(folder)))
            print(f"\n{table(header, rows(spent))}\n\nload {load:.1f} to {os.getloadavg()[0]:.1f}", flush=True)
        if arguments.plans:
            print_plans(arms[place])
        if arguments.churn:
            print(f"\n{churn(connect(address), address, arguments.churn, arguments.pace, arguments.every)}")


if __name__ == "__main__":
    main()
