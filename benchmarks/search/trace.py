"""What a search came to, second by second."""

import math
from dataclasses import dataclass, field

ROUNDING = 1e-9  # an error of 20 in 1,000 is 0.02, however it was computed


@dataclass
class Trace:
    """One search. An error is the lowest validation error after any epoch of any configuration so far."""

    problem: str
    arm: str
    seed: int
    bests: list[tuple[float, float]] = field(default_factory=list)  # second and error, whenever it became lower
    configurations: int = 0  # that have trained an epoch
    epochs: int = 0
    seconds: float = 0.0  # until it ended, or its time was up

    def note(self, seconds: float, error: float) -> None:
        """Takes an error that was seen so many seconds after the start."""
        if error < self.best:
            self.bests.append((seconds, error))

    @property
    def best(self) -> float:
        """The lowest error; infinite before the first one."""
        return self.bests[-1][1] if self.bests else math.inf

    def seconds_to(self, target: float) -> float:
        """When the error was this low for the first time; infinite where it never was."""
        return next((seconds for seconds, error in self.bests if error <= target + ROUNDING), math.inf)
