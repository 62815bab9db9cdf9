"""The simulation of claims runs, and its made-up trials travel as real ones do."""

import subprocess
import sys

import pytest

from benchmarks.claim_rule import COSTS, PRUNERS, Cost, Setting, Simulation
from tests.support.paths import ROOT


def test_prints_a_table_of_all_settings() -> None:
    """The quick simulation has a line for each cost, pruner and kind of proposals."""
    command = [sys.executable, "-m", "benchmarks.claim_rule", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    header, _, *lines = done.stdout.strip().splitlines()
    assert header.split(" | ")[1] == "deepest"
    assert len(lines) == len(COSTS) * len(PRUNERS) * 2


@pytest.mark.parametrize("wide", [1, 64])
def test_one_in_three_goes_on_from_each_rung(wide: int) -> None:
    """27 trials train for an epoch, 9 of them for 2 more, 3 for 6, one for 18, and that one to its end."""
    setting = Setting(Cost("", 0.1, 0.1, 0), PRUNERS["successive_halving"], learns=False, workers=1, seconds=1e6)
    outcome = Simulation(setting, wide, seed=0, trials=27).run()
    assert outcome.epochs == 27 + 9 * 2 + 3 * 6 + 18 + 54
    assert 0.1 < outcome.best < 0.4
