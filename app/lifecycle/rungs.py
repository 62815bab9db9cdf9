"""Trials that wait at rungs: the best of them go on, and the others end once nothing else is left to come."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.configuration import MLPConfig
from app.domain.pruning import promotion, wording
from app.domain.pruning.options import stored_pruner
from app.domain.pruning.promotion import RungRecord
from app.domain.pruning.rungs import HalvingPruner, ladder, waits_at_rungs
from app.domain.space import parse_space
from app.domain.states import LIVE_TRIALS, SweepState, TrialState
from app.domain.sweep_setup import SweepSetup
from app.lifecycle.claimable import HAS_CLAIMABLE

STOPPED = "its sweep was stopped before it went on"
EXCLUDED = "it was excluded while it waited at a rung"


def max_epochs(sweep: Sweep | SweepSetup) -> int:
    """Epochs of the longest training that the sweep's space holds."""
    return MLPConfig.from_params(parse_space(sweep.space).largest()).epochs


def halving_pruner(sweep: Sweep | SweepSetup) -> HalvingPruner | None:
    """The sweep's pruner, where its trials wait at rungs; else None."""
    return waits_at_rungs(None if sweep.pruner is None else stored_pruner(sweep.pruner))


def settle(session: Session, sweep_ids: Iterable[int]) -> None:
    """Promotes the trials at rungs whose turn it is, and ends those whose turn will not come, of these locked sweeps.

    In a sweep that stops none goes on.
    """
    pruned_ids = [sweep_id for sweep_id in sweep_ids if session.get_one(Sweep, sweep_id).pruner is not None]
    ids = session.scalars(_HAVE_TRIALS_BETWEEN_LEGS, {"ids": pruned_ids}).all() if pruned_ids else []
    for sweep_id in ids:
        sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
        halving = halving_pruner(sweep)
        assert halving is not None
        if sweep.state == SweepState.stopping:
            end_started(session, sweep)
        else:
            _promote(session, sweep, halving)


def end_started(session: Session, sweep: Sweep) -> None:
    """Ends the waiting trials that have reached a rung, pruned with their last values; the sweep, locked, stops."""
    halving = halving_pruner(sweep)
    if halving is not None:
        _end(session, sweep, halving, dict.fromkeys(_records(session, sweep, _BETWEEN_LEGS), STOPPED))


def _promote(session: Session, sweep: Sweep, halving: HalvingPruner) -> None:
    if session.scalar(_MORE_WILL_COME, {"sweep": sweep.id}):
        sign = -1 if sweep.first_objective.maximize else 1
        limits = {"factor": halving.reduction_factor, "bootstrap": halving.bootstrap_count}
        session.execute(_PROMOTE, limits | {"sweep": sweep.id, "sign": sign})
    else:
        _promote_last(session, sweep, halving)


def _promote_last(session: Session, sweep: Sweep, halving: HalvingPruner) -> None:
    """Promotes, once no other trial will come to a rung, or ends all that wait."""
    records = _records(session, sweep, "NOT excluded AND state <> 'cancelled'")
    ids = promotion.promoted_ids(halving, sweep.first_objective, records, is_final=True)
    if ids:
        session.execute(_GO_ON, {"ids": ids})
    else:
        verdicts = promotion.verdicts(halving, sweep.first_objective, sweep.seeds, max_epochs(sweep), records)
        reasons = {
            record: wording.sentence(verdicts[record.trial_id]) for record in records if record.trial_id in verdicts
        }
        reasons |= dict.fromkeys(_records(session, sweep, "excluded AND rung IS NOT NULL"), EXCLUDED)
        _end(session, sweep, halving, reasons)


def _records(session: Session, sweep: Sweep, condition: str) -> list[RungRecord]:
    """The trials that have reached a rung and satisfy the condition."""
    columns = (Trial.id, Trial.number, Trial.bracket, Trial.rung_means, Trial.rung, Trial.state)
    query = select(*columns).where(Trial.sweep_id == sweep.id, Trial.rung_means != [], text(condition))
    return [
        RungRecord(trial_id, number, bracket, tuple(means), rung, state in {*LIVE_TRIALS, TrialState.complete})
        for trial_id, number, bracket, means, rung, state in session.execute(query)
    ]


def _end(session: Session, sweep: Sweep, halving: HalvingPruner, reasons: Mapping[RungRecord, str]) -> None:
    """Ends these trials as pruned at the last rung that they have reached."""
    longest = max_epochs(sweep)
    epochs = [ladder(halving, record.bracket, longest).epoch_at(len(record.means) - 1) for record in reasons]
    arrays = {"ids": [record.trial_id for record in reasons], "reasons": list(reasons.values()), "epochs": epochs}
    for statement in (*_DELETE_LATER, text(_INSERT_RUNS.format(metric=sweep.metric)), _PRUNE):
        session.execute(statement, arrays)


# the second condition is that of the index ix_trials_between_legs
_BETWEEN_LEGS = "state = 'waiting' AND rung_means <> '{}' AND (rung_means <> '{}' OR epochs_trained > 0)"

_HAVE_TRIALS_BETWEEN_LEGS = text(f"""
    SELECT id FROM unnest(CAST(:ids AS bigint[])) AS sweep(id)
    WHERE EXISTS (SELECT FROM trials WHERE sweep_id = sweep.id AND {_BETWEEN_LEGS})
""")

# Whether any other trial of the sweep trains, or can be claimed: it may still reach a rung.
_MORE_WILL_COME = text(f"""
    SELECT (SELECT running FROM sweep_totals WHERE sweep_id = s.id) > 0 OR {HAS_CLAIMABLE}
    FROM sweeps s WHERE s.id = :sweep
""")

# What app.domain.pruning.promotion says while more trials will come, for all rungs at which trials wait: of those that
# have reached a rung, the best ones go on. Only rungs whose best waiting trial is among these are ranked: there are
# seldom any, and others wait for the sweep.
_PROMOTE = text("""
    WITH records AS MATERIALIZED (
        SELECT id, number, coalesce(bracket, 0) AS bracket, CAST(:sign AS int) AS sign, rung_means, rung FROM trials
        WHERE sweep_id = :sweep AND rung_means <> '{}' AND NOT excluded AND state <> 'cancelled'
    ), best_waiting AS (
        SELECT bracket, rung, min(ARRAY[sign * rung_means[rung + 1], number]) AS rank FROM records
        WHERE rung IS NOT NULL GROUP BY bracket, rung
    ), rungs AS MATERIALIZED (
        SELECT b.bracket, b.rung, count(*) / CAST(:factor AS int) AS places
        FROM best_waiting b JOIN records r ON r.bracket = b.bracket AND cardinality(r.rung_means) > b.rung
        GROUP BY b.bracket, b.rung, b.rank
        HAVING count(*) > :bootstrap
           AND count(*) FILTER (WHERE ARRAY[sign * r.rung_means[b.rung + 1], r.number] < b.rank)
               < count(*) / CAST(:factor AS int)
    ), standings AS (
        SELECT r.id, r.rung = rungs.rung AS waits, rungs.places,
               row_number() OVER (
                   PARTITION BY rungs.bracket, rungs.rung ORDER BY sign * r.rung_means[rungs.rung + 1], r.number
               ) AS place
        FROM rungs JOIN records r ON r.bracket = rungs.bracket AND cardinality(r.rung_means) > rungs.rung
    )
    UPDATE trials SET rung = NULL FROM standings s WHERE s.id = trials.id AND s.waits AND s.place <= s.places
""")

_GO_ON = text("UPDATE trials SET rung = NULL WHERE id = ANY(:ids)")

_ENDED = """
    unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[]), CAST(:epochs AS bigint[])) AS ended(id, reason, epoch)
"""

# What a worker recorded behind the rung, and lost.
_DELETE_LATER = [
    text(f"DELETE FROM {table} later USING {_ENDED} WHERE later.trial_id = ended.id AND later.epoch > ended.epoch")
    for table in ("epochs", "diagnostics")
]

_INSERT_RUNS = """
    INSERT INTO runs (trial_id, seed, state, value, seconds)
    SELECT e.trial_id, e.seed, 'pruned', (array_agg(e.{metric} ORDER BY e.epoch DESC))[1], sum(e.seconds)
    FROM epochs e WHERE e.trial_id = ANY(:ids) GROUP BY e.trial_id, e.seed
"""

_PRUNE = text(f"""
    UPDATE trials t
    SET state = 'pruned', rung = NULL, reason = ended.reason, finished_at = clock_timestamp(),
        value = t.rung_means[cardinality(t.rung_means)],
        std = (SELECT stddev_samp(r.value) FROM runs r WHERE r.trial_id = t.id),
        epochs_done = (SELECT count(*) FROM epochs e WHERE e.trial_id = t.id)
    FROM {_ENDED} WHERE t.id = ended.id
""")
