"""How soon searches find, by how promoted trials are claimed: `python -m benchmarks.claims.simulated_search`.

Problem a of `python -m benchmarks.search` with TPE and successive halving, in seconds in place of hours: single
searches differ so much that the real one would need days. The sampler and the promotions are the service's own. Made
up, after what the real one saw, are learning curves and the seconds of an epoch: those of its products, of Adam's
passes over the parameters, and of each step. Networks side by side take as long as one after the other, as they nearly
do at these sizes on a CPU.
"""

import argparse
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from app.domain.formatting import plural
from app.domain.pruning.options import SuccessiveHalvingPruner
from app.domain.space import parse_space
from app.queue.claims import SECONDS_TO_NEXT_RUNG
from app.search.history import Observation
from app.search.samplers import AskSeed
from app.search.search import Search
from benchmarks.claims.claim_rule import EPOCHS, ERROR, Cost, Group, Setting, Simulation, Trial
from benchmarks.report import table
from benchmarks.search.problems import PROBLEMS

PROBLEM = PROBLEMS["a"]
SPACE = parse_space(dict(PROBLEM.whole_space))
HALVING = SuccessiveHalvingPruner(name="successive_halving", min_resource=1, reduction_factor=PROBLEM.reduction_factor)
COST = Cost(PROBLEM.title, fixed=0.0, network=math.nan, budget=math.nan)  # networks differ
EXAMPLES = 50_000
SECONDS = (math.inf, 60.0, 20.0, SECONDS_TO_NEXT_RUNG, 0.0)  # of a claim of promoted trials at most, if it is not one
NEVER = math.inf

Params = Mapping[str, Any]


def epoch_seconds(params: Params) -> float:
    """What an epoch takes on one core."""
    first, second = params["hidden_units_1"], params["hidden_units_2"]
    weights, steps = 784 * first + first * second + 10 * second, EXAMPLES / params["batch_size"]
    return float(6 * weights * EXAMPLES / 8e10 + steps * (weights * 28 / 1e10 + 150e-6) + 0.1)


def floor_of(params: Params) -> float:
    """The validation error that the training comes near to."""
    first, second, kept = params["hidden_units_1"], params["hidden_units_2"], 1 - params["dropout"]
    too_narrow = 0.55 * max(first * kept, 0.5) ** -0.75 + 0.3 * max(second * kept, 0.5) ** -0.9
    overfit = 0.006 * max(0, 1 - params["dropout"] / 0.25) * min(1, first / 256)
    decay = max(math.log10(params["weight_decay"]) + 4, 0)
    return float(0.084 + too_narrow + overfit + 0.03 * max(rate_error(params), 0) ** 2 + 0.02 * decay**2)


def rate_error(params: Params) -> float:
    """Decades between the learning rate and a good one."""
    return math.log10(params["learning_rate"]) + 3 + 0.35 * math.log10(params["hidden_units_1"] / 128)


@dataclass
class Network(Trial):
    """A configuration of the problem."""

    params: Params = field(default_factory=dict)
    seen: tuple[float, ...] = ()  # errors at its rungs

    def error(self, draws: random.Random) -> float:
        """What is seen of it now, with noise; it diverges far above a good rate."""
        if rate_error(self.params) > 1.6:
            return 0.9
        return float(min(self.floor + 0.07 * (self.epochs * self.speed) ** -0.8, 0.9) + draws.gauss(0, 0.0015))

    def observed(self, number: int) -> Observation:
        """The trial as a sampler sees it."""
        if not self.seen:
            return Observation(number, "running", self.params)
        state = "complete" if self.epochs == EPOCHS else "pruned"
        return Observation(number, state, self.params, self.seen[-1:], epoch=self.epochs)


def network(params: Params, bracket: int | None) -> Network:
    """The trial of these parameters."""
    speed = 10 ** min(rate_error(params), 0.3) * (64 / params["batch_size"]) ** 0.4
    return Network(floor_of(params), speed, epoch_seconds(params), bracket=bracket, params=params)


class SimulatedSearch(Simulation):
    """A search that asks the service's own sampler."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reached: dict[float, float] = {}  # the second in which it came to each error
        self._networks: list[Network] = []
        self._begun: dict[int, float] = {}

    def _propose(self, count: int, bracket: int | None) -> list[Trial]:
        observations = [trial.observed(number) for number, trial in enumerate(self._networks)]
        search = Search(SPACE, {"name": "tpe"}, observations, objectives=[ERROR])
        numbers = range(len(observations), len(observations) + count)
        proposed = [network(search.ask(AskSeed(self.seed, number)), bracket) for number in numbers]
        self._networks += proposed
        return [*proposed]

    def _start_leg(self, now: float, group: Group, ids: Sequence[int]) -> None:
        super()._start_leg(now, group, ids)
        self._begun.update(dict.fromkeys(ids, now))

    def _end_leg(self, now: float, ids: Sequence[int], epoch: int) -> None:
        for i in ids:
            self._train(self._networks[i], self._begun[i], now, epoch)
        super()._end_leg(now, ids, epoch)
        for i in ids:
            self._networks[i].seen = (
                (self._networks[i].error(self._draws),) if epoch == EPOCHS else self._records[i].means
            )

    def _train(self, trained: Network, begun: float, now: float, epoch: int) -> None:
        """Notes the errors on the way to this epoch."""
        first = trained.epochs
        for done in range(first + 1, epoch + 1):
            trained.epochs = done
            error, at = trained.error(self._draws), begun + (now - begun) * (done - first) / (epoch - first)
            for target in PROBLEM.targets:
                if error <= target:
                    self.reached[target] = min(at, self.reached.get(target, NEVER))
        trained.epochs = first


def row(workers: int, quick: float, seeds: int, minutes: float) -> list[str]:
    """A line of the table: medians over so many searches."""
    setting = Setting(COST, HALVING, True, workers, 60 * minutes)
    searches = [SimulatedSearch(setting, 1, seed, quick) for seed in range(seeds)]
    for search in searches:
        search.run()
    times = [median(search.reached.get(target, NEVER) for search in searches) for target in PROBLEM.targets]
    took = ["never" if math.isinf(seconds) else f"{seconds:.0f}" for seconds in times]
    most = {math.inf: "all of a rung", 0.0: "one"}.get(quick, f"{quick:.0f} s")
    return [plural(workers, "worker"), most, *took, f"{median(search.outcome.epochs for search in searches):,.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims.simulated_search", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=20, help="of each search")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    header = ["", "a claim of promoted trials takes", *[f"s to {target:g}" for target in PROBLEM.targets], "epochs"]
    runs = [(workers, quick) for workers in arguments.workers for quick in SECONDS]
    print(table(header, [row(*run, arguments.seeds, arguments.minutes) for run in runs]))


if __name__ == "__main__":
    main()
