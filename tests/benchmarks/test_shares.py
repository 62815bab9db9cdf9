"""The simulation of shares runs, and no rule makes a sweep quicker than its workers can be."""

from statistics import median

import pytest

from benchmarks.claims.shares import FLEETS, RULES, Rule, Simulation, markdown


@pytest.mark.parametrize("rule", RULES)
def test_no_fleet_is_quicker_than_its_speeds_together(rule: Rule) -> None:
    """Each trial is trained once, whatever the rule."""
    for fleet in FLEETS.values():
        simulation = Simulation(fleet, 40, rule, seed=1)
        assert simulation.run() > simulation.least_seconds


def test_what_claims_do_is_the_quickest_where_workers_differ() -> None:
    """The last rule ends sweeps of forty trials in much less time than a share by number takes."""
    fleet = FLEETS["4, and one 10 times as quick"]
    by_count, by_speed = (
        median(Simulation(fleet, 40, rule, seed).run() for seed in range(9)) for rule in (RULES[0], RULES[-1])
    )
    assert by_speed < 0.6 * by_count


def test_prints_a_line_for_each_fleet_and_size() -> None:
    """With a column for each rule."""
    header, _, *lines = markdown(seeds=1).splitlines()
    assert header.count("|") == len(RULES) + 3
    assert len(lines) == 28
