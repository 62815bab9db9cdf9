"""`python -m benchmarks.claims.claim_rule`: which group of waiting trials a claim should choose, simulated.

A claim takes the deepest of the groups that are wide enough, and where none is, the widest. Simulated is how many
epochs a second are trained, when a good configuration has trained to its last epoch, and how long a sweep of 128 trials
takes, for each number of trials that is wide enough: with 1 the deepest group comes first, with 64, the largest claim,
the widest. In the first column a claim takes no more of the deepest than come to their next rung within ten seconds.

Rungs, brackets and promotions are the service's own functions. Made up are the learning curves. A leg costs some time
for itself, and each of its epochs a fixed part and one for each network.
"""

import argparse
import heapq
import json
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, count
from pathlib import Path
from statistics import median
from typing import Any

from app.domain.formatting import plural
from app.domain.objectives import Objective
from app.domain.pruning.options import HyperbandPruner, SuccessiveHalvingPruner
from app.domain.pruning.promotion import RungRecord, promoted_ids
from app.domain.pruning.rungs import HalvingPruner, bracket_sizes, ladder, next_bracket
from app.domain.sampling import LEARNING_BATCH
from app.queue.claims import MAX_CLAIMED_TRIALS, SECONDS_TO_NEXT_RUNG
from benchmarks.report import table, write_into

PART = "claim rule part"  # of the page
ERROR = Objective("val_accuracy", maximize=False)  # an error is simulated in place of an accuracy
EPOCHS, TRIALS = 81, 2_000
SMALL = 128  # trials of a sweep that is trained to its end
MAX_TRIALS = MAX_CLAIMED_TRIALS["cpu"]
WIDTHS = (1, 4, 8, 16, MAX_TRIALS)
RULES = [("quick", 1, SECONDS_TO_NEXT_RUNG), *[(str(wide), wide, math.inf) for wide in WIDTHS]]  # name, wide, seconds
TITLES = {"quick": f"deepest, {SECONDS_TO_NEXT_RUNG:g} s", "1": "deepest", str(MAX_TRIALS): "widest"}
GOOD = 0.02  # this share of random configurations is good
TPE_STEP, TPE_BEST = 30, 4  # after so many results each proposal is the best of one more random one, up to so many


@dataclass(frozen=True)
class Cost:
    """Seconds of one core."""

    title: str
    fixed: float  # of an epoch
    network: float  # more for each network in it
    budget: float  # of a search, all workers together
    leg: float = 0.15  # to claim, and to store what comes of it

    def seconds(self, networks: Sequence[float], epochs: int) -> float:
        """What a leg takes of networks of which each takes so long an epoch."""
        return self.leg + epochs * (self.fixed + sum(networks))


# The first is fitted to the times of cohorts of 1 and of 32 in docs/performance.md, for 50,000 images; the next two to
# the processor time of cohorts of 1 to 64, and of 1 to 8, of random trials of `benchmarks.search`.
COSTS = {
    "W2": Cost("networks of width 32", 0.117, 0.082, 1_200),
    "digits": Cost("problem c of benchmarks.search", 0.00125, 0.00285, 20),
    "tutorial": Cost("problem a", 0.0, 1.3, 6_000),
    "GPU": Cost("a guess: an epoch of a hundred networks takes twice as long as one of one", 0.3, 0.003, 300),
}
PRUNERS: dict[str, HalvingPruner] = {
    "successive_halving": SuccessiveHalvingPruner(name="successive_halving", min_resource=1, reduction_factor=3),
    "hyperband": HyperbandPruner(name="hyperband"),
}


@dataclass(frozen=True)
class Setting:
    """What is simulated, whatever the rule."""

    cost: Cost
    pruner: HalvingPruner
    learns: bool  # as TPE does: claims of new trials are small at first, and proposals become better
    workers: int
    seconds: float


@dataclass
class Trial:
    """A configuration with its made-up learning curve."""

    floor: float  # the error that it comes to
    speed: float
    seconds: float  # that an epoch takes longer with it
    epochs: int = 0
    bracket: int | None = None

    def error(self, draws: random.Random) -> float:
        """What is seen of it now, with noise."""
        return self.floor + (0.9 - self.floor) * float(self.epochs**-self.speed) + draws.gauss(0, 0.005)


@dataclass(frozen=True)
class Group:
    """Waiting trials that stand at the same epoch and leave at the same rung."""

    epochs: int
    bracket: int | None
    rungs: int


@dataclass
class Outcome:
    """What one simulated search came to."""

    epochs: int = 0
    good_at: float = math.inf  # the second when the first good configuration had trained to its end
    best: float = 1.0  # error of the best one that has
    ended_at: float = 0.0  # the second when the last leg had ended


@dataclass
class Simulation:
    """One search under one rule."""

    setting: Setting
    wide: int
    seed: int
    quick: float = math.inf  # seconds that a claim of promoted trials lasts at most, if it is more than one
    trials: int = TRIALS
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self._draws = random.Random(self.seed)
        self._trials: list[Trial] = []
        self._records: dict[int, RungRecord] = {}  # of trials that have reached a rung, by id
        self._ready: set[int] = set()  # promoted ones
        self._brackets: dict[int, int] = defaultdict(int)
        self._results = 0
        self._busy: list[tuple[float, int, Sequence[int], int]] = []  # end, order, trials, epoch
        self._order = count()

    def run(self) -> Outcome:
        """Until the time is up or nothing is left."""
        now = 0.0
        while True:
            while len(self._busy) < self.setting.workers and self._claim(now):
                pass
            if not self._busy or self._busy[0][0] > self.setting.seconds:
                return self.outcome
            now, _, ids, epoch = heapq.heappop(self._busy)
            self.outcome.ended_at = now
            self._end_leg(now, ids, epoch)

    def _claim(self, now: float) -> bool:
        """Whether there was something for one more worker to take."""
        groups: dict[Group, list[int]] = defaultdict(list)
        for i in sorted(self._ready):
            groups[Group(self._trials[i].epochs, self._trials[i].bracket, len(self._records[i].means))].append(i)
        limit = max(LEARNING_BATCH, self._results // 2) if self.setting.learns else MAX_TRIALS
        new_ids = range(len(self._trials), self.trials)[: min(limit, MAX_TRIALS)]
        if new_ids:
            groups[Group(0, None, 0)] = [*new_ids]
        if not groups:
            return False
        group = max(groups, key=lambda group: (min(len(groups[group]), self.wide), group.epochs, -groups[group][0]))
        self._start_leg(now, group, self._claimed(group, groups[group])[: min(MAX_TRIALS, self._share())])
        return True

    def _claimed(self, group: Group, ids: Sequence[int]) -> Sequence[int]:
        """Those of a group that a claim takes, if they are not too many."""
        if group.epochs == 0 or math.isinf(self.quick):
            return ids
        epochs = self._rung_epoch(group) - group.epochs
        ids = sorted(ids, key=lambda i: -self._trials[i].seconds)
        sums = accumulate(self._trials[i].seconds * epochs for i in ids)
        fitting = [
            total - self._trials[i].seconds * epochs / 2 <= self.quick for i, total in zip(ids, sums, strict=True)
        ]
        return ids[: max(sum(fitting), 1)]

    def _rung_epoch(self, group: Group) -> int:
        return min(ladder(self.setting.pruner, group.bracket, EPOCHS).epoch_at(group.rungs), EPOCHS)

    def _share(self) -> int:
        """How many of the trials that have not ended fall on each worker."""
        training = sum(len(ids) for _, _, ids, _ in self._busy)
        waiting = sum(record.rung is not None for record in self._records.values()) + len(self._ready)
        return math.ceil((self.trials - len(self._trials) + waiting + training) / self.setting.workers)

    def _start_leg(self, now: float, group: Group, ids: Sequence[int]) -> None:
        bracket = group.bracket
        if group.epochs == 0:
            bracket = self._new_bracket(len(ids))
            self._trials += self._propose(len(ids), bracket)
        self._ready.difference_update(ids)
        epoch = self._rung_epoch(replace(group, bracket=bracket))
        seconds = self.setting.cost.seconds([self._trials[i].seconds for i in ids], epoch - group.epochs)
        heapq.heappush(self._busy, (now + seconds, next(self._order), ids, epoch))

    def _new_bracket(self, width: int) -> int | None:
        if not isinstance(self.setting.pruner, HyperbandPruner):
            return None
        bracket = next_bracket(bracket_sizes(self.setting.pruner, EPOCHS), self._brackets, width)
        self._brackets[bracket] += width
        return bracket

    def _propose(self, count: int, bracket: int | None) -> list[Trial]:
        tries = min(1 + self._results // TPE_STEP, TPE_BEST) if self.setting.learns else 1
        seconds = self.setting.cost.network
        return [
            Trial(
                0.1 + 0.3 * min(self._draws.random() for _ in range(tries)),
                self._draws.uniform(0.6, 1.4),
                seconds,
                bracket=bracket,
            )
            for _ in range(count)
        ]

    def _end_leg(self, now: float, ids: Sequence[int], epoch: int) -> None:
        for i in ids:
            trial = self._trials[i]
            self.outcome.epochs += epoch - trial.epochs
            trial.epochs = epoch
            earlier_means = self._records[i].means if i in self._records else ()
            if not earlier_means:
                self._results += 1
            if epoch < EPOCHS:
                means = (*earlier_means, trial.error(self._draws))
                self._records[i] = RungRecord(i, i, trial.bracket, means, len(means) - 1)
                continue
            self.outcome.best = min(self.outcome.best, trial.floor)
            if trial.floor <= 0.1 + 0.3 * GOOD:
                self.outcome.good_at = min(self.outcome.good_at, now)
        self._promote()

    def _promote(self) -> None:
        is_final = not self._busy and not self._ready and len(self._trials) == self.trials
        ids = promoted_ids(self.setting.pruner, ERROR, [*self._records.values()], is_final=is_final)
        for i in ids:
            self._records[i] = replace(self._records[i], rung=None)
        self._ready.update(ids)


def figures(setting: Setting, wide: int, quick: float, seeds: int) -> dict[str, float | None]:
    """Medians over so many searches; of a time that most do not come to, None."""
    outcomes = [Simulation(setting, wide, seed, quick).run() for seed in range(seeds)]
    endless = replace(setting, seconds=math.inf)
    small = [Simulation(endless, wide, seed, quick, trials=SMALL).run() for seed in range(seeds)]
    good_after = sorted(outcome.good_at for outcome in outcomes)[seeds // 2]
    return {
        "epochs a second": median(outcome.epochs for outcome in outcomes) / setting.seconds,
        "good after": None if math.isinf(good_after) else good_after,
        "small sweep": median(outcome.ended_at for outcome in small),
    }


def rows(share: float, worker_counts: Sequence[int], seeds: int) -> list[dict[str, Any]]:
    """A row of each setting, with the figures by width; all workers together have this share of each cost's budget."""
    return [
        {"cost": name, "pruner": pruner, "proposals": "TPE" if learns else "random", "workers": workers}
        | {"rules": {rule: figures(setting, wide, quick, seeds) for rule, wide, quick in RULES}}
        for name, cost in COSTS.items()
        for pruner in PRUNERS
        for learns in (False, True)
        for workers in worker_counts
        for setting in [Setting(cost, PRUNERS[pruner], learns, workers, share * cost.budget / workers)]
    ]


def markdown(simulated_rows: Sequence[dict[str, Any]]) -> str:
    """A line for each setting: epochs a second, when a good configuration had trained to its end, a small sweep."""
    header = ["", *[TITLES.get(rule, f"{rule} wide") for rule, _, _ in RULES]]
    lines = [
        [
            f"{row['cost']}, {row['pruner']}, {row['proposals']}, {plural(row['workers'], 'worker')}",
            *[_cell(row["rules"][rule]) for rule, _, _ in RULES],
        ]
        for row in simulated_rows
    ]
    return table(header, lines)


def _cell(figure: dict[str, float]) -> str:
    good = "never" if figure["good after"] is None else f"{figure['good after']:.0f} s"
    return f"{figure['epochs a second']:.3g} /s, {good}, {figure['small sweep']:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims.claim_rule", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short searches of each kind: whether it works")
    parser.add_argument("--seeds", type=int, default=9, help="searches of each kind")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.add_argument("--into", type=Path, help="a page whose part with this table is to be replaced")
    arguments = parser.parse_args()
    share, workers, seeds = (0.02, (2,), 2) if arguments.quick else (1.0, (1, 2, 8), arguments.seeds)
    simulated_rows = rows(share, workers, seeds)
    print(json.dumps(simulated_rows, indent=2) if arguments.json else markdown(simulated_rows))
    if arguments.into:
        write_into(arguments.into, markdown(simulated_rows), PART)


if __name__ == "__main__":
    main()
