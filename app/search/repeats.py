"""The policy for repeats: what becomes of a trial whose configuration its sweep has tried before. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.states import TrialState

TOOK_OVER = "same configuration as trial "  # the beginning of the reason of a trial that has another one's results
_TRAINED = frozenset({TrialState.running, TrialState.complete, TrialState.pruned, TrialState.failed})


@dataclass(frozen=True)
class Candidate:
    """A trial that has a configuration, and of which is to be decided whether it is trained."""

    first_seed: int = 0
    """Index of its first run's seed; over 0 where further seeds were asked for, or an earlier attempt settled it."""
    has_fixed_params: bool = False
    """Whether its parameters were set before: a grid's cell, the user's own, or asked for ahead."""
    is_leased: bool = True
    """Whether a worker holds it; else it waits, and is asked for ahead."""
    is_continuation: bool = False
    """Whether it takes on the training of another trial, with that one's seeds."""


@dataclass(frozen=True)
class Twin:
    """Another trial of the same sweep with the same configuration."""

    id: int
    number: int
    state: TrialState
    first_seed: int
    excluded: bool = False

    @property
    def is_trained(self) -> bool:
        """Whether its training has begun, however it ended."""
        return self.state in _TRAINED


@dataclass(frozen=True)
class Train:
    """The trial is trained with seeds from this index on."""

    first_seed: int


@dataclass(frozen=True)
class CopyResult:
    """The trial ends with the result of its twin."""

    source: Twin


@dataclass(frozen=True)
class WaitFor:
    """The trial goes back to the queue until its twin has ended."""

    twin: Twin


@dataclass(frozen=True)
class Redraw:
    """The sampler is asked for another configuration."""


@dataclass(frozen=True)
class Reject:
    """The trial ends untrained, for this reason."""

    reason: str


Decision = Train | CopyResult | WaitFor | Redraw | Reject


def decide(policy: str, seeds: int, trial: Candidate, twins: Sequence[Twin]) -> Decision:
    """What becomes of the trial beside its twins, of which the first that counts is taken.

    `policy` is the sweep's for repeats: new_seeds, reuse or forbid; `seeds` are those of each of its trials.
    """
    if trial.first_seed > 0 or trial.is_continuation:
        return Train(trial.first_seed)
    decision: Decision | None = None
    if policy == "forbid":
        decision = _forbid(trial, twins)
    elif policy == "reuse":
        # asked for ahead, it is decided upon when it is claimed: until then it must have the first seeds
        decision = _reuse(twins) if trial.is_leased else Train(0)
    return decision or Train(_free_first_seed(seeds, twins))


def same_configuration_as(number: int) -> str:
    """The reason of a trial that was not trained because an earlier one was."""
    return f"{TOOK_OVER}{number}"


def _forbid(trial: Candidate, twins: Sequence[Twin]) -> Decision | None:
    """A configuration that was only just chosen is chosen anew; also where an equal one waits, which may be trained."""
    if not trial.has_fixed_params:
        return Redraw() if any(twin.is_trained or twin.state == TrialState.waiting for twin in twins) else None
    first = next((twin for twin in twins if twin.is_trained), None)
    return None if first is None else Reject(same_configuration_as(first.number))


def _reuse(twins: Sequence[Twin]) -> Decision | None:
    """A result that is there, or else the one that is in the making; a value that was excluded must not come back."""
    complete = (twin for twin in twins if twin.state == TrialState.complete and not twin.excluded)
    running = (twin for twin in twins if twin.state == TrialState.running)
    if (source := next(complete, None)) is not None:
        return CopyResult(source)
    return None if (running_twin := next(running, None)) is None else WaitFor(running_twin)


def _free_first_seed(seeds: int, twins: Sequence[Twin]) -> int:
    """0 where nobody has the first seeds of this configuration, else the index behind all that were given out.

    A trial that waits may have been given further seeds; one that has the first is decided upon when it is claimed.
    """
    first_seeds = [twin.first_seed for twin in twins if twin.is_trained or twin.first_seed > 0]
    return max(first_seeds) + seeds if any(first_seed < seeds for first_seed in first_seeds) else 0
