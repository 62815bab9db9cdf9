"""The cohort: the runs that train together, and how many of them fit in a device's memory."""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from itertools import accumulate

from app.db.tables import Sweep
from app.domain.configuration import MLPConfig
from app.domain.memory import run_bytes
from app.domain.runs import Run
from app.queue.claims import ClaimedTrial

MEMORY_SHARE = 0.5  # of what is free: the data set, the library's own buffers and other workers need theirs
ESTIMATE_SLACK = 3  # what a run really takes is more than a third of its `run_bytes`

Key = tuple[int, int]  # trial id, index of the seed


def cohort(sweep: Sweep, trials: Sequence[ClaimedTrial]) -> list[Run]:
    """The runs of the trials, one a trial and seed; runs of one seed index see the same mini-batches."""
    return [
        Run((trial.lease.trial_id, index), MLPConfig.from_params(trial.params or {}), run_seed(sweep.seed, index))
        for trial in trials
        for index in seed_indices(sweep, trial)
    ]


def trial_and_seed(key: Hashable) -> Key:
    """The key of one of the cohort's runs, which the training takes for any hashable."""
    assert isinstance(key, tuple)
    return key


def seed_indices(sweep: Sweep, trial: ClaimedTrial) -> range:
    """The seed indices of the trial's runs: those of a configuration that was tried before go on where they ended."""
    return range(trial.first_seed, trial.first_seed + sweep.seeds)


def run_seed(sweep_seed: int, index: int) -> int:
    """The seed of a run: of its weights and of its order of examples. Depends on nothing else, so that it repeats."""
    return (sweep_seed << 16) + index


def split_by_memory(
    sweep: Sweep, trials: Sequence[ClaimedTrial], shape: tuple[int, int], free_bytes: int, *, packed: bool = False
) -> tuple[list[ClaimedTrial], list[ClaimedTrial]]:
    """The first trials that fit in the memory together, at least one, and the rest. `shape`: features and classes.

    `packed`: whether the device fills layers up, as all but CPUs do.

    Raises TooLargeError when the first one can't fit, even alone in all that is free.
    """
    if not trials:
        return [], []
    sizes = list(accumulate(trial_bytes(sweep, trial, shape, packed=packed) for trial in trials))
    count = max(bisect_right(sizes, free_bytes * MEMORY_SHARE), 1)
    if sizes[0] > ESTIMATE_SLACK * free_bytes:  # the system would kill the worker rather than refuse the memory
        raise TooLargeError(sweep, trials[0], shape, free_bytes)
    return list(trials[:count]), list(trials[count:])


def trial_bytes(sweep: Sweep, trial: ClaimedTrial, shape: tuple[int, int], *, packed: bool = False) -> int:
    """The most bytes that a trial takes while it trains, all its seeds together. `shape`: features and classes."""
    return sweep.seeds * run_bytes(MLPConfig.from_params(trial.params or {}), *shape, packed=packed)


class TooLargeError(Exception):
    """A single trial that does not fit in the memory; says its sizes."""

    def __init__(self, sweep: Sweep, trial: ClaimedTrial, shape: tuple[int, int], free_bytes: int) -> None:
        self.trial = trial
        config = MLPConfig.from_params(trial.params or {})
        seeds = f"{sweep.seeds} seeds" if sweep.seeds > 1 else "one seed"
        widths = ", ".join(map(str, config.hidden_layers))
        super().__init__(
            f"There is not enough memory to train {f'hidden layers of {widths}' if widths else 'softmax regression'}"
            f" with a batch size of {config.batch_size} and {seeds}: this takes up to"
            f" {trial_bytes(sweep, trial, shape) / 2**20:,.0f} MiB, and {free_bytes / 2**20:,.0f} MiB are free."
        )
