"""Assigns configurations to claimed trials: asks the sampler, applies the policy for repeats, writes them.

The policy is applied and written under the sweep's lock, in one transaction: two workers that come by the same
configuration at the same time see each other's.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.engine import transaction
from app.db.tables import Sweep, Trial
from app.db.trial_rows import NewTrial
from app.domain.people.log_events import LogEvent
from app.domain.states import ENDED_SWEEPS, SweepState, TrialState
from app.domain.sweep_setup import SweepSetup
from app.lifecycle import sweep_log, sweep_row
from app.lifecycle.claimable import IS_BETWEEN_LEGS
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease, lease_arrays
from app.queue.statements import CANCEL_IN_STOPPING, GIVE_BACK
from app.search import statements
from app.search.history import read_history
from app.search.proposals import ExhaustedError, Infeasible, Proposer
from app.search.repeats import (
    Candidate,
    CopyResult,
    Decision,
    Redraw,
    Reject,
    Train,
    Twin,
    WaitFor,
    decide,
    same_configuration_as,
)

logger = logging.getLogger(__name__)

_Kind = TypeVar("_Kind", bound=Decision)


@dataclass(frozen=True)
class Suggestion:
    """A configuration for a trial."""

    trial_id: int
    token: UUID | None
    """Of the lease under which the trial is held; None for one that waits, and is asked for ahead."""
    params: dict[str, Any]


def assign_params(engine: Engine, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
    """Those of the trials that are to be trained, with parameters and first seeds.

    Trials that had parameters (a grid's cell, one's own, asked for ahead, a second attempt) keep them. The others have
    ended by an earlier result, wait for one, or are cancelled because the space holds nothing more to try.
    No transaction is open while the sampler thinks, which may take longer than the database lets one be idle.
    """
    assigned_trials: list[ClaimedTrial] = []
    open_trials = list(trials)
    while open_trials:
        proposer = None
        if any(trial.params is None for trial in open_trials):
            with transaction(engine) as session:
                proposer = Proposer(sweep, read_history(session, sweep).shown_trials)
        candidates, exhausted_reason = _propose(proposer, open_trials)
        suggestions = [Suggestion(trial.lease.trial_id, trial.lease.token, trial.params or {}) for trial in candidates]
        with transaction(engine) as session:
            decisions = apply_suggestions(session, sweep.id, suggestions, proposer.infeasible if proposer else ())
            if exhausted_reason:
                candidate_leases = {trial.lease for trial in candidates}
                leases = [trial.lease for trial in open_trials if trial.lease not in candidate_leases]
                end_search(session, sweep.id, leases, exhausted_reason)
        first_seeds = {trial_id: train.first_seed for trial_id, train in _of_kind(Train, decisions)}
        assigned_trials += [
            replace(trial, first_seed=first_seeds[trial.lease.trial_id])
            for trial in candidates
            if trial.lease.trial_id in first_seeds
        ]
        redrawn_ids = {trial_id for trial_id, _ in _of_kind(Redraw, decisions)}
        open_trials = [trial for trial in open_trials if trial.lease.trial_id in redrawn_ids]
    return assigned_trials


def apply_suggestions(
    session: Session, sweep_id: int, suggestions: Sequence[Suggestion], infeasible: Sequence[Infeasible] = ()
) -> dict[int, Decision]:
    """Writes what becomes of the suggestions, which is decided in their order; gives the decisions by trial id.

    Trials that are no longer this worker's, or wait no more, are left alone and have no decision. What was infeasible
    becomes a row of its own, so that it costs no budget. What follows from the configurations alone is computed before
    anything is locked.
    """
    sweep = session.get(Sweep, sweep_id)
    if sweep is None:
        return {}
    columns = _columns(sweep, suggestions)
    reasons = [draw.reason for draw in infeasible]
    infeasible_trials = trial_rows.new_trials(sweep, [draw.params for draw in infeasible], reasons)
    sweep = sweep_row.lock(session, sweep_id)
    rows = _lock_rows(session, suggestions) if sweep is not None else {}
    if sweep is None or not (rows or (infeasible and sweep.state not in ENDED_SWEEPS)):
        return {}
    _insert_infeasible(session, sweep_id, infeasible_trials)
    suggestions = [suggestion for suggestion in suggestions if suggestion.trial_id in rows]
    decisions = _decide(session, sweep, suggestions, rows, columns)
    _write(session, sweep_id, suggestions, columns, decisions)
    if infeasible or any(not isinstance(decision, Train) for decision in decisions.values()):
        session.execute(CANCEL_IN_STOPPING, {"sweeps": [sweep_id]})  # a twin that would wait in vain
        sweep_row.touch(session, sweep)
    elif decisions:
        sweep_row.mark_changed(session, sweep_id, has_work=False)  # what it costs is known better now
    return decisions


def end_search(session: Session, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
    """Ends the search of a sweep whose space holds nothing more to try, for this reason.

    What waits for parameters, and these held trials, are cancelled. What has some is trained to its end: the sweep ends
    by itself once that has ended, trials at rungs and further seeds of survivors included.
    """
    sweep = sweep_row.lock(session, sweep_id)
    if sweep is None or sweep.state in ENDED_SWEEPS:
        return
    session.execute(statements.CANCEL_WITHOUT_PARAMS, {"sweep": sweep_id} | lease_arrays(leases))
    if sweep.state != SweepState.stopping and sweep.stop_reason is None:  # else another worker has found the same
        sweep.stop_reason = reason
        sweep_log.note(session, sweep_id, LogEvent.stop_rule, f"No further trials: {reason}")
    sweep_row.touch(session, sweep)


def _columns(sweep: Sweep, suggestions: Sequence[Suggestion]) -> dict[int, NewTrial]:
    """What is written of each suggestion's trial, by its id."""
    trials = trial_rows.new_trials(sweep, [item.params for item in suggestions], [None] * len(suggestions))
    return {suggestion.trial_id: trial for suggestion, trial in zip(suggestions, trials, strict=True)}


def _propose(proposer: Proposer | None, trials: Sequence[ClaimedTrial]) -> tuple[list[ClaimedTrial], str | None]:
    """The trials with parameters, those that had some first; and why there are fewer than were asked for."""
    candidates = [trial for trial in trials if trial.params is not None]
    started = time.monotonic()
    open_trials = [trial for trial in trials if trial.params is None]
    for trial in open_trials:
        assert proposer is not None
        try:
            candidates.append(replace(trial, params=proposer.propose(trial.number)))
        except ExhaustedError as error:
            return candidates, str(error)
    if open_trials:
        logger.info("asked for %d trials in %.3f s", len(open_trials), time.monotonic() - started)
    return candidates, None


def _lock_rows(session: Session, suggestions: Sequence[Suggestion]) -> dict[int, Any]:
    """The rows that may still be written, by id, locked in the order of their ids."""
    columns = (Trial.id, Trial.number, Trial.state, Trial.lease_token, Trial.configuration)
    origin = (Trial.first_seed, Trial.continued_from)
    tokens = {suggestion.trial_id: suggestion.token for suggestion in suggestions}
    suggested = select(*columns, *origin, Trial.params.is_(None).label("empty")).where(Trial.id.in_(tokens))
    rows: Iterable[Any] = session.execute(suggested.order_by(Trial.id).with_for_update())
    return {row.id: row for row in rows if _is_open(row, tokens[row.id])}


def _is_open(row: Any, token: UUID | None) -> bool:
    """Whether the trial is still held under this token, or without one still waits for parameters."""
    return bool(row.lease_token == token if token is not None else row.state == TrialState.waiting and row.empty)


def _decide(
    session: Session,
    sweep: Sweep,
    suggestions: Sequence[Suggestion],
    rows: Mapping[int, Any],
    columns: Mapping[int, NewTrial],
) -> dict[int, Decision]:
    """What becomes of each trial by its id; later ones see what was decided on the ones before."""
    configurations = {suggestion.trial_id: columns[suggestion.trial_id].configuration for suggestion in suggestions}
    open_ids = {row.id for row in rows.values() if row.first_seed == 0}  # the others have their seeds, which count
    twins_of = _twins_by_configuration(session, sweep.id, set(configurations.values()), leave_out=open_ids)
    decisions: dict[int, Decision] = {}
    for suggestion in suggestions:
        row = rows[suggestion.trial_id]
        twins = twins_of.setdefault(configurations[row.id], [])
        candidate = Candidate(
            row.first_seed,
            has_fixed_params=row.configuration is not None,
            is_leased=suggestion.token is not None,
            is_continuation=row.continued_from is not None,
        )
        decisions[row.id] = decision = decide(sweep.repeats, sweep.seeds, candidate, twins)
        if isinstance(decision, Train):
            twins.append(Twin(row.id, row.number, row.state, decision.first_seed))
    return decisions


def _twins_by_configuration(
    session: Session, sweep_id: int, configurations: set[str], leave_out: set[int]
) -> dict[str, list[Twin]]:
    """The sweep's trials of these configurations, in the order of their numbers."""
    # one that waits between two legs has begun: to the others it is one in training
    state = case((IS_BETWEEN_LEGS, TrialState.running), else_=Trial.state)
    columns = (Trial.id, Trial.number, state, Trial.first_seed, Trial.excluded)
    equal = select(*columns, Trial.configuration).where(
        Trial.sweep_id == sweep_id, Trial.configuration.in_(configurations)
    )
    twins: dict[str, list[Twin]] = {}
    for row in session.execute(equal.order_by(Trial.number)):
        if row.id not in leave_out:
            twins.setdefault(row.configuration, []).append(Twin(*row[:5]))
    return twins


def _write(
    session: Session,
    sweep_id: int,
    suggestions: Sequence[Suggestion],
    columns: Mapping[int, NewTrial],
    decisions: Mapping[int, Decision],
) -> None:
    """Writes the decisions, one statement for each kind; the rows are locked."""
    first_seeds = {trial_id: train.first_seed for trial_id, train in _of_kind(Train, decisions)}
    first_seeds |= {trial_id: 0 for trial_id, _ in _of_kind(WaitFor, decisions)}
    _write_params(session, columns, first_seeds)
    _put_back(session, sweep_id, suggestions, {trial_id for trial_id, _ in _of_kind(WaitFor, decisions)})
    _copy_results(session, {trial_id: copy.source for trial_id, copy in _of_kind(CopyResult, decisions)})
    _reject(session, {trial_id: rejection.reason for trial_id, rejection in _of_kind(Reject, decisions)})


def _write_params(session: Session, columns: Mapping[int, NewTrial], first_seeds: Mapping[int, int]) -> None:
    """Writes the parameters, and what follows from them, of the trials that have a first seed."""
    if first_seeds:
        arrays: dict[str, list[Any]] = {
            name: [getattr(columns[trial_id], name) for trial_id in first_seeds]
            for name in ("params", "cost", "epochs_total", "configuration")
        }
        arrays |= {"ids": list(first_seeds), "first_seeds": list(first_seeds.values())}
        session.execute(statements.WRITE_PARAMS, arrays)


def _put_back(session: Session, sweep_id: int, suggestions: Sequence[Suggestion], trial_ids: set[int]) -> None:
    leases = [
        Lease(suggestion.trial_id, suggestion.token)
        for suggestion in suggestions
        if suggestion.trial_id in trial_ids and suggestion.token is not None
    ]
    if leases:
        session.execute(GIVE_BACK, lease_arrays(leases) | {"sweep": sweep_id})


def _copy_results(session: Session, sources: Mapping[int, Twin]) -> None:
    """Ends trials with the values, runs and learning curves of their twins."""
    if sources:
        arrays = {
            "ids": list(sources),
            "sources": [source.id for source in sources.values()],
            "reasons": [same_configuration_as(source.number) for source in sources.values()],
        }
        session.execute(statements.COPY_RESULTS, arrays)


def _reject(session: Session, reasons: Mapping[int, str]) -> None:
    if reasons:
        session.execute(statements.REJECT, {"ids": list(reasons), "reasons": list(reasons.values())})


def _insert_infeasible(session: Session, sweep_id: int, trials: Sequence[NewTrial]) -> None:
    if trials:
        last = session.scalar(select(func.max(Trial.number)).where(Trial.sweep_id == sweep_id)) or 0
        trial_rows.insert_trials(session, sweep_id, range(last + 1, last + 1 + len(trials)), trials)


def _of_kind(kind: type[_Kind], decisions: Mapping[int, Decision]) -> list[tuple[int, _Kind]]:
    """The decisions of one kind, with the ids of their trials."""
    return [(trial_id, decision) for trial_id, decision in decisions.items() if isinstance(decision, kind)]
