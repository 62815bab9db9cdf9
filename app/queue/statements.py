"""The SQL of the queue: a worker's write to a running trial names its lease; only EXPIRE takes trials without."""

from sqlalchemy import text

from app.db import curve_columns
from app.db.notifications import NOTIFY_SQL
from app.db.tables import Epoch
from app.db.tables.trials import ON_LAST_ATTEMPT
from app.lifecycle.claimable import FITS_WORKER, HAS_WORK, IS_CLAIMABLE
from app.lifecycle.sweep_row import TURN_SQL
from app.lifecycle.trial_changes import (
    CANCELLED,
    DEVICES_OF_CHECKPOINT,
    EPOCHS_OF_CHECKPOINT,
    GIVEN_BACK,
    WITHOUT_LEASE,
)

# Whether a sweep is paused, or another one of no lower priority has none of its trials in training, though some wait
# that this worker may claim. One that stops makes no room: its running trials finish.
MUST_MAKE_ROOM = text(f"""
    SELECT own.state = 'paused' OR own.state <> 'stopping' AND EXISTS (
        SELECT FROM sweeps s
        WHERE s.id <> own.id AND s.state IN ('queued', 'running') AND s.priority >= own.priority
          AND (SELECT running FROM sweep_totals WHERE sweep_id = s.id) = 0
          AND {HAS_WORK}
    )
    FROM sweeps own WHERE own.id = :sweep
""")

CLAIM_ORDER = f"{ON_LAST_ATTEMPT} DESC, enqueued DESC, cost DESC NULLS LAST, number"  # as ix_trials_waiting has it
_FITS = "coalesce(cost, CAST(:mean_cost AS float8)) <= CAST(:share_cost AS float8)"
# The costs in the order in which a worker takes them: the most expensive first, and where others are quicker the most
# expensive of those that fit into its share, and the cheapest of the others behind.
_BY_COST = {False: "cost DESC NULLS LAST", True: f"{_FITS} DESC, CASE WHEN {_FITS} THEN -cost ELSE cost END"}
_HAS_BEGUN = "(t.rung_means <> '{}' OR t.epochs_trained > 0)"  # as ix_trials_between_legs has it

# The waiting trials of a sweep that train as one: they stand at the same epoch, and leave at the same rung. First those
# that are on their last attempt, then the user's own; then, of the groups that are wide enough, the deepest first. Of
# trials that have not begun, which may be 100,000, no more are looked at than make a wide group.
PICK_GROUP = text(f"""
    WITH trials_that_begin AS (
        SELECT t.* FROM trials t JOIN sweeps s ON s.id = t.sweep_id
        WHERE t.sweep_id = :sweep AND {IS_CLAIMABLE} AND {FITS_WORKER} AND NOT {_HAS_BEGUN}
        ORDER BY {CLAIM_ORDER} LIMIT :wide
    ), trials_that_go_on AS (
        SELECT t.* FROM trials t JOIN sweeps s ON s.id = t.sweep_id
        WHERE t.sweep_id = :sweep AND {IS_CLAIMABLE} AND {FITS_WORKER} AND {_HAS_BEGUN}
    )
    SELECT epochs_trained, CASE WHEN {_HAS_BEGUN} THEN bracket END AS bracket, cardinality(rung_means) AS rungs
    FROM (SELECT * FROM trials_that_begin UNION ALL SELECT * FROM trials_that_go_on) AS t
    GROUP BY 1, 2, 3
    ORDER BY bool_or({ON_LAST_ATTEMPT}) DESC, bool_or(enqueued) DESC, least(count(*), :wide) DESC, epochs_trained DESC,
             cardinality(rung_means) DESC, min(number)
    LIMIT 1
""")

# Whether a trial is of a group that has begun.
_OF_GROUP = f"""{_HAS_BEGUN} AND t.epochs_trained = :epochs_trained AND t.bracket IS NOT DISTINCT FROM :bracket
    AND cardinality(t.rung_means) = :rungs"""

# Those on which a trial was trained that its claim by this worker goes on with, or begins anew.
_DEVICES = """CASE WHEN t.epochs_trained = 0 THEN ARRAY[own.device]
        WHEN own.device = ANY(t.devices) THEN t.devices ELSE t.devices || own.device END"""


def _claim(is_of_group: str, by_cost: str) -> str:
    """Claims waiting trials of a group that make up this worker's share of the cost, or one on its last attempt.

    In one statement, since others wait for the sweep: what a worker recorded beyond the checkpoints from which the
    trials go on is removed, and the sweep and the worker are told. Nobody has recorded anything of a trial that has had
    no worker, so nothing is looked for: each look would read a page of an index that may be larger than the memory. A
    trial that begins anew although it has reached a rung keeps its curve, of which its value there was taken: what is
    recorded again is the same. So it is with diagnostics, of which those before the first step stay.
    """
    return f"""
    WITH waiting AS MATERIALIZED (
        -- the trials that may be claimed, in the order of claims; those that another claim has locked are passed over
        SELECT t.id, t.number, t.cost, t.enqueued, t.worker_id IS NOT NULL AS had_worker,
               {ON_LAST_ATTEMPT} AS last_attempt
        FROM trials t JOIN sweeps s ON s.id = t.sweep_id
        WHERE t.sweep_id = :sweep AND {IS_CLAIMABLE} AND {FITS_WORKER} AND {is_of_group}
        ORDER BY {ON_LAST_ATTEMPT} DESC, enqueued DESC, {by_cost}, number
        LIMIT :limit FOR UPDATE OF t SKIP LOCKED
    ), ranked AS (
        -- the same with the cost of all before each and of half of itself: claimed are those where it is within the
        -- share, so that a trial goes to this worker if more than half of it belongs there; and all of them, where
        -- they are more than the share by half a trial at most, so that no crumbs are left to be trained by themselves
        SELECT w.id, w.had_worker,
               row_number() OVER by_cost AS rank,
               bool_or(w.last_attempt) OVER () AS any_last_attempt,
               sum(coalesce(w.cost, CAST(:mean_cost AS float8))) OVER by_cost
                   - coalesce(w.cost, CAST(:mean_cost AS float8)) / 2 AS cost_to_middle,
               sum(coalesce(w.cost, CAST(:mean_cost AS float8))) OVER () AS cost,
               max(coalesce(w.cost, CAST(:mean_cost AS float8))) OVER () AS most_cost
        FROM waiting w
        WINDOW by_cost AS (ORDER BY last_attempt DESC, enqueued DESC, {by_cost}, number ROWS UNBOUNDED PRECEDING)
    ), own AS MATERIALIZED (
        SELECT device FROM workers WHERE id = :worker
    ), claimed AS (
        UPDATE trials t
        SET state = 'running', lease_token = gen_random_uuid(), worker_id = :worker, attempt = t.attempt + 1,
            lease_until = clock_timestamp() + make_interval(secs => :lease),
            started_at = clock_timestamp(), bracket = :bracket, devices = {_DEVICES},
            epochs_done = CASE WHEN t.epochs_trained = 0 THEN 0 ELSE t.epochs_done END
        FROM ranked r, own
        WHERE t.id = r.id
          AND (r.rank = 1 OR (NOT r.any_last_attempt
               AND (r.cost_to_middle <= CAST(:share_cost AS float8)
                    OR r.cost <= CAST(:share_cost AS float8) + r.most_cost / 2)))
        RETURNING t.id, t.number, t.params, t.attempt, t.lease_token, t.first_seed, t.continued_from, t.epochs_trained,
                  r.had_worker AND (t.epochs_trained > 0 OR t.rung_means = '{{}}') AS drops_later
    ), later_epochs AS (
        DELETE FROM epochs e USING claimed c
        WHERE e.trial_id = c.id AND e.epoch > c.epochs_trained AND c.drops_later
    ), later_diagnostics AS (
        DELETE FROM diagnostics d USING claimed c
        WHERE d.trial_id = c.id AND d.epoch > c.epochs_trained AND c.drops_later
    ), claimed_sweep AS (
        UPDATE sweeps SET state = 'running', claimed_at = clock_timestamp(), revision = revision + 1,
                          started_at = coalesce(started_at, clock_timestamp())
        WHERE id = :sweep AND EXISTS (SELECT FROM claimed)
    ), claiming_worker AS (
        -- none where the worker has given this claim up meanwhile
        UPDATE workers SET state = 'training', last_seen = clock_timestamp()
        WHERE id = :worker AND lost_claims = :lost_claims AND EXISTS (SELECT FROM claimed)
        RETURNING id
    )
    SELECT claimed.*, EXISTS (SELECT FROM claiming_worker) AS is_awaited, (SELECT {NOTIFY_SQL}) FROM claimed
"""


# By whether the trials are new, and whether they are those that fit into the share.
CLAIMS = {
    (is_new, is_fitted): text(_claim(f"NOT {_HAS_BEGUN}" if is_new else _OF_GROUP, by_cost))
    for is_new in (True, False)
    for is_fitted, by_cost in _BY_COST.items()
}

# Whoever names another sweep's trial would write under that one's lock, and leave this one as it is. That a trial with
# a token is running is not said again: the planner would read all running trials, which it takes for few, to find it.
_OF_SWEEP = "t.sweep_id = :sweep"

_LEASE = "unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS lease(id, token)"
_UNDER_LEASE = f"FROM {_LEASE} WHERE t.id = lease.id AND t.lease_token = lease.token"

# A record leaves a lease of which a tenth at most has passed: an index has its end, and with a new one all are written.
_EXTENDED = """CASE WHEN t.lease_until BETWEEN clock_timestamp() + make_interval(secs => 0.9 * :lease)
                         AND clock_timestamp() + make_interval(secs => :lease)
                    THEN t.lease_until ELSE clock_timestamp() + make_interval(secs => :lease) END"""

# Writes points of learning curves and extends the leases, of the trials that are still held.
RECORD = text(f"""
    WITH sweep AS MATERIALIZED (
        SELECT id FROM sweeps WHERE id = :sweep AND {TURN_SQL} FOR UPDATE
    ), held AS (
        UPDATE trials t
        SET lease_until = {_EXTENDED}, epochs_done = lease.epochs_done
        FROM sweep, unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:epochs_done AS int[]))
             AS lease(id, token, epochs_done)
        WHERE t.sweep_id = sweep.id AND t.id = lease.id AND t.lease_token = lease.token
        RETURNING t.id
    ), written AS (
        INSERT INTO epochs ({curve_columns.names(Epoch)})
        SELECT p.* FROM unnest({curve_columns.arrays(Epoch)}) AS p({curve_columns.names(Epoch)})
        JOIN held ON held.id = p.trial_id
        ON CONFLICT DO NOTHING  -- written before, when the connection was lost while the commit was on its way
    ), touched AS (
        UPDATE sweeps SET revision = revision + 1 WHERE id IN (SELECT id FROM sweep) AND EXISTS (SELECT FROM held)
    )
    SELECT id, CASE WHEN cardinality(CAST(:trial_id AS bigint[])) > 0 THEN (SELECT {NOTIFY_SQL}) END FROM held
""")

# Locks the sweeps of the trials that are still held, by id.
LOCK_SWEEPS_OF_LEASES = text(f"""
    SELECT id FROM sweeps WHERE id IN (
        SELECT t.sweep_id FROM trials t JOIN {_LEASE} ON t.id = lease.id AND t.lease_token = lease.token
    ) ORDER BY id FOR UPDATE
""")

# Extends the leases of the trials that are still held.
HEARTBEAT = text(f"""
    UPDATE trials t SET lease_until = clock_timestamp() + make_interval(secs => :lease) {_UNDER_LEASE} RETURNING t.id
""")

# Writes how trials and their runs ended, ends their leases, and counts them with their worker.
FINISH = text(f"""
    WITH ended AS (
        UPDATE trials t
        SET state = CAST(result.state AS trial_state), value = result.value, std = result.std, error = result.error,
            reason = result.reason, other_values = CAST(result.other_values AS float8[]),
            circumstances = CAST(result.circumstances AS jsonb), {WITHOUT_LEASE},
            finished_at = statement_timestamp()  -- the same for all of them
        FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:states AS text[]),
                    CAST(:values AS float8[]), CAST(:stds AS float8[]), CAST(:errors AS text[]),
                    CAST(:reasons AS text[]), CAST(:other_values AS text[]), CAST(:circumstances AS text[]))
             AS result(id, token, state, value, std, error, reason, other_values, circumstances)
        WHERE t.id = result.id AND t.lease_token = result.token AND {_OF_SWEEP}
        RETURNING t.id, t.model_wanted
    ), ended_runs AS (
        INSERT INTO runs (trial_id, seed, state, value, error, seconds)
        SELECT run.trial_id, run.seed, CAST(run.state AS run_state), run.value, run.error, run.seconds
        FROM unnest(CAST(:run_trials AS bigint[]), CAST(:run_seeds AS int[]), CAST(:run_states AS text[]),
                    CAST(:run_values AS float8[]), CAST(:run_errors AS text[]), CAST(:run_seconds AS float8[]))
             AS run(trial_id, seed, state, value, error, seconds)
        JOIN ended ON ended.id = run.trial_id
    ), counted AS (
        UPDATE workers SET trials_done = trials_done + (SELECT count(*) FROM ended)
        WHERE id = :worker AND EXISTS (SELECT FROM ended)
    )
    SELECT id, model_wanted FROM ended
""")

# Lets trials wait again after a leg: at a rung, with their mean there, until they are promoted, or else at once.
END_LEG = text(f"""
    UPDATE trials t
    SET state = 'waiting', {WITHOUT_LEASE}, attempt = t.attempt - 1,
        rung = CASE WHEN leg.mean IS NOT NULL THEN cardinality(t.rung_means) END,
        rung_means = CASE WHEN leg.mean IS NULL THEN t.rung_means ELSE t.rung_means || leg.mean END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:means AS float8[])) AS leg(id, token, mean)
    WHERE t.id = leg.id AND t.lease_token = leg.token AND {_OF_SWEEP}
    RETURNING t.id
""")

# Adds the time of these legs, which end now, to the time in which the sweep has trained.
NOTE_LEGS = text("""
    UPDATE sweeps SET earlier_legs = earlier_legs + (
        SELECT range_agg(tstzrange(started_at, greatest(started_at, clock_timestamp())))
        FROM trials WHERE id = ANY(:ids)
    ) WHERE id = :sweep
""")

# Notes of trials that are held after how many epochs their checkpoints were taken.
NOTE_CHECKPOINTS = text(f"""
    UPDATE trials t SET epochs_trained = checkpoint.epoch
    FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:epochs AS int[])) AS checkpoint(id, token, epoch)
    WHERE t.id = checkpoint.id AND t.lease_token = checkpoint.token AND {_OF_SWEEP}
    RETURNING t.id
""")

MEANS_AT_RUNG = text("""
    SELECT other.rung_means[cardinality(own.rung_means) + 1]
    FROM trials own JOIN trials other ON other.sweep_id = own.sweep_id
    WHERE own.id = :trial AND other.bracket IS NOT DISTINCT FROM own.bracket
      AND cardinality(other.rung_means) > cardinality(own.rung_means) AND NOT other.excluded
""")

SAVE_CHECKPOINT = text("""
    INSERT INTO checkpoints (trial_id, epochs_done, data, is_final, devices)
    SELECT :trial_id, :epochs_done, :data, :is_final, devices FROM trials WHERE id = :trial_id
    ON CONFLICT (trial_id) DO UPDATE
    SET epochs_done = excluded.epochs_done, data = excluded.data, is_final = excluded.is_final,
        devices = excluded.devices
""")

# Lets trials wait again as if they had not been claimed.
GIVE_BACK = text(f"UPDATE trials t SET {GIVEN_BACK} {_UNDER_LEASE} AND t.sweep_id = :sweep")

# The same of trials that were too large, with the memory that they need.
LEAVE_TO_LARGER = text(f"""
    UPDATE trials t SET {GIVEN_BACK}, least_memory = lease.memory
    FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:memory AS bigint[])) AS lease(id, token, memory)
    WHERE t.id = lease.id AND t.lease_token = lease.token AND {_OF_SWEEP}
""")


def _lose_attempt(error_sql: str, reason_sql: str) -> str:
    """The SET clause of a lost attempt: it is noted, and the trial waits again; after the last one it fails.

    The last attempt begins anew: the checkpoint may be what the others broke on.
    """
    return f"""
        state = CAST(CASE WHEN t.attempt >= :attempts THEN 'failed' ELSE 'waiting' END AS trial_state),
        finished_at = CASE WHEN t.attempt >= :attempts THEN clock_timestamp() END,
        error = CASE WHEN t.attempt >= :attempts THEN {error_sql} END,
        history = t.history || jsonb_build_array(jsonb_build_object(
            'worker', t.worker_id, 'started_at', t.started_at, 'ended_at', clock_timestamp(), 'reason', {reason_sql})),
        {WITHOUT_LEASE},
        epochs_done = CASE WHEN t.attempt >= :attempts THEN t.epochs_done
                           WHEN t.attempt = :attempts - 1 THEN 0 ELSE {EPOCHS_OF_CHECKPOINT} END,
        epochs_trained = CASE WHEN t.attempt = :attempts - 1 THEN 0 ELSE t.epochs_trained END,
        devices = CASE WHEN t.attempt >= :attempts THEN t.devices ELSE {DEVICES_OF_CHECKPOINT} END
    """


_LOST = "RETURNING t.sweep_id, t.worker_id, t.number, t.state = 'failed'"  # as app.queue.lost_attempts takes it

# Ends an attempt that raised an error.
FAIL_ATTEMPT = text(
    f"UPDATE trials t SET {_lose_attempt('CAST(:reason AS text)', 'CAST(:reason AS text)')} {_UNDER_LEASE} "
    f"AND t.sweep_id = :sweep {_LOST}"
)

# Ends an attempt of trials that wait, as if this worker had claimed them.
FAIL_WAITING = text(f"""
    WITH begun AS MATERIALIZED (
        SELECT id, attempt + 1 AS attempt FROM trials WHERE sweep_id = :sweep AND state = 'waiting' AND rung IS NULL
        ORDER BY {CLAIM_ORDER} LIMIT :limit
    )
    UPDATE trials t
    SET attempt = begun.attempt, worker_id = :worker,
        state = CAST(CASE WHEN begun.attempt >= :attempts THEN 'failed' ELSE 'waiting' END AS trial_state),
        finished_at = CASE WHEN begun.attempt >= :attempts THEN clock_timestamp() END,
        error = CASE WHEN begun.attempt >= :attempts THEN CAST(:reason AS text) END,
        history = t.history || jsonb_build_array(jsonb_build_object(
            'worker', CAST(:worker AS uuid), 'started_at', clock_timestamp(), 'ended_at', clock_timestamp(),
            'reason', CAST(:reason AS text)))
    FROM begun WHERE t.id = begun.id {_LOST}
""")

# When the statement began, which an index is searched for; clock_timestamp() is compared with every lease.
_HAS_LAPSED = "state = 'running' AND lease_until < statement_timestamp()"

# Whether any lease has run out and nobody takes such trials back at this moment; then nobody else does until the
# transaction ends.
TAKE_TURN_AT_LAPSED = text(f"""
    SELECT CASE WHEN EXISTS (SELECT FROM trials WHERE {_HAS_LAPSED})
                THEN pg_try_advisory_xact_lock(hashtextextended('lapsed leases', 0)) ELSE false END
""")

# The sweeps that have a trial whose lease has run out.
LAPSED_SWEEPS = text(f"SELECT DISTINCT sweep_id FROM trials WHERE {_HAS_LAPSED}")

_LOST_TOO_OFTEN = "'its worker was lost ' || t.attempt || ' times'"
_LOST_ONCE = "'its worker was lost: it was not heard of while its lease ran'"

# Ends the attempts whose lease has run out.
EXPIRE = text(f"""
    UPDATE trials t SET {_lose_attempt(_LOST_TOO_OFTEN, _LOST_ONCE)}
    WHERE t.sweep_id = ANY(:sweeps) AND t.state = 'running' AND t.lease_until < clock_timestamp() {_LOST}
""")

# Adds to a number of events.
COUNT = text("""
    INSERT INTO counters (name, value) VALUES (:name, :count)
    ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value
""")

# Cancels what waits in those of these sweeps that are stopping. Trials that have reached a rung are ended otherwise.
CANCEL_IN_STOPPING = text(f"""
    UPDATE trials t SET {CANCELLED} FROM sweeps s
    WHERE s.id = t.sweep_id AND s.id = ANY(:sweeps) AND s.state = 'stopping' AND t.state = 'waiting'
      AND t.rung_means = '{{}}'
""")
