"""A run is worth the same whichever worker trains it, beside whatever else."""

import json
import subprocess
import sys

import pytest
import torch

from app.domain.runs import EpochResult
from tests.support.paths import ROOT
from tests.support.training.digits import digits
from tests.support.training.mlp_examples import recipes
from worker.mlp.training import train

RECIPES = recipes(24)


def losses(some: slice) -> dict[str, list[float]]:
    """The losses of some of the recipes' runs, trained together in double precision, by key."""
    values: dict[str, list[float]] = {}

    def note(result: EpochResult) -> None:
        values.setdefault(str(result.key), []).extend([result.train_loss, result.val_loss])

    for results in train(RECIPES[some], digits(500), dtype=torch.float64):
        for result in results:
            note(result)
    return values


def in_another_process(some: slice) -> dict[str, list[float]]:
    """The same from a process that has nothing of this one."""
    code = f"import json, {__name__} as test; print(json.dumps(test.losses({some!r})))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    values: dict[str, list[float]] = json.loads(ended.stdout)
    return values


def test_a_run_is_the_same_on_another_worker() -> None:
    """Every recipe on digits: two processes that share half of their runs agree on these within 1e-9."""
    here, there = losses(slice(0, 18)), in_another_process(slice(6, 24))
    shared = here.keys() & there.keys()
    assert len(shared) == 12
    for key in shared:
        assert there[key] == pytest.approx(here[key], rel=0, abs=1e-9, nan_ok=True)
        assert len(here[key]) == 8
