"""What tests rely on in processes that are forked from one that has imported everything."""

import os
from pathlib import Path

import pytest

from tests.support.forking import Child, Parent


def test_a_child_has_the_environment_it_is_sent_and_a_dead_parent_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went from the environment since the parent's start is gone, what is the parent's own stays."""
    log = tmp_path / "log"
    monkeypatch.setenv("PERCEPTUNE_DEVICE", "of the start")
    parent = Parent({"PERCEPTUNE_SERVER": "http://127.0.0.1:1"})
    monkeypatch.delenv("PERCEPTUNE_DEVICE")
    child = parent.fork("worker", [], {**os.environ, "DATABASE_URL": "postgresql://127.0.0.1:1/name"}, log)
    assert child.wait() == 1
    assert "PERCEPTUNE_SERVER and DATABASE_URL are both set" in log.read_text()
    with pytest.raises(AssertionError, match="the process that forks the others has ended"):
        Child(parent, os.getpid()).poll()  # no child of its, which ends it
    parent.end()
