"""Times the arms against each other on one workload, and the service against its trainer alone."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Self

from app.domain.runs import Run
from benchmarks import service
from benchmarks.processes import Crew, Lap, Size, cores
from benchmarks.service import Perceptune
from benchmarks.workloads import Workload, claimed, dealt, eager_cost

LOADERS = ("loader", "lean loader")
COMPARED = (*LOADERS, "eager", "eager two threads", "fused", "sgemm")
LOADER_TIMES = {"W2": 4, "W4": 4, "W5": 8}  # of so many runs one is timed, and the time multiplied


@dataclass
class Comparison:
    """What was measured on one workload. Seconds of each round by arm, for the same examples of the same runs."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    flops: int = 0  # of the matrix products in an epoch, forward and backward, of all processes
    difference: float = 0.0  # median over the runs, of the validation losses of arms b and d, nats
    calm: float = 1.0  # share of its time that arm d had a core
    whole: list[float] = field(default_factory=list)  # seconds of d for the whole sweep
    service: list[float] = field(default_factory=list)  # seconds of e for the same

    def ratio(self, slow: str, fast: str) -> float:
        """How many times quicker one arm is, medians."""
        return median(self.seconds[slow]) / median(self.seconds[fast])

    def overhead(self) -> float:
        """Time of the service over that of its trainer alone, medians."""
        return median(self.service) / median(self.whole)


class Crews:
    """The processes of all arms: plain ones and fused ones one a core, and one with all cores' threads."""

    def __init__(self, home: Path) -> None:
        self.cores = cores()[:2]
        single_cores = [[core] for core in self.cores]
        self.fused, self._plain, self._threaded = (
            Crew(single_cores, home),
            Crew(single_cores, home),
            Crew([self.cores], home),
        )
        self._all = (self.fused, self._plain, self._threaded)

    def __enter__(self) -> Self:
        for crew in self._all:
            crew.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for crew in self._all:
            crew.__exit__()

    def of(self, arm: str) -> Crew:
        return {"fused": self.fused, "eager two threads": self._threaded}.get(arm, self._plain)

    def drop(self) -> None:
        for crew in self._all:
            crew.drop()


def compare(workload: Workload, crews: Crews, size: Size, rounds: int) -> Comparison:
    """Every arm once a round, after one untimed epoch of each."""
    runs, processes = workload.runs(), len(crews.cores)
    times = LOADER_TIMES.get(workload.name, 1)
    hands = {
        **dict.fromkeys(LOADERS, dealt(_every(runs, times), processes)),
        "eager": dealt(runs, processes),
        "eager two threads": [runs],
        "fused": claimed(workload, processes),
        "sgemm": claimed(workload, processes),
    }
    comparison = Comparison({arm: [] for arm in COMPARED})
    for arm in hands:
        comparison.flops += sum(crews.of(arm).make(arm, hands[arm], size))
    for number in range(rounds):
        laps = {arm: crews.of(arm).lap(arm) for arm in hands}
        for arm, lap in laps.items():
            comparison.seconds[arm].append(lap.seconds * (times if arm in LOADERS else 1))
        if number == 0:
            comparison.difference = _difference(laps["eager"], laps["fused"])
            comparison.calm = laps["fused"].calm
    crews.drop()
    return comparison


def compare_service(workload: Workload, crews: Crews, running: Perceptune, into: Comparison) -> None:
    """The whole sweep by the trainer alone, then by the service."""
    hands = [[_with_epochs(run, workload.epochs) for run in hand] for hand in claimed(workload, len(crews.cores))]
    into.whole.append(crews.fused.train(hands))
    sweep = running.sweep(workload.sweep())
    into.service.append(service.seconds(sweep))
    service_params = [
        {name: value for name, value in params.items() if name != "epochs"} for params in running.params(sweep)
    ]
    if service_params != workload.params():
        raise ValueError(f"the service trained other trials than the other arms in {workload.name}")


def _with_epochs(run: Run, epochs: int) -> Run:
    return replace(run, config=replace(run.config, epochs=epochs))


def _every(runs: Sequence[Run], times: int) -> list[Run]:
    """One run of so many, the middle one of its neighbours in cost."""
    return sorted(runs, key=eager_cost)[times // 2 :: times]


def _difference(plain: Lap, fused: Lap) -> float:
    losses: Mapping[Hashable, float] = fused.losses
    return median(abs(plain.losses[key] - losses[key]) for key in losses)
