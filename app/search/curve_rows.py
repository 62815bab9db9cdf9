"""What pruners need of the tables: how a sweep's trials stand, and the parts of their curves that are new."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.states import TrialState

_JUDGED = (TrialState.running, TrialState.complete, TrialState.pruned, TrialState.failed)


class TrialSnapshot(NamedTuple):
    """A trial that runs or has run to its end; `started_at` tells a training from the one before it."""

    trial_id: int
    number: int
    state: TrialState
    value: float | None
    started_at: datetime | None


def snapshots(session: Session, sweep: Sweep) -> list[TrialSnapshot]:
    """The trials that run or have run, but those that are excluded."""
    columns = (Trial.id, Trial.number, Trial.state, Trial.value, Trial.started_at)
    judged = select(*columns).where(Trial.sweep_id == sweep.id, Trial.state.in_(_JUDGED), ~Trial.excluded)
    return [TrialSnapshot(*row) for row in session.execute(judged)]


def figures_after(
    session: Session, sweep: Sweep, epochs: Mapping[int, int]
) -> dict[int, dict[int, Sequence[float | None]]]:
    """The sweep's metric of each run after the epoch that is known of its trial, by trial id and seed.

    None where the run diverged. A run has every epoch up to its last one.
    """
    given = {"ids": list(epochs), "epochs": list(epochs.values())}
    found: dict[int, dict[int, Sequence[float | None]]] = {}
    for trial_id, seed, figures in session.execute(text(_FIGURES.format(metric=sweep.metric)), given):
        found.setdefault(trial_id, {})[seed] = figures
    return found


# A run diverges by its losses, when its accuracy may still be a number. The metric is a column's name, checked when the
# sweep was posted.
_FIGURES = """
    SELECT e.trial_id, e.seed, array_agg(
        CASE WHEN e.train_loss IS NOT NULL AND e.val_loss IS NOT NULL THEN e.{metric} END ORDER BY e.epoch)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:epochs AS bigint[])) AS known(trial_id, epoch)
    JOIN epochs e ON e.trial_id = known.trial_id AND e.epoch > known.epoch
    GROUP BY e.trial_id, e.seed
"""
