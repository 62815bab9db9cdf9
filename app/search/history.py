"""What a sampler learns from: the trials of a sweep, and how many of them it is shown."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Trial
from app.domain.states import TrialState
from app.search.samplers import Observation


def known_rows(session: Session, sweep_id: int) -> list[Observation]:
    """What a sampler may learn from: all trials with parameters, but those that were excluded or cancelled."""
    columns = (Trial.number, Trial.state, Trial.params, Trial.value, Trial.other_values)
    found = select(*columns).where(
        Trial.sweep_id == sweep_id, Trial.params.is_not(None), ~Trial.excluded, Trial.state != TrialState.cancelled
    )
    return [
        Observation(
            row.number, row.state, row.params, () if row.value is None else (row.value, *(row.other_values or ()))
        )
        for row in session.execute(found.order_by(Trial.number))
    ]


def truncate_history(tried: Sequence[Observation], most: int | None, maximize: bool) -> list[Observation]:
    """What a sampler is shown, in its order: what runs, and at most so many that have ended.

    Those are the best quarter of them, and the newest of the others.
    """
    ended = [one for one in tried if one.state not in {"running", "waiting"}]
    if most is None or len(ended) <= most:
        return list(tried)
    best = sorted((one for one in ended if one.values), key=lambda one: one.values[0], reverse=maximize)
    kept = {one.number for one in best[: most // 4]}
    newest = [one.number for one in ended if one.number not in kept][-(most - len(kept)) :]
    kept |= {*newest, *(one.number for one in tried if one.state in {"running", "waiting"})}
    return [one for one in tried if one.number in kept]
