"""Which runs train together, and how many fit in a device's memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.hyperparameters import completed
from app.models import Sweep
from app.trial_queue import ClaimedTrial
from worker.run import Run, RunConfig
from worker.training import run_bytes

MAX_TRIALS = {"cpu": 64, "mps": 256, "cuda": 512}  # a claim's most; the share of a worker is often less
MEMORY_SHARE = 0.5  # of what is free: the data set, the library's own buffers and other workers need theirs

Key = tuple[int, int]  # trial id, index of the seed


def run_config(params: Mapping[str, Any]) -> RunConfig:
    """What a trial's parameters mean for each of its runs; the book's value for what they leave out."""
    full: dict[str, Any] = completed(dict(params))
    return RunConfig(
        hidden_layers=tuple(full["hidden_layers"]),
        **{name: full[name] for name in RunConfig.__dataclass_fields__ if name != "hidden_layers"},
    )


def cohort(sweep: Sweep, trials: Sequence[ClaimedTrial]) -> list[Run]:
    """One run a trial and seed; runs of one seed index see the same mini-batches."""
    return [
        Run((trial.lease.trial_id, index), run_config(trial.params or {}), run_seed(sweep.seed, index))
        for trial in trials
        for index in range(sweep.seeds)
    ]


def run_seed(sweep_seed: int, index: int) -> int:
    """The seed of a run: of its weights and of its order of examples. Depends on nothing else, so that it repeats."""
    return (sweep_seed << 16) + index


def fitting(
    sweep: Sweep, trials: Sequence[ClaimedTrial], shape: tuple[int, int], free_bytes: int
) -> tuple[list[ClaimedTrial], list[ClaimedTrial]]:
    """The first trials that fit in the memory together, at least one, and the rest. `shape`: features and classes."""
    left = free_bytes * MEMORY_SHARE
    for index, trial in enumerate(trials):
        left -= sweep.seeds * run_bytes(run_config(trial.params or {}), *shape)
        if left < 0 and index > 0:
            return list(trials[:index]), list(trials[index:])
    return list(trials), []
