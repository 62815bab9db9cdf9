"""A million rows of 100 numbers, stored, trained on and asked, from a file of one kind or another.

python -m benchmarks.storage.large_table [npz | npy | parquet | csv | csv.gz] [ROWS]
"""

import gzip
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from app.config import Settings
from app.service.up import Service
from perceptune import Client

Answer = TypeVar("Answer")
ROWS, COLUMNS, CLASSES = 1_000_000, 100, 10
SPACE = {"hidden_units": [64], "learning_rate": 0.1, "batch_size": 256, "epochs": 1}
TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What processes of one kind took."""

    memory: dict[str, float]
    """The most KiB that one of them held."""
    seconds: dict[tuple[str, str], float]
    """Of a processor, by kind and process."""


def main() -> None:
    """Prints seconds of storing, training and predicting, and what server, reader, database and worker took."""
    kind, rows = sys.argv[1] if len(sys.argv) > 1 else "npz", int(sys.argv[2]) if len(sys.argv) > 2 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"large.{kind}"
        writer = get_context("spawn").Process(target=write, args=(path, kind, rows))  # whose memory is not the server's
        writer.start()
        writer.join()
        target = str(COLUMNS) if kind == "npy" else "y"
        print(
            f"{rows:,} rows of {COLUMNS} numbers: a file of {path.stat().st_size / 2**20:,.0f} MiB, .{kind}", flush=True
        )
        settings = Settings(home=Path(folder), port=0, workers=1, device="cpu")
        with watched() as usage, Service(settings) as service, Client(service.url) as client:
            timed("shown", lambda: client.preview_dataset(path, target=target))
            timed("stored", lambda: client.add_dataset(path, "large", target=target))
            sweep = timed("posted", lambda: client.sweep("large", space=SPACE, dataset="large", sampler="grid"))
            timed("trained", sweep.wait)
            print(f"validation accuracy {sweep.best.value:.4f} after {SPACE['epochs']} epoch")
            model = timed("fetched", sweep.model)
            timed("asked about 1,000 rows", lambda: model.predict([[0.5] * COLUMNS] * 1_000))
    usage.memory["the server, and who sends"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, size in sorted(usage.memory.items(), key=lambda item: -item[1]):
        seconds = sum(seconds for (its_name, _), seconds in usage.seconds.items() if its_name == name)
        print(f"{name}: {size / 1024:,.0f} MiB at most" + (f", {seconds:.0f} s of a processor" if seconds else ""))


def write(path: Path, kind: str, rows: int) -> None:
    """Writes the file."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, COLUMNS)).astype(np.float32)
    y = (x @ generator.normal(size=(COLUMNS, CLASSES))).argmax(1)
    if kind == "npz":
        np.savez(path, x=x, y=y)
        return
    if kind == "npy":
        np.save(path, np.column_stack([x, y.astype(np.float32)]))
        return
    import pyarrow as pa  # late: the server has none of it
    from pyarrow import csv, parquet

    table = pa.table({**{f"x{place}": x[:, place] for place in range(COLUMNS)}, "y": y})
    if kind == "parquet":
        parquet.write_table(table, path)
        return
    csv.write_csv(table, path.with_suffix(".plain") if kind == "csv.gz" else path)
    if kind == "csv.gz":
        with path.with_suffix(".plain").open("rb") as plain, gzip.open(path, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)


def timed(name: str, work: Callable[[], Answer]) -> Answer:
    """What it gives back, once its seconds are printed."""
    begin = time.perf_counter()
    answer = work()
    print(f"{name} in {time.perf_counter() - begin:.1f} s", flush=True)
    return answer


@contextmanager
def watched() -> Iterator[Usage]:
    """What the processes which this one starts take, by what they do."""
    usage = Usage(defaultdict(float), {})
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(0.1):
            for process in _descendants(os.getpid()):
                with suppress(OSError, KeyError):
                    _note(process, usage)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield usage
    finally:
        finished.set()
        thread.join()


def _note(process: Path, usage: Usage) -> None:
    name = _name(process)
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    usage.memory[name] = max(usage.memory[name], int(lines["VmRSS"].split()[0]))
    times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    usage.seconds[name, process.name] = sum(map(int, times)) / TICKS


def _descendants(pid: int) -> Iterator[Path]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                yield Path(f"/proc/{child}")
                yield from _descendants(int(child))


def _name(process: Path) -> str:
    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    kinds = {
        "forkserver": "the process that reads the file",
        "worker": "the worker",
        "postgres": "a process of Postgres",
    }
    return next((kind for word, kind in kinds.items() if word in command), "others")


if __name__ == "__main__":
    main()
