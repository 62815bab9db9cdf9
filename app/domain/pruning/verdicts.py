"""Verdicts: the numbers by which a pruner stopped a trial, one frozen class for each kind of comparison."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What all verdicts but the wrapped one share."""

    epoch: int  # the epoch, counted from 1, after which the trial is stopped
    seeds: int  # runs of the trial, over which `mean` is taken
    mean: float  # the trial's mean that was compared with others


@dataclass(frozen=True, kw_only=True)
class PercentileVerdict(Comparison):
    """The best mean so far is worse than a percentile of the complete trials at the same epoch."""

    best_epoch: int  # the epoch of the best mean
    border: float  # the percentile of the complete trials' means
    compared_trials: int  # complete trials that have reached the epoch
    percentile: float | None  # per cent of the complete trials that are good enough; None for the median


@dataclass(frozen=True, kw_only=True)
class RungVerdict(Comparison):
    """The mean at a rung is not among the best, or too few trials have reached the rung for any to go on."""

    rung: int  # which rung the epoch is, counted from 0
    bracket: int | None  # hyperband's bracket of the trial, counted from 0; None for successive halving
    compared_trials: int  # trials that have reached the rung
    promoted_trials: int  # how many of them go on, 0 where too few have reached it
    border: float | None  # the mean of the last one that goes on; None where too few have reached the rung
    bootstrap_count: int  # more than this many trials must reach the rung before one goes on


@dataclass(frozen=True, kw_only=True)
class ThresholdVerdict(Comparison):
    """The mean lies beyond a limit that the sweep sets."""

    limit: float  # the limit, lower or upper


@dataclass(frozen=True, kw_only=True)
class PatienceVerdict(Comparison):
    """The best mean of the last epochs, which is `mean`, is worse than the best one before them."""

    stale_epochs: int  # how many epochs the last ones are
    earlier_best: float  # the best mean before them
    min_delta: float  # `mean` is worse by more than this


@dataclass(frozen=True, kw_only=True)
class WrappedVerdict:
    """The verdict of a pruner that the patient one asked about a trial that had not improved."""

    verdict: "Verdict"  # what the wrapped pruner found
    stale_epochs: int  # for so many epochs the trial has not improved


@dataclass(frozen=True, kw_only=True)
class WilcoxonVerdict(Comparison):
    """The signed-rank test finds the trial's runs worse than those of the best complete trial."""

    best_trial: int  # the number of the best complete trial
    best_mean: float  # its mean at the same epoch
    p: float  # the test's p, one-sided
    p_threshold: float  # the p below which a trial is pruned
    pairs: int  # how many seeds both trials have


@dataclass(frozen=True, kw_only=True)
class RankVerdict(Comparison):
    """After one epoch the trial is not among the best that go on."""

    rank: int  # the trial's rank, 1 for the best
    compared_trials: int  # trials that have reached the epoch
    promoted_trials: int  # how many of them go on


Verdict = (
    PercentileVerdict
    | RungVerdict
    | ThresholdVerdict
    | PatienceVerdict
    | WrappedVerdict
    | WilcoxonVerdict
    | RankVerdict
)
