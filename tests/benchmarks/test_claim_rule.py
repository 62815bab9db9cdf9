"""The simulations of claims run, and their made-up trials travel as real ones do."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.claims.claim_rule import COSTS, PRUNERS, Cost, Setting, Simulation
from benchmarks.claims.simulated_search import COST, HALVING, PROBLEM, SimulatedSearch, row
from tests.support.paths import ROOT


def test_prints_a_table_of_all_settings() -> None:
    """The quick simulation has a line for each cost, pruner and kind of proposals."""
    command = [sys.executable, "-m", "benchmarks.claims.claim_rule", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    header, _, *lines = done.stdout.strip().splitlines()
    assert header.split(" | ")[1:3] == ["deepest, 10 s", "deepest"]
    assert len(lines) == len(COSTS) * len(PRUNERS) * 2


@pytest.mark.parametrize("wide", [1, 64])
def test_one_in_three_goes_on_from_each_rung(wide: int) -> None:
    """27 trials train for an epoch, 9 of them for 2 more, 3 for 6, one for 18, and that one to its end."""
    setting = Setting(Cost("", 0.1, 0.1, 0), PRUNERS["successive_halving"], learns=False, workers=1, seconds=1e6)
    outcome = Simulation(setting, wide, seed=0, trials=27).run()
    assert outcome.epochs == 27 + 9 * 2 + 3 * 6 + 18 + 54
    assert 0.1 < outcome.best < 0.4


def test_a_claim_takes_no_more_than_trains_quickly() -> None:
    """Nine promoted trials of 2 s each: five are claimed in ten seconds, and one of them where there is no time."""
    cost = Cost("", 0.0, 1.0, 0, leg=0.0)
    setting = Setting(cost, PRUNERS["successive_halving"], learns=False, workers=1, seconds=27.0)
    assert Simulation(setting, 1, seed=0, trials=27).run().ended_at == 27.0
    for quick, seconds in ((10.0, 10.0), (0.0, 2.0), (math.inf, 18.0)):
        outcome = Simulation(replace(setting, seconds=27.0 + seconds), 1, 0, quick, trials=27).run()
        assert (outcome.ended_at, outcome.epochs) == (27.0 + seconds, 27 + seconds)


def test_a_simulated_search_comes_to_lower_errors_with_time() -> None:
    """The service's sampler is asked, and errors are reached in their order."""
    search = SimulatedSearch(Setting(COST, HALVING, True, 2, 300.0), 1, seed=1, quick=0.0)
    search.run()
    reached = [search.reached[target] for target in PROBLEM.targets if target in search.reached]
    assert reached
    assert reached == sorted(reached)
    assert row(2, 0.0, 1, 1.0)[:2] == ["2 workers", "one"]
