"""What benchmarks work out of what they have measured: quantiles, fairness, what falls on a trial, and ratios."""

import math
from collections import Counter

import pytest

from benchmarks.fleet.__main__ import HEADER as FLEET_HEADER
from benchmarks.fleet.__main__ import fairness
from benchmarks.fleet.__main__ import row as fleet_row
from benchmarks.fleet.workers import CALLS, Plan, Tally
from benchmarks.pruning.pruned_sweeps import Ended, comparison
from benchmarks.server.latency import quantile
from benchmarks.size.__main__ import Shape, Spent, rows, shape
from benchmarks.size.written import HEADER as WRITTEN_HEADER
from benchmarks.size.written import Counts
from benchmarks.size.written import row as written_row

EVEN = Counter(dict.fromkeys(range(1, 41), 10))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10), (0.95, 19), (0.951, 20), (1.0, 20), (0.01, 1)])
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    """Of twenty values in any order, none of them made up between two."""
    assert quantile([*range(20, 0, -1)], share) == expected


def test_of_nothing_there_is_no_quantile() -> None:
    """A call that was never made has no time."""
    assert math.isnan(quantile([], 0.5))


@pytest.mark.parametrize(
    ("name", "claims", "expected"),
    [
        ("hot", Counter({7: 100}), ""),
        ("forty", EVEN, "1.00"),
        ("forty", EVEN + Counter({2: 400}), "0.50"),  # the mean is 20, the fewest 10
        ("forty", Counter(dict.fromkeys(range(1, 40), 10)), "0"),  # one was never claimed from
        ("first", Counter({3: 45, 6: 45, 7: 10}), "10.0% out of turn"),
        ("first", Counter(), "0.0% out of turn"),
    ],
)
def test_fairness_is_the_fewest_claims_over_the_mean_or_what_came_out_of_turn(
    name: str, claims: Counter[int], expected: str
) -> None:
    """Four of the sweeps have a higher priority where that is told."""
    assert fairness(name, Tally(claims=claims)) == expected


def test_a_fleet_s_row_says_what_falls_on_a_second_and_on_a_trial() -> None:
    """600 trials in twelve seconds, for which clients worked 0.3 s and Postgres 0.6 s."""
    spent = {call: [1.0, 2.0, 3.0, 40.0] for call in CALLS}
    tally = Tally(spent, 600, Counter({1: 10}), client_seconds=0.3, postgres_seconds=0.6)
    cells = fleet_row("hot", Plan(8, 12.0, 5.0), tally)
    assert cells[:-1] == ["hot paced", "8", "50", *["2", "40"] * 3, "", "0.50", "1.00"]
    assert len(cells) == len(FLEET_HEADER)


def test_the_last_size_is_held_against_each_other_by_medians() -> None:
    """By processor time, whatever the clock says; one call that was slow changes nothing."""
    spent = {
        Shape(2, 5_000): [Spent(10, 40), Spent(12, 50), Spent(900, 9_000)],
        Shape(200, 50): [Spent(6, 30), Spent(6, 30), Spent(6, 30)],
        shape("200x5000"): [Spent(18, 90), Spent(18, 10), Spent(18, 20)],
    }
    assert rows({"claim": spent}) == [["claim", "12.0 (50)", "6.0 (30)", "18.0 (20)", "1.50", "3.00"]]
    assert str(shape("200x5000")) == "200 x 5,000"


def test_what_a_call_had_written_is_a_difference_of_which_bytes_fall_on_its_trials() -> None:
    """Of two calls of 64 trials the median, of their updates the share of all."""
    before = Counts(64, 10, 2, 1_000, 64, 0, 1.0)
    after = [Counts(128, 14, 4, 65_000, 128, 64, 1.064), Counts(128, 14, 4, 65_000, 128, 32, 1.064)]
    cells = written_row("90", "record", [counts - before for counts in after])
    assert cells == ["90", "record", "64", "4", "2", "1,000", "75%", "64.0"]
    assert len(cells) == len(WRITTEN_HEADER)
    assert written_row("90", "idle", [Counts(trials=1)])[6] == ""


def test_pruned_sweeps_are_compared_by_the_median_of_their_processor_time() -> None:
    """With those of the first pruner."""
    none = [Ended(1.0, seconds, 2, 1_000, 0.9) for seconds in (4.0, 5.0, 60.0)]
    median_rule = [Ended(0.5, seconds, 3, 400, 0.8) for seconds in (2.0, 2.5, 3.0)]
    *_, first, second = comparison({"none": none, "median": median_rule}).splitlines()
    assert first == "| none | 2 | 1,000 | 0.9000 | 1.00 | 5.00 | 1.00 |"
    assert second == "| median | 3 | 400 | 0.8000 | 0.50 | 2.50 | 0.50 |"
