"""The simulation of seeds for survivors, and what it shows."""

import pytest

from benchmarks.search.choosing import NOISES, POPULATIONS
from benchmarks.search.survivors import CONFIGURATIONS, as_many_runs, compare


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("noise", NOISES)
def test_with_as_many_runs_survivors_choose_no_worse(population: str, noise: str) -> None:
    """More configurations are tried, and the better ones known as well as all would be known."""
    alike, survivors, fewer = compare(population, noise, 1, 3, sweeps=300)
    assert survivors.runs <= alike.runs == 3 * CONFIGURATIONS
    assert survivors.truth >= alike.truth - 0.01  # standard deviations of a run
    assert fewer.runs <= 0.6 * alike.runs


def test_as_many_configurations_as_the_runs_are_enough_for() -> None:
    """One more would take more runs."""
    assert as_many_runs(192, 1, 3) == 114
    assert 114 + 2 * 38 <= 192 < 115 + 2 * 39
