"""Which runs keep the parameters of their networks."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, or_, select, true, update
from sqlalchemy.orm import Session

from app.db.tables import Run, Sweep, Trial
from app.lifecycle.best import best_trial_id


def trials_to_keep(
    sweep: Sweep, complete_ids: Collection[int], wanted_ids: Collection[int], best_ids: Collection[int]
) -> set[int]:
    """The ids of those trials that have just completed whose weights are to be stored.

    `wanted_ids`: the trials among them whose model somebody asked for. `best_ids`: the best trial, or none.
    """
    return {*complete_ids} if sweep.keep_models == "all" else {*wanted_ids, *best_ids} & {*complete_ids}


def store_weights(session: Session, trial_id: int, weights: Mapping[int, bytes]) -> None:
    """Stores the weights of a trial's runs, by the index of the seed."""
    for seed, content in weights.items():
        run = update(Run).where(Run.trial_id == trial_id, Run.seed == seed).values(weights=content)
        session.execute(run, execution_options={"synchronize_session": False})


def drop_superseded(session: Session, sweep: Sweep) -> None:
    """Removes the weights of trials that were the best only for a while."""
    superseded = select(Trial.id).where(Trial.sweep_id == sweep.id, ~_keeps_weights(sweep))
    session.execute(
        update(Run).where(Run.trial_id.in_(superseded), Run.weights.is_not(None)).values(weights=None),
        execution_options={"synchronize_session": False},
    )


def _keeps_weights(sweep: Sweep) -> ColumnElement[bool]:
    """Whether a trial's weights stay: all, or those of the best trial and of trials whose model somebody asked for."""
    if sweep.keep_models == "all":
        return true()
    return or_(Trial.model_wanted, Trial.id.in_(best_trial_id(sweep)))
