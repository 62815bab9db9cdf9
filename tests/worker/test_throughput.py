"""How quick a worker is, as it measures itself."""

import pytest

from worker import throughput
from worker.throughput import Throughput


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    return clock


def train(measured: Throughput, clock: Clock, seconds: float, cost: float) -> None:
    clock.now += seconds
    measured.add(10, cost)


def test_the_speed_is_that_of_training_alone(clock: Clock) -> None:
    """However long the worker was idle before, between and after; examples are counted by the clock on the wall."""
    measured = Throughput()
    for _ in range(2):
        clock.now += 60
        measured.begin()
        train(measured, clock, 2, cost=40)
    clock.now += 76
    assert measured.take() == (20 / 200, 20)


def test_what_it_did_lately_counts_most(clock: Clock) -> None:
    """Twice as much as what it did before the last look."""
    measured = Throughput()
    measured.begin()
    train(measured, clock, 10, cost=100)
    assert measured.take().speed == 10
    train(measured, clock, 10, cost=400)
    assert measured.take().speed == (50 + 400) / 15


def test_nothing_is_said_of_a_worker_that_did_not_train(clock: Clock) -> None:
    """Neither before its first epoch nor since the last look."""
    measured = Throughput()
    clock.now += 10
    assert measured.take() == (0, None)
    measured.begin()
    train(measured, clock, 1, cost=5)
    assert measured.take().speed == 5
    clock.now += 10
    assert measured.take() == (0, None)
