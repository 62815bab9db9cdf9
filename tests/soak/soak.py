"""The whole of it: rounds of what users do and of what goes wrong, while sizes are taken."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.fleets import ForkedWorkers
from tests.chaos.sweeps import CYCLE
from tests.chaos.world import World
from tests.support.machine.process_size import Size, size_of

SAMPLE_SECONDS = 10.0
KEPT_SWEEPS = 25  # the oldest beyond are deleted, so that the database stays as large as it was
FAULT_EVERY = 8  # rounds
FAULTS = [
    "a worker killed (kill -9)",
    "half of all connections ended by Postgres",
    "all of the workers' connections reset",
    "a worker stopped past its lease (SIGSTOP)",
    "the workers' network down, longer than a lease",
    "a sweep cancelled",
]
PAGES = ["/", "/sweeps/new", "/exercises", "/workers", "/metrics", "/api/v1/sweeps?limit=50"]
OF_SWEEP = ["/sweeps/{}", "/api/v1/sweeps/{}/trials?limit=50", "/api/v1/sweeps/{}/log"]
CHARTS = ["history", "effect?x=learning_rate", "curves", "importance", "parallel_coordinates", "timeline"]
FORMATS = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


@dataclass
class Record:
    """What was done, how often, and the sizes: seconds since the begin, process, size."""

    done: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[float, str, Size]] = field(default_factory=list)
    seconds: float = 0.0


class Soak:
    """One run, of which the server and one worker live from the begin to the end; other workers are hurt."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._chance = random.Random(seed)
        self._faults = Faults(world, seed)
        self._kinds = cycle(FAULTS)
        self._bodies = cycle(CYCLE.items())
        self._numbers = count(1)
        self._record = Record()

    def run(self, seconds: float, pause: float, say: Callable[[str], None]) -> Record:
        """Rounds for so many seconds, with a pause after each."""
        world, record = self._world, self._record
        assert isinstance(world.fleet, ForkedWorkers)
        steady_worker = world.fleet.start_spared()
        world.fleet.start(1)
        begin = time.monotonic()
        next_sample = 0.0
        while record.seconds < seconds:
            number = next(self._numbers)
            self._round(number)
            if number % FAULT_EVERY == 0:
                self._fault(next(self._kinds))
            record.seconds = time.monotonic() - begin
            if record.seconds >= next_sample:
                self._sample(steady_worker)
                next_sample = record.seconds + SAMPLE_SECONDS
                say(f"{number} rounds: {record.sizes[-2][2]}, {record.sizes[-1][2]}")
            time.sleep(pause)
        self._faults.settle()
        return record

    def _sample(self, worker: int) -> None:
        for name, pid in ("server", self._world.server_pid), ("worker", worker):
            self._record.sizes.append((self._record.seconds, name, size_of(pid, self._world.engine)))

    def _fault(self, kind: str) -> None:
        self._faults.inject(kind)
        self._record.done[kind] += 1

    def _round(self, number: int) -> None:
        name, body = next(self._bodies)
        if len(self._ids("queued", "running")) < 3:
            self._world.post_sweep(f"{name} {number}", body)
            self._record.done["sweep posted"] += 1
        for path in self._chance.sample(PAGES, 2):
            self._get(path, "page or list")
        ended_ids = self._ids("completed")
        if ended_ids:
            self._visit(self._chance.choice(ended_ids))
        for sweep in sorted(ended_ids)[:-KEPT_SWEEPS]:
            self._call("DELETE", f"/sweeps/{sweep}", "sweep deleted")

    def _visit(self, sweep: int) -> None:
        """A page of a sweep, a chart, its export, which is imported again, a download that is left, and its events."""
        self._get(self._chance.choice(OF_SWEEP).format(sweep), "page of a sweep")
        self._get(f"/api/v1/sweeps/{sweep}/charts/{self._chance.choice(CHARTS)}", "chart")
        ending = self._chance.choice([*FORMATS])
        path = f"/api/v1/sweeps/{sweep}/export.{ending}?epochs=true"
        content = self._get(path, "export")
        self._leave(path, "download that is left")
        self._leave("/api/v1/events", "stream of events that is left")
        self._call("POST", "/sweeps/import", "import", content=content, headers={"Content-Type": FORMATS[ending]})

    def _ids(self, *states: str) -> list[int]:
        rows = self._world.query("SELECT id FROM sweeps WHERE state::text = ANY(:states)", states=list(states))
        return [row.id for row in rows]

    def _get(self, path: str, kind: str) -> bytes:
        answer = self._world.client.get(self._world.url + path)
        self._note(kind, answer.status_code)
        return answer.content

    def _leave(self, path: str, kind: str) -> None:
        with self._world.client.stream("GET", self._world.url + path) as answer:
            self._note(kind, answer.status_code)

    def _call(self, method: str, path: str, kind: str, **options: Any) -> None:
        self._note(kind, self._world.client.request(method, f"{self._world.url}/api/v1{path}", **options).status_code)

    def _note(self, kind: str, status: int) -> None:
        self._record.done[kind if status < 400 else f"{kind}: {status}"] += 1


def soak(home: Path, *, seconds: float, pause: float, seed: int, say: Callable[[str], None]) -> Record:
    """Makes a world in an empty folder, uses and hurts it for so long, and says what was held meanwhile."""
    with World(home) as world:
        return Soak(world, seed).run(seconds, pause, say)
