"""The short form of `make chaos`, with each kind of fault at least once."""

from pathlib import Path

import pytest

from tests.chaos.faults import KINDS, can_happen
from tests.chaos.storm import storm
from tests.chaos.world import World


def test_nothing_is_lost_and_nothing_is_there_twice(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Workers, server and Postgres are killed, frozen and cut off: each trial has one result, that of a quiet sweep."""
    world = World(home, forks_server=True)
    outcome = storm(world, faults=len(KINDS) + 2, seed=3, seconds=300, say=print)
    assert outcome.checks.wrong == [], capsys.readouterr().out
    assert set(outcome.faults) == {kind for kind in KINDS if can_happen(kind, world.fleet)}
    assert outcome.faults["a sweep cancelled"] >= 2
    assert outcome.checks.passed["values are those of an undisturbed sweep"] >= 3
