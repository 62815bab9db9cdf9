"""How long the service takes to answer: `python -m benchmarks.server.latency` prints the table of docs/reliability.md.

A database of its own is filled with large sweeps; then a real server is asked over loopback, by one client and by eight
at once. Before each call of the one client the sweep's revision is raised, so that nothing kept from an earlier call
can be the answer; the eight ask for sweeps that stand still, as dashboards do.
"""

import argparse
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
from sqlalchemy import Engine, text

from app import queue
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.service.postgres.server import running
from benchmarks.server.large_sweeps import Filled, fill
from tests.support.queue_examples import new_worker
from tests.support.up_process import Up, up

CLIENTS = 8
WORKERS = 3
GOAL_MS, CLAIM_GOAL_MS = 200.0, 20.0
COHORT = queue.MAX_CLAIMED_TRIALS["cpu"]


class Measured(NamedTuple):
    """Milliseconds of each call, by one client and by several at once; `size` is the answer's, in bytes.

    `cpu`: milliseconds that the server itself computed a call of the one client, however busy the machine is.
    """

    name: str
    alone: Sequence[float]
    together: Sequence[float] = ()
    size: int = 0
    goal: float | None = None
    cpu: float = math.nan


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed; nan of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan


def cpu_ms(pid: int) -> float:
    """What a process has computed so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")


class Clock:
    """Milliseconds of what happens in its blocks."""

    def __init__(self) -> None:
        self.spent: list[float] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.spent.append((time.perf_counter() - begin) * 1e3)


class Reads:
    """Asks a server for pages, rows and charts, and measures how long it takes."""

    def __init__(self, server: Up, engine: Engine, times: int) -> None:
        url, self._pid = server.url, server.process.pid
        self._clients = [httpx2.Client(base_url=url, timeout=60) for _ in range(CLIENTS)]
        self._engine = engine
        self._times = times

    def measure(self, filled: Filled) -> Iterator[Measured]:
        yield self._measure("list of sweeps", filled.epochs, "/api/v1/sweeps")
        for words, sweep in (("10,000 trials", filled.trials), ("1,020,000 epochs", filled.epochs)):
            for name, path in self._paths(f"/api/v1/sweeps/{sweep}").items():
                yield self._measure(f"{words}: {name}", sweep, path)
            yield self._measure(f"{words}: page of the dashboard", sweep, f"/sweeps/{sweep}")
        yield self._measure_events(filled.waiting)

    def _paths(self, base: str) -> dict[str, str]:
        """What is asked of a sweep, by its name in the table."""
        paths = {
            "sweep": base,
            "trials, first page": f"{base}/trials",
            "trials, best first": f"{base}/trials?order_by=-value",
            "trials, last page": f"{base}/trials?after=9900",
            "one trial": f"{base}/trials/5000",
            "its learning curves": f"{base}/trials/5000/epochs",
            "chart effect of a range": f"{base}/charts/effect?x=learning_rate&color=activation",
        }
        charts = self._clients[0].get(f"{base}/charts").raise_for_status().json()["items"]
        return paths | {f"chart {chart['name']}": chart["url"] for chart in charts}

    def _measure(self, name: str, sweep: int, path: str) -> Measured:
        alone, sizes = Clock(), []

        def ask(client: httpx2.Client, clock: Clock) -> None:
            with clock.running():
                sizes.append(len(client.get(path).raise_for_status().content))

        def ask_often(client: httpx2.Client) -> list[float]:
            clock = Clock()
            for _ in range(max(self._times // 2, 1)):
                ask(client, clock)
            return clock.spent

        begin = cpu_ms(self._pid)
        for _ in range(self._times + 1):
            with transaction(self._engine) as session:
                session.execute(text("UPDATE sweeps SET revision = revision + 1 WHERE id = :id"), {"id": sweep})
            ask(self._clients[0], alone)
        cpu = (cpu_ms(self._pid) - begin) / (self._times + 1)
        with ThreadPoolExecutor(CLIENTS) as pool:
            together = [ms for times in pool.map(ask_often, self._clients) for ms in times]
        return Measured(name, alone.spent[1:], together, max(sizes), GOAL_MS, cpu)

    def _measure_events(self, sweep: int) -> Measured:
        """From the call that changes a sweep to the event that says so."""
        clock = Clock()
        with self._clients[0].stream("GET", f"/api/v1/sweeps/{sweep}/events") as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line.startswith("retry"))
            for call in ["pause", "resume"] * max(self._times // 4, 1):
                with clock.running():
                    changed = self._clients[1].post(f"/api/v1/sweeps/{sweep}/{call}").raise_for_status().json()
                    heard = (json.loads(line[5:]) for line in lines if line.startswith("data:"))
                    next(event for event in heard if event["revision"] >= changed["revision"])
        return Measured("event after a change", clock.spent)


class Writes:
    """The calls that workers make, on the sweep whose trials wait."""

    def __init__(self, engine: Engine, sweep: int, times: int) -> None:
        self._engine, self._sweep, self._times = engine, sweep, times

    def measure(self) -> list[Measured]:
        """By one worker, and by three at once."""
        alone = self._work()
        with ThreadPoolExecutor(WORKERS) as pool:
            clocks = [future.result() for future in [pool.submit(self._work) for _ in range(WORKERS)]]
        goals = {"claim": CLAIM_GOAL_MS}
        return [
            Measured(
                f"{name} of {COHORT} trials",
                spent,
                [ms for clock in clocks for ms in clock[name]],
                goal=goals.get(name),
            )
            for name, spent in alone.items()
        ]

    def _work(self) -> dict[str, list[float]]:
        """A worker that claims, keeps its leases alive, and gives them back."""
        worker, clocks = new_worker(self._engine), {name: Clock() for name in ("claim", "heartbeat", "give back")}

        def claim() -> list[queue.Lease]:
            with clocks["claim"].running():
                with transaction(self._engine) as session:
                    queue.expire(session)
                with transaction(self._engine) as session:
                    claimed = queue.claim(session, worker, COHORT, 30.0)
            assert claimed is not None
            return [trial.lease for trial in claimed[1]]

        for _ in range(self._times + 1):
            leases = claim()
            with clocks["heartbeat"].running(), transaction(self._engine) as session:
                queue.heartbeat(session, worker, leases, 30.0)
            with clocks["give back"].running(), transaction(self._engine) as session:
                queue.give_back(session, self._sweep, leases)
        return {name: clock.spent[1:] for name, clock in clocks.items()}


def row(measured: Measured) -> str:
    """A row of the table; the goal is the 95th percentile of the one client's calls."""
    figures = [quantile(times, share) for times in (measured.alone, measured.together) for share in (0.5, 0.95)]
    figures.append(measured.cpu)
    cells = ["" if math.isnan(figure) else f"{figure:.0f}" for figure in figures]
    goal = "" if measured.goal is None else f"{measured.goal:.0f} {'kept' if figures[1] <= measured.goal else 'MISSED'}"
    size = f"{measured.size / 1e3:,.0f}" if measured.size else ""
    return "| " + " | ".join([measured.name, *cells, size, goal]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="calls a row by the one client")
    parser.add_argument("--keep", type=Path, help="a folder for the database, filled if it is empty")
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print("| call, in milliseconds | alone: p50 | p95 | at once: p50 | p95 | server's CPU | answer, kB | goal of p95 |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    with running(home) as url:
        for measured in measure(url, home, options.times):
            print(row(measured), flush=True)
    if options.keep is None:
        shutil.rmtree(home)


def measure(url: str, home: Path, times: int) -> Iterator[Measured]:
    """Every row of the table, on this database."""
    engine = connect(url)
    migrate(engine)
    filled = fill(engine)
    yield from Writes(engine, filled.waiting, times).measure()
    with up(home, "--workers", "0", PERCEPTUNE_HOME=home, DATABASE_URL=url) as server:
        yield from Reads(server, engine, times).measure(filled)
    engine.dispose()


if __name__ == "__main__":
    main()
