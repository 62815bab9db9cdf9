"""`python -m benchmarks.claims.shares`: how much of a sweep a worker should take where others are quicker, simulated.

Of each fleet and size of sweep: how long the sweep takes by each rule, as a multiple of the least possible, where all
workers end at one moment. Each rule adds to the one before; the last is what claims do.

`count`: what is left is divided by the number of workers, as if they were alike. `speed`: each takes its share of all
speeds, and one near most others' counts as theirs. `fitting`: a worker that is not the quickest takes trials that fit
into its share before more expensive ones. `trying`: one that was not measured yet takes a part of its share.

Made up are the trials, whose costs vary as random widths make them, and the seconds that a claim takes: some for
itself, then its trials one after the other. Speeds were measured before, with an error; `new` fleets begin without.
Each worker is a machine of its own, the quick one with another device; those half as quick have the same one, and were
measured.
"""

import argparse
import heapq
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import mean, median
from typing import Literal, get_args

from app.queue.claims import MAX_CLAIMED_TRIALS
from app.queue.shares import ALIKE, GUESSED_PART
from benchmarks.report import table, write_into

Rule = Literal["count", "speed", "fitting", "trying"]
RULES: tuple[Rule, ...] = get_args(Rule)
PART = "shares part"  # of the page
SIZES = (10, 40, 200, 2_000)
HEARTBEAT_SECONDS = 15.0  # between two measurements of a worker that trains
CLAIM_SECONDS = 0.15  # to claim, and to store what comes of it
COST_SPREAD = 0.8  # of the logarithm of a trial's cost, whose median is 1 second of the slowest worker
ERROR = 0.1  # of the logarithm of a measured speed
SMOOTHING = 0.5  # weight of the newest measurement


@dataclass(frozen=True)
class Machine:
    """A worker: trials of cost 1 that it trains in a second, and the most that it claims."""

    speed: float
    largest_claim: int = MAX_CLAIMED_TRIALS["cpu"]
    device: str = "cpu"


CARD = MAX_CLAIMED_TRIALS["cuda"]
FLEETS: Mapping[str, Sequence[Machine]] = {
    "8 alike": [Machine(1)] * 8,
    "4, and one 3 times as quick": [Machine(1)] * 4 + [Machine(3, device="quick")],
    "4, and one 10 times as quick": [Machine(1)] * 4 + [Machine(10, device="quick")],
    "8, and a card 100 times as quick": [Machine(1)] * 8 + [Machine(100, CARD, "card")],
    "4, and 4 half as quick": [Machine(2)] * 4 + [Machine(1)] * 4,
}
NEW = {"4, and one 10 times as quick", "8, and a card 100 times as quick"}


@dataclass
class Worker:
    """A machine at work."""

    machine: Machine
    speed: float | None  # as it was measured
    measured_at: float = math.inf  # when it is for the first time
    running: Sequence[float] = ()  # costs of the trials that it trains


@dataclass
class Simulation:
    """One sweep under one rule."""

    fleet: Sequence[Machine]
    trials: int
    rule: Rule
    seed: int
    is_new: bool = False  # no worker was measured before
    _busy: list[tuple[float, int, Worker, float]] = field(default_factory=list)  # end, order, worker, begin

    def __post_init__(self) -> None:
        self._draws = random.Random(self.seed)
        costs = [self._draws.lognormvariate(0, COST_SPREAD) for _ in range(self.trials)]
        self._waiting = sorted(costs, reverse=True)
        self.least_seconds = sum(costs) / sum(machine.speed for machine in self.fleet)
        workers = [Worker(machine, None if self.is_new else self._measured(machine.speed)) for machine in self.fleet]
        self._workers = self._draws.sample(workers, len(workers))  # in which order they come is chance
        self._order = count()

    def _has(self, step: Rule) -> bool:
        """Whether the rule is this one, or adds to it."""
        return RULES.index(self.rule) >= RULES.index(step)

    def run(self) -> float:
        """The seconds until the last trial has ended."""
        now = 0.0
        while True:
            for worker in self._workers:
                if self._waiting and not worker.running:
                    self._claim(worker, now)
            if not self._busy:
                return now
            now, _, worker, begin = heapq.heappop(self._busy)
            measured = self._measured(sum(worker.running) / (now - begin))
            worker.speed = measured if worker.speed is None else worker.speed + SMOOTHING * (measured - worker.speed)
            worker.running, worker.measured_at = (), math.inf

    def _measured(self, speed: float) -> float:
        return speed * self._draws.lognormvariate(0, ERROR)

    def _claim(self, worker: Worker, now: float) -> None:
        """Takes the worker's share of what waits, the most expensive first; all of it, where that is hardly more."""
        weights = self._weights(now)
        own = weights[id(worker)]
        live = sum(self._waiting) + sum(cost for other in self._workers for cost in other.running)
        part = GUESSED_PART if self._has("trying") and self._is_guessed(worker) else 1
        share = live * own / sum(weights.values()) / part
        first = self._first(share) if self._has("fitting") and own < max(weights.values()) else 0
        takes_all = sum(self._waiting) <= share + max(self._waiting) / 2
        last, work = first, 0.0
        while last < min(len(self._waiting), first + worker.machine.largest_claim // part):
            if last > first and work + self._waiting[last] / 2 > share and not takes_all:
                break
            work += self._waiting[last]
            last += 1
        if last > first:
            worker.running = self._waiting[first:last]
            del self._waiting[first:last]
            end = now + CLAIM_SECONDS + work / worker.machine.speed
            worker.measured_at = now + self._draws.uniform(0, HEARTBEAT_SECONDS)
            heapq.heappush(self._busy, (end, next(self._order), worker, now))

    def _first(self, share: float) -> int:
        """The place of the most expensive trial that fits into the share, or of the cheapest."""
        return next((place for place, cost in enumerate(self._waiting) if cost <= share), len(self._waiting) - 1)

    def _is_guessed(self, worker: Worker) -> bool:
        """Whether devices differ, and none like the worker's was measured."""
        like_it = [other for other in self._workers if other.machine.device == worker.machine.device]
        return len(like_it) < len(self._workers) and all(other.speed is None for other in like_it)

    def _speeds_of_devices(self) -> dict[str, float]:
        """The mean speed of those with such a device that were measured."""
        speeds: dict[str, list[float]] = {}
        for worker in self._workers:
            if worker.speed is not None:
                speeds.setdefault(worker.machine.device, []).append(worker.speed)
        return {device: mean(of_device) for device, of_device in speeds.items()}

    def _weights(self, now: float) -> dict[int, float]:
        """What each worker counts for."""
        for worker in self._workers:
            if worker.speed is None and worker.measured_at <= now:
                worker.speed = self._measured(worker.machine.speed)
        if not self._has("speed"):
            return {id(worker): 1.0 for worker in self._workers}
        known = [worker.speed for worker in self._workers if worker.speed is not None]
        of_all = mean(known) if known else 1.0
        of_devices = self._speeds_of_devices()
        speeds = {id(worker): worker.speed or of_devices.get(worker.machine.device, of_all) for worker in self._workers}
        usual = sorted(speeds.values())[(len(speeds) - 1) // 2]
        return {key: usual if usual / ALIKE <= speed <= usual * ALIKE else speed for key, speed in speeds.items()}


def ratio(fleet: Sequence[Machine], trials: int, rule: Rule, seeds: int, *, is_new: bool) -> float:
    """The median of the time that sweeps take over the least possible."""
    simulations = [Simulation(fleet, trials, rule, seed, is_new) for seed in range(seeds)]
    return median(simulation.run() / simulation.least_seconds for simulation in simulations)


def markdown(seeds: int) -> str:
    """A line for each fleet, its measurements and size of sweep, a column for each rule."""
    rows = [
        [f"{name}{', new' if is_new else ''}", f"{trials:,}"]
        + [f"{ratio(fleet, trials, rule, seeds, is_new=is_new):.2f}" for rule in RULES]
        for name, fleet in FLEETS.items()
        for is_new in ((False, True) if name in NEW else (False,))
        for trials in SIZES
    ]
    return table(["workers", "trials", *RULES], rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims.shares", description=__doc__)
    parser.add_argument("--seeds", type=int, default=25, help="sweeps of each kind")
    parser.add_argument("--into", type=Path, help="a page whose part with this table is to be replaced")
    arguments = parser.parse_args()
    simulated = markdown(arguments.seeds)
    print(simulated)
    if arguments.into:
        write_into(arguments.into, simulated, PART)


if __name__ == "__main__":
    main()
