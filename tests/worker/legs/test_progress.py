"""What is written of a trial whose runs have trained: a value, or why it has none."""

import math
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from app.domain.runs import EpochResult
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from tests.support.queue_examples import create_sweep, setup_of
from worker.cohort import cohort
from worker.legs.progress import RunProgress, TrialProgress

OBJECTIVES = [{"metric": "val_mae", "direction": "minimize"}, {"metric": "val_r2", "direction": "maximize"}]


def progress(engine: Engine, rung_epoch: int | None = None, **body: object) -> TrialProgress:
    """A trial with one run of 3 epochs, of which 2 are trained, and whose validation numbers are all equal."""
    space = {"hidden_units": 4, "epochs": 3}
    sweep = setup_of(
        engine, create_sweep(engine, dataset="diabetes", space=space, sampler="grid", n_trials=None, **body)
    )
    params = {"hidden_units": 4, "depth": 1, "learning_rate": 0.1, "epochs": 3, "batch_size": 32}
    trial = ClaimedTrial(Lease(1, UUID(int=0)), 0, params, 0, rung_epoch=rung_epoch)
    runs = [RunProgress(run) for run in cohort(sweep, [trial])]
    for run in runs:
        run.add(
            EpochResult(run.run.key, 2, 1.0, None, 1.0, None, 0.1, False, train_r2=0.1, val_r2=math.nan, val_mae=3.0)
        )
    return TrialProgress(sweep, trial, runs)


@pytest.mark.parametrize("body", [{}, {"objectives": OBJECTIVES}])
def test_a_value_that_is_no_number_is_none(engine: Engine, body: dict[str, Any]) -> None:
    """Neither that of the first objective nor of another one: the trial fails, and says why."""
    result = progress(engine, **body).trial_result(None, 10, 0)
    assert (result.value, result.runs[0].value) == (None, None)
    assert result.error == "val_r2 has no finite value at epoch 2; R² has none where the numbers to tell are all equal"


def test_a_trial_without_a_value_waits_at_no_rung(engine: Engine) -> None:
    """It ends there, for nothing can rank it; before a rung it trains on."""
    assert (progress(engine, rung_epoch=2).has_ended, progress(engine, rung_epoch=2).waits_at_rung) == (True, False)
    assert not progress(engine).has_ended
