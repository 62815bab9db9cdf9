"""Asks the rule of a sweep's pruner which trials to stop, and says what each pruner compares."""

from collections.abc import Iterable

from app.domain.pruning import halving, one_epoch, patience, percentile, threshold, wilcoxon
from app.domain.pruning.curve_table import CurveTable
from app.domain.pruning.options import (
    HyperbandPruner,
    MedianPruner,
    OneEpochPruner,
    PatientPruner,
    PercentilePruner,
    PrunerOptions,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from app.domain.pruning.verdicts import Verdict, WrappedVerdict


def prune(pruner: PrunerOptions, table: CurveTable, epoch: int, candidates: Iterable[int]) -> dict[int, Verdict]:
    """The verdicts on the trials that are to be stopped now, by trial number; the others go on.

    `candidates` are numbers of trials that have just reached this epoch, with their curves in the table. They are
    judged together. Those without a mean at this epoch, because a run diverged, are not judged.
    """
    judged = list(table.means_at(epoch, candidates))
    match pruner:
        case MedianPruner() | PercentilePruner():
            return percentile.prune(pruner, table, epoch, judged)
        case SuccessiveHalvingPruner():
            return halving.halve(pruner, table, epoch, judged)
        case HyperbandPruner():
            return halving.halve_in_brackets(pruner, table, epoch, judged)
        case ThresholdPruner():
            return threshold.prune(pruner, table, epoch, judged)
        case WilcoxonPruner():
            return wilcoxon.prune(pruner, table, epoch, judged)
        case OneEpochPruner():
            return one_epoch.prune(pruner, table, epoch, judged)
        case PatientPruner():
            return _prune_patiently(pruner, table, epoch, judged)


def _prune_patiently(
    pruner: PatientPruner, table: CurveTable, epoch: int, candidates: Iterable[int]
) -> dict[int, Verdict]:
    """Prunes trials that have not improved; with a wrapped pruner only those that it would prune too."""
    stale = patience.find_stale(pruner, table, epoch, list(candidates))
    if pruner.wrapped is None:
        return {**stale}
    return {
        number: WrappedVerdict(verdict=verdict, stale_epochs=stale[number].stale_epochs)
        for number, verdict in prune(pruner.wrapped, table, epoch, stale).items()
    }


def compares_trials(pruner: PrunerOptions) -> bool:
    """Whether the pruner needs the curves of other trials."""
    if isinstance(pruner, PatientPruner):
        return pruner.wrapped is not None and compares_trials(pruner.wrapped)
    return not isinstance(pruner, ThresholdPruner)


def compares_runs(pruner: PrunerOptions) -> bool:
    """Whether the pruner needs the values of single runs beside their means."""
    if isinstance(pruner, PatientPruner):
        return pruner.wrapped is not None and compares_runs(pruner.wrapped)
    return isinstance(pruner, WilcoxonPruner)


def complete_trials_needed(pruner: PrunerOptions) -> int | None:
    """How many trials must be complete before the pruner prunes; None where it compares trials that still train."""
    if isinstance(pruner, PatientPruner):
        return None if pruner.wrapped is None else complete_trials_needed(pruner.wrapped)
    if isinstance(pruner, MedianPruner | PercentilePruner):
        return max(1, pruner.n_startup_trials)
    return 1 if isinstance(pruner, WilcoxonPruner) else None
