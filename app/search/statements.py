"""The SQL of the search: which sweep is asked ahead, and what becomes of suggestions."""

from sqlalchemy import text

from app.db.curve_columns import copy_rows
from app.db.tables import Diagnostics, Epoch
from app.db.tables.trials import ON_LAST_ATTEMPT
from app.lifecycle.trial_changes import CANCELLED, WITHOUT_LEASE
from app.queue.statements import CLAIM_ORDER

# A sweep of which some of the next trials to be claimed have no cost. Those without one come last, but for what failed
# or was asked for by hand, so only where the stored totals say that there are some the next ones are looked at.
SWEEP_WITHOUT_COSTS = text(f"""
    SELECT s.id FROM sweeps s JOIN sweep_totals totals ON totals.sweep_id = s.id
    WHERE s.state IN ('queued', 'running') AND s.sampler ->> 'name' = ANY(:samplers)
      AND s.id <> ALL(CAST(:unaskable AS bigint[]))
      AND CASE WHEN totals.ready > totals.ready_known THEN (
            SELECT count(*) > count(cost) FROM (
                SELECT t.cost FROM trials t WHERE t.sweep_id = s.id AND t.state = 'waiting' AND t.rung IS NULL
                ORDER BY (t.{ON_LAST_ATTEMPT}) DESC, t.enqueued DESC, t.cost DESC NULLS LAST, t.number LIMIT :enough
            ) AS next
          ) ELSE false END
    ORDER BY s.priority DESC, s.id LIMIT 1
""")

# Read in the order of ix_trials_waiting, so that neither what has ended nor all that waits is read for the next few.
WITHOUT_PARAMS = text(f"""
    SELECT id, number FROM trials
    WHERE sweep_id = :sweep AND state = 'waiting' AND rung IS NULL AND cost IS NULL
    ORDER BY {CLAIM_ORDER} LIMIT :limit
""")

WRITE_PARAMS = text("""
    UPDATE trials t
    SET params = CAST(given.params AS json), cost = given.cost, epochs_total = given.epochs_total,
        configuration = given.configuration, first_seed = given.first_seed
    FROM unnest(CAST(:ids AS bigint[]), CAST(:params AS text[]), CAST(:cost AS float8[]),
                CAST(:epochs_total AS int[]), CAST(:configuration AS text[]), CAST(:first_seeds AS int[]))
         AS given(id, params, cost, epochs_total, configuration, first_seed)
    WHERE t.id = given.id
""")

REJECT = text(f"""
    UPDATE trials t
    SET state = 'infeasible', cost = 0, epochs_total = 0, {WITHOUT_LEASE}, finished_at = clock_timestamp(),
        reason = rejected.reason
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS rejected(id, reason)
    WHERE t.id = rejected.id
""")

COPY_RESULTS = text(f"""
    WITH copies AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:sources AS bigint[]), CAST(:reasons AS text[]))
             AS copy(id, source, reason)
    ), ended AS (
        UPDATE trials t
        SET state = 'complete', params = s.params, cost = s.cost, epochs_total = s.epochs_total,
            epochs_done = s.epochs_done, configuration = s.configuration, first_seed = s.first_seed, value = s.value,
            std = s.std, other_values = s.other_values, reason = copies.reason, circumstances = s.circumstances,
            devices = s.devices, worker_id = NULL, started_at = NULL, {WITHOUT_LEASE},  -- nobody trained it
            finished_at = clock_timestamp()
        FROM copies JOIN trials s ON s.id = copies.source WHERE t.id = copies.id
    ), copied_runs AS (
        INSERT INTO runs (trial_id, seed, state, value, error, seconds)
        SELECT copies.id, r.seed, r.state, r.value, r.error, r.seconds
        FROM copies JOIN runs r ON r.trial_id = copies.source
    ), copied_diagnostics AS (
        {copy_rows(Diagnostics, "copies AS copy")}
    )
    {copy_rows(Epoch, "copies AS copy")}
""")

# Cancels what has no parameters: all that wait, and of the running ones these held trials.
CANCEL_WITHOUT_PARAMS = text(f"""
    UPDATE trials SET {CANCELLED}
    WHERE sweep_id = :sweep AND params IS NULL AND (state = 'waiting' OR (state = 'running' AND (id, lease_token) IN (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])))))
""")
