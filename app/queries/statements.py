"""The SQL of what is read of sweeps and trials, each row once at most."""

from sqlalchemy import TextClause, text

from app.domain.comparisons.survivors import CONFIGURATIONS_A_PLACE
from app.domain.states import TrialState

_COUNTS = ", ".join(f"count(*) FILTER (WHERE t.state = '{state}') AS {state}" for state in TrialState)

# A trial whose parameters are not chosen yet is taken to cost the mean of those that are. What is to come includes the
# further seeds of survivors that are still to be found.
TOTALS = text(f"""
    WITH totals AS (
        SELECT t.sweep_id, {_COUNTS},
               count(*) FILTER (WHERE t.is_survivor) AS survivor_trials,
               count(*) FILTER (
                   WHERE NOT t.is_survivor AND t.first_seed = 0 AND t.continued_from IS NULL
                     AND t.state IN ('waiting', 'running', 'complete')
               ) AS candidates,
               CAST(sum(t.epochs_done) AS bigint) AS epochs_done,
               CASE WHEN bool_and(t.finished_at IS NOT NULL OR t.epochs_total IS NOT NULL)
                    THEN CAST(sum(CASE WHEN t.finished_at IS NULL THEN t.epochs_total ELSE t.epochs_done END) AS bigint)
               END AS epochs_total,
               coalesce(avg(t.cost) FILTER (WHERE t.state <> 'infeasible'), 1) AS mean_cost,
               coalesce(sum(t.cost), 0) AS cost,
               count(*) - count(t.cost) AS unknown,
               coalesce(sum(t.cost * work.share), 0) AS cost_done,
               coalesce(sum(work.share) FILTER (WHERE t.cost IS NULL), 0) AS unknown_done,
               coalesce(sum(t.cost * (1 - work.share)) FILTER (WHERE t.finished_at IS NULL), 0) AS cost_left,
               coalesce(sum(1 - work.share) FILTER (WHERE t.cost IS NULL AND t.finished_at IS NULL), 0) AS unknown_left
        FROM trials t, LATERAL (
            SELECT CASE WHEN t.finished_at IS NOT NULL AND t.state <> 'cancelled' THEN CAST(1 AS float8)
                        ELSE coalesce(t.epochs_done / CAST(t.epochs_total AS float8), 0) END AS share
        ) AS work
        WHERE t.sweep_id = ANY(:ids) GROUP BY t.sweep_id
    )
    SELECT t.*, coalesce((t.cost_done + t.unknown_done * t.mean_cost)
                         / nullif(t.cost + t.unknown * t.mean_cost + coming.cost, 0), 1) AS progress,
           t.cost_done + t.unknown_done * t.mean_cost AS work_done,
           t.cost_left + t.unknown_left * t.mean_cost + coming.cost AS work_left
    FROM totals t JOIN sweeps s ON s.id = t.sweep_id, LATERAL (
        SELECT CASE WHEN s.survivor_seeds IS NOT NULL AND s.state IN ('queued', 'running', 'paused')
                    THEN t.mean_cost * greatest(
                        ceil(t.candidates / CAST({CONFIGURATIONS_A_PLACE} AS float8))
                        * (s.survivor_seeds / s.seeds - 1) - t.survivor_trials, 0)
                    ELSE 0 END AS cost
    ) AS coming
""")

# The seconds in which any of a sweep's trials was in training: pauses and nights without a worker don't count. A clock
# that was put back makes a trial take no time. A trial that ended at a rung was not in training when it ended.
TRAINED = text("""
    WITH periods AS (
        SELECT s.id AS sweep_id, s.earlier_legs + coalesce(range_agg(
            tstzrange(t.started_at, greatest(t.started_at, coalesce(t.finished_at, clock_timestamp())))
        ) FILTER (WHERE t.id IS NOT NULL), '{}') AS trained
        FROM sweeps s LEFT JOIN trials t
          ON t.sweep_id = s.id AND t.state NOT IN ('waiting', 'cancelled') AND t.started_at IS NOT NULL
          AND NOT (t.state = 'pruned' AND t.rung_means <> '{}')
        WHERE s.id = ANY(:ids) GROUP BY s.id
    )
    SELECT sweep_id,
           (SELECT sum(extract(epoch FROM upper(period) - lower(period))) FROM unnest(trained) AS period) AS seconds
    FROM periods
""")

# Means over a trial's runs, each after its last epoch.
LAST_METRICS = text("""
    SELECT trial_id, avg(train_loss) AS train_loss, avg(train_accuracy) AS train_accuracy,
           avg(val_loss) AS val_loss, avg(val_accuracy) AS val_accuracy,
           avg(train_r2) AS train_r2, avg(train_mae) AS train_mae, avg(val_r2) AS val_r2, avg(val_mae) AS val_mae
    FROM (
        SELECT DISTINCT ON (trial_id, seed) * FROM epochs WHERE trial_id = ANY(:ids)
        ORDER BY trial_id, seed, epoch DESC
    ) AS last GROUP BY trial_id
""")

# Whether a configuration has several trials.
HAS_REPEATS = text("""
    SELECT EXISTS (SELECT FROM trials WHERE sweep_id = :sweep GROUP BY configuration HAVING count(configuration) > 1)
""")

# Trials that took over the results of another one have its first seed; their value counts once.
_CONFIGURATIONS = """
    WITH chosen AS (
        SELECT *, coalesce(configuration, CAST(id AS text)) AS key FROM trials
        WHERE sweep_id = :sweep AND (CAST(:state AS text) IS NULL OR CAST(state AS text) = :state)
    ), measured AS (
        SELECT DISTINCT ON (key, first_seed) key, value, state = 'complete' AND NOT excluded AS counts
        FROM chosen ORDER BY key, first_seed, number
    ), configurations AS (
        SELECT key, min(number) AS number, {rank} AS rank
        FROM chosen JOIN (
            SELECT key, coalesce(avg(value) FILTER (WHERE counts), avg(value)) AS value FROM measured GROUP BY key
        ) AS mean USING (key) GROUP BY key
    ), page AS (
        SELECT key, row_number() OVER (ORDER BY rank {direction} NULLS LAST, number) AS place
        FROM configurations ORDER BY rank {direction} NULLS LAST, number LIMIT :limit OFFSET :skip
    )
    SELECT chosen.id, place - :skip AS place FROM page JOIN chosen USING (key) ORDER BY place, number
"""


# By what configurations are ordered, of all their trials.
_RANKS = {
    "number": "min(number)",
    "state": "min(state)",
    "started_at": "min(started_at)",
    "finished_at": "max(finished_at)",
    "value": "max(mean.value)",
    "seconds": "sum((SELECT sum(r.seconds) FROM runs r WHERE r.trial_id = chosen.id))",
}
_RANK_OF_PARAMETER = "(array_agg(CAST(params AS jsonb) -> :parameter ORDER BY number))[1]"


def configurations(order_by: str) -> TextClause:
    """Selects the ids of a page of configurations' trials.

    `order_by` is a sortable column, perhaps behind a `-`, or `params.` for the hyperparameter `:parameter`.
    """
    direction = "DESC" if order_by.startswith("-") else "ASC"
    rank = _RANKS.get(order_by.removeprefix("-"), _RANK_OF_PARAMETER)
    return text(_CONFIGURATIONS.format(rank=rank, direction=direction))
