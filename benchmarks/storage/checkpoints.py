"""`python -m benchmarks.storage.checkpoints`: what it costs to keep checkpoints in the database, beside files."""

import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from sqlalchemy import Engine, text

from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.queue.statements import SAVE_CHECKPOINT
from app.schemas import SweepCreate
from app.service.postgres.server import running
from app.sweeps import creation

SIZES = (
    (64, 100_000),
    (64, 814_000),
    (4, 20_000_000),
)  # checkpoints, bytes each: 784-32-10, 784-256-10, 2 x 1,024 with Adam
ROUNDS = 5


def main() -> None:
    """Prints a table, the arms in turn, medians of ROUNDS."""
    with tempfile.TemporaryDirectory(prefix="perceptune-bench.") as folder:
        home = Path(folder)
        home.chmod(0o755)  # as root the database runs as a user of its own
        with running(home) as url:
            engine = connect(url)
            migrate(engine)
            print("| checkpoints | bytes each | database, write ms | read ms | files, write ms | read ms |")
            print("|---:|---:|---:|---:|---:|---:|")
            for count, size in SIZES:
                print(_row(engine, home, count, size))
            engine.dispose()


def _row(engine: Engine, home: Path, count: int, size: int) -> str:
    ids = _trial_ids(engine, count)
    data = [os.urandom(size) for _ in ids]
    arms: Sequence[Callable[[], None]] = (
        lambda: _write_rows(engine, ids, data),
        lambda: _read_rows(engine, ids),
        lambda: _write_files(home, data),
        lambda: _read_files(home, count),
    )
    seconds = [[_timed(arm) for arm in arms] for _ in range(ROUNDS)]
    medians = [statistics.median(column) for column in zip(*seconds, strict=True)]
    return f"| {count} | {size:,} | {' | '.join(f'{1000 * median:,.0f}' for median in medians)} |"


def _timed(arm: Callable[[], None]) -> float:
    start = perf_counter()
    arm()
    return perf_counter() - start


def _trial_ids(engine: Engine, count: int) -> list[int]:
    body = {"name": "checkpoints", "dataset": "digits", "space": {"epochs": 5}, "sampler": "random", "n_trials": count}
    with transaction(engine) as session:
        sweep = creation.create(session, SweepCreate.model_validate(body)).id
        return list(session.scalars(text("SELECT id FROM trials WHERE sweep_id = :sweep"), {"sweep": sweep}))


def _write_rows(engine: Engine, ids: Sequence[int], data: Sequence[bytes]) -> None:
    rows = [{"trial_id": i, "epochs_done": 1, "data": part} for i, part in zip(ids, data, strict=True)]
    with transaction(engine) as session:
        for row in rows:
            session.execute(SAVE_CHECKPOINT, row)


def _read_rows(engine: Engine, ids: Sequence[int]) -> None:
    with transaction(engine) as session:
        session.scalars(text("SELECT data FROM checkpoints WHERE trial_id = ANY(:ids)"), {"ids": list(ids)}).all()


def _write_files(home: Path, data: Sequence[bytes]) -> None:
    for index, part in enumerate(data):
        with (home / f"{index}.safetensors").open("wb") as file:
            file.write(part)
            file.flush()
            os.fsync(file.fileno())


def _read_files(home: Path, count: int) -> None:
    for index in range(count):
        (home / f"{index}.safetensors").read_bytes()


if __name__ == "__main__":
    main()
