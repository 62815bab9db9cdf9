"""The whole of it: sweeps are posted and trained while faults are injected, then everything is looked at."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, cycle

from tests.chaos.checks import Checks, check_all, values_of
from tests.chaos.faults import Faults
from tests.chaos.retraining import Retraining, keep_deleted_epochs
from tests.chaos.sweeps import CYCLE
from tests.chaos.world import World
from tests.support.waiting import wait_until

WORKERS = 3
ENDING_SECONDS = 240.0
RETRIES = 10
_LOST = """
    SELECT sweep_id, count(*) AS n FROM trials
    WHERE state = 'failed' AND error LIKE 'its worker was lost%' GROUP BY sweep_id
"""


@dataclass
class Outcome:
    """What was done, what was found, and how long the faults took, in seconds."""

    faults: Counter[str]
    checks: Checks
    sweeps: int
    trials: int
    retried: int
    seconds: float
    retraining: Retraining


class Storm:
    """One run of it, on a world of its own."""

    def __init__(self, world: World, seed: int, workers: int) -> None:
        self._world = world
        self._workers = workers
        self._faults = Faults(world, seed)
        self._kinds: dict[int, str] = {}
        self._bodies = cycle(CYCLE.items())
        self._numbers = count()

    def run(self, faults: int, seconds: float, say: Callable[[str], None]) -> Outcome:
        """Injects so many faults, or as many as the seconds allow, lets the sweeps end, and checks."""
        keep_deleted_epochs(self._world.engine)
        self._world.fleet.start(self._workers)
        references = self._references()
        say("undisturbed sweeps are trained; now the faults")
        begin, injected = time.monotonic(), Counter[str]()
        for kind in self._faults.deck(faults):
            if time.monotonic() - begin > seconds:
                break
            self._keep_busy()
            say(f"{sum(injected.values()) + 1:4d} {kind}")
            self._faults.inject(kind)
            injected[kind] += 1
            self._world.fleet.assert_alive()
        self._faults.settle()
        spent = time.monotonic() - begin
        self._kinds |= dict.fromkeys(self._faults.cancelled, "cancelled") | dict.fromkeys(
            self._faults.extended, "random"
        )
        self._kinds |= dict.fromkeys(self._faults.poisonous, "poisonous")
        say("the faults are over; the sweeps go to their ends")
        retried = self._finish()
        trials = self._world.query("SELECT count(*) AS n FROM trials")[0].n
        checks = check_all(self._world, self._kinds, references)
        return Outcome(injected, checks, len(self._kinds), trials, retried, spent, Retraining.measured_in(self._world))

    def _references(self) -> dict[str, list[float]]:
        """The values of sweeps that nothing happened to."""
        posted = {name: self._post(name) for name in ("grid", "random")}
        self._await_ends()
        return {name: values_of(self._world, sweep) for name, sweep in posted.items()}

    def _post(self, name: str) -> int:
        sweep = self._world.post_sweep(f"{name} {next(self._numbers)}", CYCLE[name])
        self._kinds[sweep] = name
        return sweep

    def _live(self) -> list[int]:
        live = "SELECT id FROM sweeps WHERE state IN ('queued', 'running', 'paused', 'stopping')"
        return [row.id for row in self._world.query(live)]

    def _keep_busy(self) -> None:
        for _ in range(self._workers - len(self._live())):  # a sweep for each worker
            self._post(next(self._bodies)[0])

    def _await_ends(self) -> None:
        wait_until(lambda: not self._live(), ENDING_SECONDS)

    def _finish(self) -> int:
        """Lets all sweeps end; trials that failed as their workers were lost three times are asked for again."""
        retried = 0
        for _ in range(RETRIES):
            self._await_ends()
            lost_rows = self._world.query(_LOST)
            if not lost_rows:
                break
            for row in lost_rows:
                self._world.call("POST", f"/sweeps/{row.sweep_id}/retry").raise_for_status()
                retried += row.n
        return retried


def storm(
    world: World, *, faults: int, seed: int, seconds: float, say: Callable[[str], None], workers: int = WORKERS
) -> Outcome:
    """Has so many workers train in a world, attacks it, and says what was found."""
    with world:
        return Storm(world, seed, workers).run(faults, seconds, say)
