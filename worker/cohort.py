"""The cohort: the runs that train together, and how many of them fit in a device's memory."""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from itertools import accumulate

from app.domain.configuration import MLPConfig
from app.domain.memory import ESTIMATE_SLACK, run_bytes
from app.domain.runs import Run
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from app.queue.leases import TooLargeTrial
from app.queue.retraining import Retraining

MEMORY_SHARE = 0.5  # of what is free: the data set, the library's own buffers and other workers need theirs

Key = tuple[int, int]  # trial id, index of the seed


def cohort(sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> list[Run]:
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


def seed_indices(sweep: SweepSetup, trial: ClaimedTrial) -> range:
    """The seed indices of the trial's runs: those of a configuration that was tried before go on where they ended."""
    return range(trial.first_seed, trial.first_seed + sweep.seeds)


def run_seed(sweep_seed: int, index: int) -> int:
    """The seed of a run: of its weights and of its order of examples. Depends on nothing else, so that it repeats."""
    return (sweep_seed << 16) + index


def split_by_memory(
    sweep: SweepSetup, trials: Sequence[ClaimedTrial], shape: tuple[int, int], free_bytes: int, *, packed: bool = False
) -> tuple[list[ClaimedTrial], list[ClaimedTrial]]:
    """The first trials that fit in the memory together, at least one, and the rest. `shape`: features and classes.

    `packed`: whether the device fills layers up, as all but CPUs do.

    Raises TrialsTooLargeError when the first one can't fit, even alone in all that is free, about all that can't.
    """
    if not trials:
        return [], []
    sizes = [trial_bytes(sweep, trial, shape, packed=packed) for trial in trials]
    # the system would kill the worker rather than refuse the memory
    too_large = [trial for trial, size in zip(trials, sizes, strict=True) if size > ESTIMATE_SLACK * free_bytes]
    if trials[0] in too_large:
        raise TrialsTooLargeError(sweep, too_large, shape, free_bytes, packed=packed)
    count = max(bisect_right(list(accumulate(sizes)), free_bytes * MEMORY_SHARE), 1)
    return list(trials[:count]), list(trials[count:])


def trial_bytes(
    sweep: SweepSetup, trial: ClaimedTrial | Retraining, shape: tuple[int, int], *, packed: bool = False
) -> int:
    """The most bytes that a trial takes while it trains, all its seeds together. `shape`: features and classes."""
    return sweep.seeds * run_bytes(MLPConfig.from_params(trial.params or {}), *shape, packed=packed)


class TrialsTooLargeError(Exception):
    """Trials none of which fits in the memory, even alone: `trials` are they, each with its sizes in a sentence."""

    def __init__(
        self,
        sweep: SweepSetup,
        trials: Sequence[ClaimedTrial],
        shape: tuple[int, int],
        free_bytes: int,
        *,
        packed: bool = False,
    ) -> None:
        self.trials = [
            TooLargeTrial(
                trial.lease,
                trial_bytes(sweep, trial, shape, packed=packed) // ESTIMATE_SLACK,
                size_sentence(sweep, trial, shape, free_bytes),
            )
            for trial in trials
        ]
        super().__init__(self.trials[0].reason)


def size_sentence(sweep: SweepSetup, trial: ClaimedTrial | Retraining, shape: tuple[int, int], free_bytes: int) -> str:
    """That there is not enough memory for a trial."""
    config = MLPConfig.from_params(trial.params or {})
    seeds = f"{sweep.seeds} seeds" if sweep.seeds > 1 else "one seed"
    widths = ", ".join(map(str, config.hidden_layers))
    return (
        f"There is not enough memory to train {f'hidden layers of {widths}' if widths else 'softmax regression'}"
        f" with a batch size of {config.batch_size} and {seeds}: this takes up to"
        f" {trial_bytes(sweep, trial, shape) / 2**20:,.0f} MiB, and {free_bytes / 2**20:,.0f} MiB are free."
    )
