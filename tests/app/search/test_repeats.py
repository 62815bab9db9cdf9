"""The policy for repeats as a table: which trial is trained, copied, put off, drawn again or rejected."""

import pytest

from app.domain.states import TrialState
from app.search.repeats import Candidate, CopyResult, Decision, Redraw, Reject, Train, Twin, WaitFor, decide

SEEDS = 2
SUGGESTED = Candidate()  # by the sampler, for a trial that a worker holds
FIXED = Candidate(has_fixed_params=True)
AHEAD = Candidate(is_leased=False)
REPEATED = Candidate(first_seed=6, has_fixed_params=True)


def twin(state: str, first_seed: int = 0, *, number: int = 3, excluded: bool = False) -> Twin:
    return Twin(id=30 + number, number=number, state=TrialState(state), first_seed=first_seed, excluded=excluded)


COMPLETE, RUNNING, WAITING = twin("complete"), twin("running", number=4), twin("waiting", number=5)
FAILED, CANCELLED, INFEASIBLE = twin("failed"), twin("cancelled"), twin("infeasible")


@pytest.mark.parametrize("policy", ["new_seeds", "reuse", "forbid"])
@pytest.mark.parametrize("trial", [SUGGESTED, FIXED, AHEAD])
@pytest.mark.parametrize("twins", [[], [CANCELLED], [INFEASIBLE, CANCELLED]], ids=["none", "cancelled", "untrained"])
def test_what_was_never_trained_is_no_repeat(policy: str, trial: Candidate, twins: list[Twin]) -> None:
    """The first seeds are those of a new configuration."""
    assert decide(policy, SEEDS, trial, twins) == Train(0)


@pytest.mark.parametrize("policy", ["new_seeds", "reuse", "forbid"])
def test_settled_seeds_are_kept(policy: str) -> None:
    """A second attempt and a trial with further seeds are trained with them, whatever else there is."""
    assert decide(policy, SEEDS, REPEATED, [COMPLETE, RUNNING]) == Train(6)


@pytest.mark.parametrize(
    ("twins", "expected"),
    [
        ([COMPLETE], Train(2)),
        ([FAILED, RUNNING], Train(2)),
        ([COMPLETE, twin("complete", 2)], Train(4)),
        ([COMPLETE, twin("waiting", 2)], Train(4)),  # further seeds that were asked for
        ([WAITING], Train(0)),  # it is decided upon when it is claimed
        ([twin("waiting", 2)], Train(0)),
        ([twin("complete", 1)], Train(3)),  # its seeds 1 and 2 overlap with 0 and 1
    ],
)
@pytest.mark.parametrize("trial", [SUGGESTED, FIXED, AHEAD])
def test_new_seeds_are_those_that_nobody_has(trial: Candidate, twins: list[Twin], expected: Decision) -> None:
    """Behind all that were given out, where the first ones are taken."""
    assert decide("new_seeds", SEEDS, trial, twins) == expected


@pytest.mark.parametrize(
    ("trial", "twins", "expected"),
    [
        (SUGGESTED, [COMPLETE, twin("complete", number=9)], CopyResult(COMPLETE)),
        (FIXED, [RUNNING, COMPLETE], CopyResult(COMPLETE)),
        (SUGGESTED, [RUNNING], WaitFor(RUNNING)),
        (FIXED, [FAILED, RUNNING], WaitFor(RUNNING)),
        (SUGGESTED, [twin("complete", excluded=True)], Train(2)),
        (SUGGESTED, [FAILED], Train(2)),
        (SUGGESTED, [twin("pruned")], Train(2)),
        (SUGGESTED, [WAITING], Train(0)),
        (AHEAD, [COMPLETE], Train(0)),  # it is decided upon when it is claimed
        (AHEAD, [FAILED, RUNNING], Train(0)),
        (AHEAD, [WAITING], Train(0)),
    ],
)
def test_results_are_reused(trial: Candidate, twins: list[Twin], expected: Decision) -> None:
    """The earliest complete one is copied, one in training waited for; what has no good result is trained again."""
    assert decide("reuse", SEEDS, trial, twins) == expected


@pytest.mark.parametrize(
    ("trial", "twins", "expected"),
    [
        (SUGGESTED, [COMPLETE], Redraw()),
        (SUGGESTED, [WAITING], Redraw()),
        (AHEAD, [RUNNING], Redraw()),
        (AHEAD, [WAITING], Redraw()),
        (FIXED, [FAILED, RUNNING], Reject("same configuration as trial 3")),
        (FIXED, [WAITING, RUNNING], Reject("same configuration as trial 4")),
        (FIXED, [WAITING], Train(0)),  # of two that wait the one that is claimed first is trained
    ],
)
def test_repeats_are_forbidden(trial: Candidate, twins: list[Twin], expected: Decision) -> None:
    """What the sampler chose is drawn again; parameters that were fixed before are rejected."""
    assert decide("forbid", SEEDS, trial, twins) == expected
