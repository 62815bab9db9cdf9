"""The short form of `python -m tests.fuzz`."""

from pathlib import Path

from tests.fuzz.attack import attack
from tests.fuzz.calls import KINDS


def test_no_odd_call_is_an_error_of_the_server(home: Path) -> None:
    """Forms, bodies, files, headers, pages, and clients that are slow or leave: all is answered, and nothing stays."""
    outcome = attack(home, calls=150, seed=1)
    assert outcome.errors == []
    assert outcome.warm is not None
    assert outcome.end is not None
    assert outcome.end.megabytes < outcome.warm.megabytes + 100
    assert outcome.end.connections <= outcome.warm.connections + 10
    assert len(outcome.answers) >= len(KINDS) - 2
