"""Two versions can be timed against each other."""

from benchmarks.training.before_after import Size, seconds
from benchmarks.workloads import QUICK
from tests.support.paths import ROOT


def test_each_round_of_both_versions_is_timed() -> None:
    """By the processor's time, in turns."""
    before, after = seconds(QUICK, [ROOT, ROOT], 2, Size(512, 100))
    assert len(before) == len(after) == 2
    assert all(time > 0 for time in (*before, *after))
