"""What pruners need of the tables: how a sweep's trials stand, and the parts of their curves that are new."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import Sweep, Trial, TrialState

_JUDGED = (TrialState.running, TrialState.complete, TrialState.pruned, TrialState.failed)


@dataclass(frozen=True)
class Standing:
    """A trial that runs or has run to its end; `attempt` tells a training from the one before it."""

    trial_id: int
    number: int
    state: TrialState
    value: float | None
    attempt: int


@dataclass(frozen=True)
class CurvePoint:
    """The sweep's metric of each run of a trial after an epoch, by seed; None where the run diverged."""

    trial_id: int
    epoch: int
    figures: Mapping[int, float | None]


def standings(session: Session, sweep: Sweep, known: Sequence[int]) -> list[Standing]:
    """Trials that run or have run, but those whose ids are `known` and those that are excluded."""
    columns = (Trial.id, Trial.number, Trial.state, Trial.value, Trial.attempt)
    judged = select(*columns).where(Trial.sweep_id == sweep.id, Trial.state.in_(_JUDGED), ~Trial.excluded)
    rows = session.execute(judged.where(text("trials.id <> ALL(CAST(:known AS bigint[]))")), {"known": list(known)})
    return [Standing(*row) for row in rows]


def points_after(session: Session, sweep: Sweep, epochs: Mapping[int, int]) -> Iterator[CurvePoint]:
    """The points of these trials after the epoch that is known of each, in order."""
    given = {"ids": list(epochs), "epochs": list(epochs.values())}
    for row in session.execute(text(_POINTS.format(metric=sweep.metric)), given):
        yield CurvePoint(row.trial_id, row.epoch, dict(zip(row.seeds, row.figures, strict=True)))


# A run diverges by its losses, when its accuracy may still be a number. The metric is a column's name, checked when the
# sweep was posted.
_POINTS = """
    SELECT e.trial_id, e.epoch, array_agg(e.seed) AS seeds,
           array_agg(CASE WHEN e.train_loss IS NOT NULL AND e.val_loss IS NOT NULL THEN e.{metric} END) AS figures
    FROM unnest(CAST(:ids AS bigint[]), CAST(:epochs AS bigint[])) AS known(trial_id, epoch)
    JOIN epochs e ON e.trial_id = known.trial_id AND e.epoch > known.epoch
    GROUP BY e.trial_id, e.epoch ORDER BY e.trial_id, e.epoch
"""
