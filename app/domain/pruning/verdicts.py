"""Verdicts: the numbers by which a pruner stopped a trial, one frozen class for each kind of comparison."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What all verdicts but the wrapped one share."""

    #: The epoch, counted from 1, after which the trial is stopped.
    epoch: int
    #: Runs of the trial, over which `mean` is taken.
    seeds: int
    #: The trial's mean that was compared with others.
    mean: float


@dataclass(frozen=True, kw_only=True)
class PercentileVerdict(Comparison):
    """The best mean so far is worse than a percentile of the complete trials at the same epoch."""

    #: The epoch of the best mean.
    best_epoch: int
    #: The percentile of the complete trials' means.
    border: float
    #: Complete trials that have reached the epoch.
    compared_trials: int
    #: Per cent of the complete trials that are good enough; None where the border is the median.
    percentile: float | None


@dataclass(frozen=True, kw_only=True)
class RungVerdict(Comparison):
    """The mean at a rung is not among the best, or too few trials have reached the rung for any to go on."""

    #: Which rung the epoch is, counted from 0.
    rung: int
    #: Hyperband's bracket of the trial, counted from 0; None for successive halving.
    bracket: int | None
    #: Trials that have reached the rung.
    compared_trials: int
    #: How many of them go on, 0 where too few have reached it.
    promoted_trials: int
    #: The mean of the last one that goes on; None where too few have reached the rung.
    border: float | None
    #: More than this many trials must reach the rung before one goes on.
    bootstrap_count: int


@dataclass(frozen=True, kw_only=True)
class ThresholdVerdict(Comparison):
    """The mean lies beyond a limit that the sweep sets."""

    #: The limit, lower or upper.
    limit: float


@dataclass(frozen=True, kw_only=True)
class PatienceVerdict(Comparison):
    """The best mean of the last epochs, which is `mean`, is no better than the best one before them."""

    #: How many epochs the last ones are.
    stale_epochs: int
    #: The best mean before them.
    earlier_best: float
    #: By how much `mean` would have had to be better than the best before.
    min_delta: float


@dataclass(frozen=True, kw_only=True)
class WrappedVerdict:
    """The verdict of a pruner that the patient one asked about a trial that had not improved."""

    #: What the wrapped pruner found.
    verdict: "Verdict"
    #: For how many epochs the trial had not improved.
    stale_epochs: int


@dataclass(frozen=True, kw_only=True)
class WilcoxonVerdict(Comparison):
    """The signed-rank test finds the trial's runs worse than those of the best complete trial."""

    #: The number of the best complete trial.
    best_trial: int
    #: Its mean at the same epoch.
    best_mean: float
    #: The test's p, one-sided.
    p: float
    #: The p below which a trial is pruned.
    p_threshold: float
    #: How many seeds both trials have.
    pairs: int


@dataclass(frozen=True, kw_only=True)
class RankVerdict(Comparison):
    """After one epoch the trial is not among the best that go on."""

    #: The trial's rank, 1 for the best.
    rank: int
    #: Trials that have reached the epoch.
    compared_trials: int
    #: How many of them go on.
    promoted_trials: int


Verdict = (
    PercentileVerdict
    | RungVerdict
    | ThresholdVerdict
    | PatienceVerdict
    | WrappedVerdict
    | WilcoxonVerdict
    | RankVerdict
)
