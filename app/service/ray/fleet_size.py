"""How many workers a fleet has: a number, a range in which the queue decides, or all there is room for."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.errors import StartError

Resource = Literal["CPU", "GPU"]


@dataclass(frozen=True)
class FleetSize:
    """Each worker takes one of the resource."""

    resource: Resource
    least: int | None  # None: as many as the cluster has of it
    most: int | None

    def workers(self, in_cluster: int, open_trials: Callable[[int], int]) -> int:
        """How many there are to be; `open_trials` says how many trials there are to train, up to a number."""
        if self.least is None or self.most is None:
            return in_cluster
        return self.least if self.least == self.most else max(self.least, open_trials(self.most))


def parse(workers: str | None, gpus: str | None) -> FleetSize:
    """The size that `--workers` or `--gpus` says; without either, a worker for each CPU. Raises StartError."""
    if workers is not None and gpus is not None:
        raise StartError("Say --workers, with one CPU each, or --gpus, with one GPU each, not both.")
    resource: Resource = "CPU" if gpus is None else "GPU"
    name, text = ("workers", workers or "all") if gpus is None else ("gpus", gpus)
    if text == "all":
        return FleetSize(resource, None, None)
    numbers = re.fullmatch(r"(\d{1,5})(?:\.\.(\d{1,5}))?", text)
    least, most = (int(numbers[1]), int(numbers[2] or numbers[1])) if numbers else (0, 0)
    if not 1 <= least <= most:
        raise StartError(f"--{name} {text} can't be used: write a number, a range like 1..8, or all.")
    return FleetSize(resource, least, most)
