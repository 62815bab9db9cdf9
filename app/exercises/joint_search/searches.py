"""What one search of exercise 5 has come to: its best value so far, by seconds."""

from collections.abc import Sequence
from typing import NamedTuple

from app.exercises.exercise import SweepData


class Search(NamedTuple):
    """What one repetition of a method has come to."""

    repetition: int
    best: float
    epochs: int  # trained, of all its runs
    seconds: float  # from its start to its last trial's end
    trials: int  # that have ended
    path: Sequence[tuple[float, float]]  # each new best: seconds since the start, and the value

    def best_at(self, seconds: float) -> float | None:
        """The best value by then, None before the first."""
        return max((value for at, value in self.path if at <= seconds), default=None)

    def seconds_to(self, value: float) -> float | None:
        """When it came to this value, None where it did not."""
        return min((at for at, best in self.path if best >= value), default=None)


def read_search(data: SweepData, repetition: int) -> Search | None:
    """The search that a sweep of accuracies is, as far as it goes; None while no trial is complete."""
    start = data.sweep.started_at
    ended = [trial for trial in data.trials if trial.finished_at is not None]
    values = sorted(
        ((trial.finished_at - start).total_seconds(), trial.value)
        for trial in ended
        if start is not None and trial.finished_at is not None and trial.state == "complete" and trial.value is not None
    )
    if not values or start is None:
        return None
    path: list[tuple[float, float]] = []
    for seconds, value in values:
        if not path or value > path[-1][1]:
            path.append((seconds, value))
    last = max(trial.finished_at for trial in ended if trial.finished_at is not None)
    epochs = sum(trial.epochs_trained for trial in data.trials)
    return Search(repetition, path[-1][1], epochs, (last - start).total_seconds(), len(ended), path)
