"""Sweeps as the API shows them, with their counts, progress and best configuration."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, func, literal_column, select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import LogEntry, Sweep
from app.domain.states import SweepState, TrialState
from app.errors import NotFoundError
from app.lifecycle import sweep_row
from app.queries import pages
from app.queries.pages import count_within
from app.queries.standing import facts as standing_facts
from app.queries.standing.facts import SweepFacts, sweep_facts
from app.queries.standing.time_left import TimeLeft, times_left
from app.queries.standing.warnings import warnings_of


def summary(session: Session, sweep_id: int) -> schemas.SweepOut:
    """One sweep as it stands. Raises NotFoundError."""
    sweep = next(iter(summaries(session, [sweep_row.get(session, sweep_id)])), None)
    if sweep is None:  # deleted between two statements
        raise NotFoundError(f"There is no sweep {sweep_id}.")
    return sweep


def summaries(session: Session, sweeps: Sequence[Sweep]) -> list[schemas.SweepOut]:
    """These sweeps as they stand, in a number of statements that does not grow with theirs.

    One that is deleted meanwhile is left out.
    """
    facts = sweep_facts(session, sweeps)
    eta = times_left(session, sweeps, facts)
    warnings = warnings_of(session, sweeps, {sweep_id for sweep_id in facts if facts[sweep_id].totals.waiting})
    return [
        _summary(sweep, facts[sweep.id], eta.get(sweep.id), warnings[sweep.id]) for sweep in sweeps if sweep.id in facts
    ]


class Standing(NamedTuple):
    """How far a sweep is."""

    id: int
    revision: int
    state: SweepState
    progress: float
    entry: int
    """The last entry of its log."""


def standings(session: Session, sweep_ids: Collection[int]) -> list[Standing]:
    """How far these sweeps are, which costs much less than `summaries`; one that is deleted is left out."""
    entry = select(func.max(LogEntry.id)).where(LogEntry.sweep_id == Sweep.id).scalar_subquery()
    query = select(Sweep.id, Sweep.revision, Sweep.state, entry.label("entry")).where(Sweep.id.in_(sweep_ids))
    rows = session.execute(query).all()
    totals = standing_facts.totals(session, {row.id: row.revision for row in rows})
    shares = {sweep_id: row.progress for sweep_id, row in totals.items()}
    return [
        Standing(row.id, row.revision, row.state, _progress(row.state, shares.get(row.id, 0.0)), row.entry or 0)
        for row in rows
    ]


def _progress(state: SweepState, share: float) -> float:
    """The share of the work that is done, but that a completed sweep lacks nothing."""
    return 1.0 if state == SweepState.completed else share


def list_sweeps(
    session: Session,
    state: SweepState | None = None,
    tag: str | None = None,
    *,
    limit: int = 50,
    after: int | None = None,
) -> schemas.Page[schemas.SweepOut]:
    """Sweeps in this state and with this tag, the newest first; of those with very much to say fewer than `limit`."""
    query = select(Sweep.id, _CHARACTERS).order_by(Sweep.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Sweep.state == state)
    if tag is not None:
        query = query.where(Sweep.tags.contains([tag]))
    if after is not None:
        query = query.where(Sweep.id < after)
    rows = session.execute(query).all()
    count = count_within((row.characters for row in rows[:limit]), pages.MAX_CHARACTERS)
    ids = [row.id for row in rows[:count]]
    sweeps = session.scalars(select(Sweep).where(Sweep.id.in_(ids)).order_by(Sweep.id.desc())).all()
    next_cursor = str(ids[-1]) if len(rows) > count else None
    return schemas.Page(items=summaries(session, sweeps), next=next_cursor)


# Of the whole row as Postgres writes it: a space can list tens of thousands of values, and an imported sweep's facts
# have as many words.
_CHARACTERS = func.octet_length(cast(literal_column("sweeps"), Text)).label("characters")


def tags(session: Session, limit: int = 30) -> list[str]:
    """The tags that sweeps have, those of most sweeps first."""
    rows = select(func.unnest(Sweep.tags).label("tag")).subquery()
    by_count = select(rows.c.tag).group_by(rows.c.tag).order_by(func.count().desc(), rows.c.tag)
    return list(session.scalars(by_count.limit(limit)))


_SAME_AS_ROW = (
    *("id", "name", "state", "task", "dataset", "split", "space", "seed", "revision", "keep_models", "notes"),
    *("tags", "priority", "device", "best_by", "stop_reason", "imported_from", "constraints", "repeats", "environment"),
    *("diagnostics", "created_at", "started_at", "finished_at"),
)


def _summary(sweep: Sweep, facts: SweepFacts, eta: TimeLeft | None, warnings: Sequence[str]) -> schemas.SweepOut:
    """`eta`: how long it still takes."""
    totals = facts.totals
    counts = {state.value: getattr(totals, state.value) for state in TrialState}
    objective = {"metric": sweep.metric, "direction": sweep.direction}
    objectives = [objective, *sweep.objectives] if sweep.objectives else []
    return schemas.SweepOut(
        **{name: getattr(sweep, name) for name in _SAME_AS_ROW},
        counts=schemas.Counts(**counts),
        epochs=schemas.EpochCounts(done=totals.epochs_done, total=totals.epochs_total),
        progress=_progress(sweep.state, totals.progress),
        eta_seconds=eta.seconds if eta else None,
        eta_by=eta.by if eta else None,
        took_seconds=_took_seconds(sweep),
        best=facts.best,
        test_looks=len(sweep.test_scores),
        test_scores=[schemas.ScoreOut.model_validate(look) for look in sweep.test_scores],
        sampler=_as_posted(sweep.sampler) or "",
        pruner=_as_posted(sweep.pruner),
        warm_start=_warm_start_as_posted(sweep.warm_start),
        warm_started=schemas.WarmStarted.model_validate(sweep.warm_started) if sweep.warm_started else None,
        seeds=_seeds_as_posted(sweep),
        n_trials=sum(counts.values()) - counts["infeasible"] - totals.survivor_trials,
        survivor_trials=totals.survivor_trials,
        webhook=schemas.WebhookOut(url=sweep.webhook["url"]) if sweep.webhook else None,
        objective=schemas.Objective.model_validate(objective),
        objectives=[schemas.OneObjective.model_validate(pair) for pair in objectives] or None,
        warnings=list(warnings),
        pareto=facts.front,
        stop=schemas.StopRules.model_validate(sweep.stop_rules) if sweep.stop_rules else None,
    )


def _took_seconds(sweep: Sweep) -> float | None:
    """From the first trial's start to the end, without the time in which it had ended before."""
    if sweep.finished_at is None or sweep.started_at is None:
        return None
    return max(0.0, (sweep.finished_at - sweep.started_at).total_seconds() - sweep.ended_seconds)


def _as_posted(options: dict[str, Any] | None) -> str | dict[str, Any] | None:
    """A sampler or pruner as it was posted: its bare name where it has no options."""
    return options["name"] if options and len(options) == 1 else options


def _warm_start_as_posted(options: dict[str, Any] | None) -> list[int] | dict[str, Any] | None:
    """A warm start as it was posted: the bare list of sweeps where it has no other option."""
    return list(options["sweeps"]) if options and len(options) == 1 else options


def _seeds_as_posted(sweep: Sweep) -> int | schemas.SurvivorSeeds:
    """The number of each configuration's runs, or that and the one of survivors."""
    if sweep.survivor_seeds is None:
        return sweep.seeds
    return schemas.SurvivorSeeds(first=sweep.seeds, survivors=sweep.survivor_seeds)
