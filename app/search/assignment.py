"""What becomes of configurations: written to their trials, recorded as infeasible, or known from an earlier trial.

All of it happens under the sweep's lock, in one transaction: two workers that come by the same configuration at the
same time see each other's.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Row, func, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.engine import transaction
from app.db.tables import Sweep, Trial
from app.domain.sampling import ASKED_AT_ONCE
from app.domain.states import ENDED_SWEEPS, SweepState, TrialState
from app.lifecycle import sweep_row
from app.lifecycle.trial_changes import CANCELLED, GIVEN_BACK, WITHOUT_LEASE
from app.queue import statements
from app.queue.claims import ClaimedTrial
from app.search.history import known_rows
from app.search.proposals import ExhaustedError, Infeasible, Proposer, same_as

logger = logging.getLogger(__name__)

_TRAINED = {TrialState.running, TrialState.complete, TrialState.pruned, TrialState.failed}


@dataclass(frozen=True)
class Suggestion:
    """A configuration for a trial. `token` is that of the lease; None for a trial that waits, asked for ahead."""

    trial_id: int
    token: UUID | None
    params: dict[str, Any]


@dataclass
class Assigned:
    """What became of draws, by trial id.

    `first_seeds` are those to train, each with the index of its first seed; `refused` may not be tried again, and are
    to be asked anew. All others ended, wait, or are no longer this worker's.
    """

    first_seeds: dict[int, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)


def waiting(session: Session, sweep_id: int, limit: int) -> list[tuple[int, int]]:
    """Ids and numbers of the next trials without parameters."""
    found = select(Trial.id, Trial.number).where(
        Trial.sweep_id == sweep_id, Trial.state == TrialState.waiting, Trial.params.is_(None)
    )
    return [(row.id, row.number) for row in session.execute(found.order_by(Trial.number).limit(limit))]


def without_costs(session: Session, enough: int) -> Sweep | None:
    """A sweep whose sampler learns nothing, and that has fewer than `enough` waiting trials with parameters left."""
    found = session.scalar(_WITHOUT_COSTS, {"enough": enough, "samplers": list(ASKED_AT_ONCE)})
    return None if found is None else session.get(Sweep, found)


def write(
    session: Session, sweep_id: int, draws: Sequence[Suggestion], infeasible: Sequence[Infeasible] = ()
) -> Assigned:
    """Settles the draws in their order; what was infeasible becomes a row of its own, so it costs no budget."""
    sweep = sweep_row.lock(session, sweep_id)
    written = Assigned()
    mine = _open(session, draws) if sweep is not None else {}
    if sweep is None or not (mine or (infeasible and sweep.state not in ENDED_SWEEPS)):
        return written
    _insert_infeasible(session, sweep, infeasible)
    sizes = {draw.trial_id: trial_rows.trial_size(sweep, draw.params) for draw in draws}
    known = _equal(session, sweep_id, {str(size["configuration"]) for size in sizes.values()}, leave_out=set(mine))
    ready: list[tuple[Suggestion, int]] = []
    for draw in draws:
        if draw.trial_id not in mine:
            continue
        row = mine[draw.trial_id]
        others = known.setdefault(str(sizes[draw.trial_id]["configuration"]), [])
        first_seed = _settled(session, sweep, draw, row, others, written)
        if first_seed is not None:
            ready.append((draw, first_seed))
            others.append(_Other(row.id, row.number, TrialState(row.state), first_seed))
    _write_params(session, ready, sizes)
    if len(ready) < len(mine) or infeasible:
        session.execute(statements.CANCEL_IN_STOPPING, {"sweeps": [sweep_id]})  # a twin that would wait in vain
        sweep_row.touch(session, sweep)
    return written


def end_search(session: Session, sweep_id: int, draws_for: Sequence[tuple[int, UUID | None]], reason: str) -> None:
    """Ends a sweep whose space holds nothing more to try: what waits is cancelled, what runs ends as it would."""
    sweep = sweep_row.lock(session, sweep_id)
    if sweep is None or sweep.state in ENDED_SWEEPS:
        return
    tokens = {trial_id: token for trial_id, token in draws_for if token is not None}
    session.execute(_CANCEL, {"sweep": sweep_id, "ids": list(tokens), "tokens": list(tokens.values())})
    if sweep.state != SweepState.stopping:  # another worker may have found the same before
        sweep.state, sweep.stop_reason = SweepState.stopping, reason
    sweep_row.touch(session, sweep)


@dataclass(frozen=True)
class _Other:
    """Another trial with the same configuration."""

    id: int
    number: int
    state: TrialState
    first_seed: int
    excluded: bool = False


def _settled(
    session: Session, sweep: Sweep, draw: Suggestion, row: Row[Any], others: Sequence[_Other], written: Assigned
) -> int | None:
    """The first seed of a trial that is to be trained, by the sweep's policy for repeats; None for one that is not."""
    if row.first_seed > 0:  # further seeds were asked for, or settled at an earlier attempt
        written.first_seeds[row.id] = int(row.first_seed)
        return int(row.first_seed)
    trained = [other for other in others if other.state in _TRAINED]
    given = row.configuration is not None  # a cell of a grid, one's own, or asked for ahead
    if sweep.repeats == "forbid":
        counted = trained if given else [other for other in others if other.state in {*_TRAINED, TrialState.waiting}]
        if counted and not given:
            written.refused.add(row.id)
            return None
        if counted:
            reason = same_as(counted[0].number)
            session.execute(_REFUSE, {"id": row.id, "token": draw.token, "reason": reason})
            return None
    if sweep.repeats == "reuse" and draw.token is not None:
        complete = next((other for other in trained if other.state == TrialState.complete and not other.excluded), None)
        if complete is not None:
            _take_over(session, draw, complete)
            return None
        if any(other.state == TrialState.running for other in trained):
            _write_params(session, [(draw, 0)], {row.id: trial_rows.trial_size(sweep, draw.params)})
            session.execute(_WAIT, {"id": row.id, "token": draw.token})
            return None
    # a trial that waits may have been given further seeds already; one that has the first is settled when it is claimed
    taken = [other.first_seed for other in others if other.state in _TRAINED or other.first_seed > 0]
    first_seed = int(row.first_seed)
    if any(abs(other - first_seed) < sweep.seeds for other in taken):
        first_seed = max(taken) + sweep.seeds
    written.first_seeds[row.id] = first_seed
    return first_seed


def _open(session: Session, draws: Sequence[Suggestion]) -> dict[int, Any]:
    """The rows that may still be written, by id, locked in the order of their ids."""
    columns = (Trial.id, Trial.number, Trial.state, Trial.lease_token, Trial.configuration, Trial.first_seed)
    found = select(*columns, Trial.params.is_(None).label("empty")).where(
        Trial.id.in_([draw.trial_id for draw in draws])
    )
    rows: dict[int, Any] = {row.id: row for row in session.execute(found.order_by(Trial.id).with_for_update())}
    return {
        draw.trial_id: row
        for draw in draws
        if (row := rows.get(draw.trial_id)) is not None
        and (row.lease_token == draw.token if draw.token is not None else row.state == TrialState.waiting and row.empty)
    }


def _equal(session: Session, sweep_id: int, configurations: set[str], leave_out: set[int]) -> dict[str, list[_Other]]:
    """Other trials by configuration, in the order of their numbers."""
    columns = (Trial.id, Trial.number, Trial.state, Trial.first_seed, Trial.excluded)
    found = select(*columns, Trial.configuration).where(
        Trial.sweep_id == sweep_id, Trial.configuration.in_(configurations)
    )
    others: dict[str, list[_Other]] = {}
    for row in session.execute(found.order_by(Trial.number)):
        if row.id not in leave_out:
            others.setdefault(row.configuration, []).append(_Other(*row[:5]))
    return others


def _write_params(
    session: Session, ready: Sequence[tuple[Suggestion, int]], sizes: Mapping[int, Mapping[str, object]]
) -> None:
    columns = [sizes[draw.trial_id] for draw, _ in ready]
    if columns:
        given = {
            "ids": [draw.trial_id for draw, _ in ready],
            "params": [json.dumps(draw.params) for draw, _ in ready],
            "first_seeds": [first_seed for _, first_seed in ready],
        }
        names = ("cost", "epochs_total", "configuration")
        session.execute(_WRITE, given | {name: [column[name] for column in columns] for name in names})


def _take_over(session: Session, draw: Suggestion, other: _Other) -> None:
    """Ends the trial with the results of another one."""
    given = {"id": draw.trial_id, "token": draw.token, "other": other.id, "reason": same_as(other.number)}
    session.execute(_TAKE_OVER, given)
    for statement in _COPY:
        session.execute(statement, given)


def _insert_infeasible(session: Session, sweep: Sweep, infeasible: Sequence[Infeasible]) -> None:
    if not infeasible:
        return
    last = session.scalar(select(func.max(Trial.number)).where(Trial.sweep_id == sweep.id)) or 0
    numbers = range(last + 1, last + 1 + len(infeasible))
    trial_rows.add_trials(
        session, sweep, numbers, [one.params for one in infeasible], [one.reason for one in infeasible]
    )


# Both counts read an index, and no more of it than they need.
_WITHOUT_COSTS = text("""
    SELECT s.id FROM sweeps s
    WHERE s.state IN ('queued', 'running') AND s.sampler ->> 'name' = ANY(:samplers)
      AND EXISTS (SELECT FROM trials t WHERE t.sweep_id = s.id AND t.state = 'waiting' AND t.params IS NULL)
      AND (SELECT count(*) FROM (
            SELECT FROM trials t WHERE t.sweep_id = s.id AND t.state = 'waiting' AND t.params IS NOT NULL LIMIT :enough
          ) AS known) < :enough
    ORDER BY s.priority DESC, s.id LIMIT 1
""")

_WRITE = text("""
    UPDATE trials t
    SET params = CAST(given.params AS json), cost = given.cost, epochs_total = given.epochs_total,
        configuration = given.configuration, first_seed = given.first_seed
    FROM unnest(CAST(:ids AS bigint[]), CAST(:params AS text[]), CAST(:cost AS float8[]),
                CAST(:epochs_total AS int[]), CAST(:configuration AS text[]), CAST(:first_seeds AS int[]))
         AS given(id, params, cost, epochs_total, configuration, first_seed)
    WHERE t.id = given.id
""")

_WAIT = text(f"UPDATE trials SET {GIVEN_BACK} WHERE id = :id AND lease_token = :token")

_REFUSE = text(f"""
    UPDATE trials
    SET state = 'infeasible', cost = 0, epochs_total = 0, {WITHOUT_LEASE}, finished_at = clock_timestamp(),
        reason = :reason
    WHERE id = :id AND lease_token IS NOT DISTINCT FROM :token
""")

_TAKE_OVER = text(f"""
    UPDATE trials t
    SET state = 'complete', params = o.params, cost = o.cost, epochs_total = o.epochs_total,
        epochs_done = o.epochs_done, configuration = o.configuration, first_seed = o.first_seed, value = o.value,
        std = o.std, other_values = o.other_values, reason = :reason, {WITHOUT_LEASE},
        finished_at = clock_timestamp()
    FROM trials o WHERE t.id = :id AND t.lease_token = :token AND o.id = :other
""")

_COPY = [
    text("""
        INSERT INTO runs (trial_id, seed, state, value, error, seconds)
        SELECT :id, seed, state, value, error, seconds FROM runs WHERE trial_id = :other
    """),
    text("""
        INSERT INTO epochs (trial_id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds)
        SELECT :id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds
        FROM epochs WHERE trial_id = :other
    """),
]

_CANCEL = text(f"""
    UPDATE trials SET {CANCELLED}
    WHERE sweep_id = :sweep AND (state = 'waiting' OR (state = 'running' AND (id, lease_token) IN (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])))))
""")


def fill_in(engine: Engine, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
    """Those of the trials that are to be trained, with parameters and first seeds.

    Trials that had parameters (a grid's cell, one's own, asked for ahead, a second attempt) keep them. The others have
    ended by an earlier result, wait for one, or are cancelled because the space holds nothing more to try.
    No transaction is open while the sampler thinks, which may take longer than the database lets one be idle.
    """
    kept: list[ClaimedTrial] = []
    left = list(trials)
    while left:
        asker = None
        if any(trial.params is None for trial in left):
            with transaction(engine) as session:
                known = known_rows(session, sweep.id)
            asker = Proposer(sweep, known)
        chosen, exhausted = _choose(asker, left)
        with transaction(engine) as session:
            wanted = [Suggestion(one.lease.trial_id, one.lease.token, one.params or {}) for one in chosen]
            written = write(session, sweep.id, wanted, asker.infeasible if asker else ())
            if exhausted:
                asked = {one.lease for one in chosen}
                rest = [(one.lease.trial_id, one.lease.token) for one in left if one.lease not in asked]
                end_search(session, sweep.id, rest, exhausted)
        first_seeds = written.first_seeds
        kept += [
            replace(one, first_seed=first_seeds[one.lease.trial_id])
            for one in chosen
            if one.lease.trial_id in first_seeds
        ]
        left = [one for one in left if one.lease.trial_id in written.refused]
    return kept


def _choose(asker: Proposer | None, trials: Sequence[ClaimedTrial]) -> tuple[list[ClaimedTrial], str | None]:
    """The trials with parameters, those that had some first; and why there are fewer than were asked for."""
    given = [trial for trial in trials if trial.params is not None]
    chosen = [trial for trial in trials if trial.params is None]
    started = time.monotonic()
    for index, trial in enumerate(chosen):
        assert asker is not None
        try:
            chosen[index] = replace(trial, params=asker.choose(trial.number))
        except ExhaustedError as error:
            return given + chosen[:index], str(error)
    if chosen:
        logger.info("asked for %d trials in %.3f s", len(chosen), time.monotonic() - started)
    return given + chosen, None
