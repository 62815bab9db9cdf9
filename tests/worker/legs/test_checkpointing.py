"""Which checkpoints a worker that ends has the time for."""

import time
from pathlib import Path

from sqlalchemy import Engine

from app.config import Settings
from app.domain.runs import EpochResult
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from tests.support.queue_examples import claim, create_sweep, new_worker, setup_of
from tests.support.training.mlp_examples import small_split
from tests.support.waiting import wait_until
from tests.support.worker_contexts import context_on
from worker.cohort import cohort
from worker.legs.checkpointing import ASSUMED_RATE, MAX_EXIT_SECONDS, MIN_LOST_SECONDS, Checkpointing
from worker.legs.progress import RunProgress, TrialProgress
from worker.mlp.training import Training


def progress(sweep: SweepSetup, trial: ClaimedTrial, epoch: int) -> TrialProgress:
    """The trial after so many epochs."""
    runs = [RunProgress(run) for run in cohort(sweep, [trial])]
    for run in runs if epoch else []:
        run.add(EpochResult(run.run.key, epoch, 1.0, 0.5, 1.0, 0.5, 0.1, diverged=False))
    return TrialProgress(sweep, trial, runs)


def test_a_trial_that_is_too_large_keeps_no_other_from_a_checkpoint(engine: Engine, tmp_path: Path) -> None:
    """One of over 400 MB and one that has trained no epoch are left out; the small ones around them are not."""
    space = {"hidden_layers": [[8], [16], [6000, 6000], [24], [6000, 16], [32]], "optimizer": "adam", "epochs": 3}
    sweep_id = create_sweep(engine, space=space, sampler="grid", n_trials=None)
    sweep, split = setup_of(engine, sweep_id), small_split()
    claimed = sorted(claim(engine, new_worker(engine)), key=lambda trial: trial.number)
    trials = [progress(sweep, trial, epoch) for trial, epoch in zip(claimed, (1, 1, 1, 1, 0, 1), strict=True)]
    sizes = [trial.checkpoint_bytes(*split.shape) for trial in trials]
    assert max(sizes) > MAX_EXIT_SECONDS * ASSUMED_RATE > sum(sizes) - max(sizes)
    context = context_on(engine, Settings(home=tmp_path, port=0, workers=0, device="cpu"), new_worker(engine))
    checkpointing = Checkpointing(context, sweep, Training([], split), split.shape)
    enough = checkpointing._saved_at + MIN_LOST_SECONDS
    wait_until(lambda: time.monotonic() > enough)
    assert [trial.number for trial in checkpointing.worth_saving_at_exit(trials)] == [0, 1, 3, 5]
