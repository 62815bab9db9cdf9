"""The SQL of what is read of sweeps and trials, each row once at most."""

from sqlalchemy import TextClause, text

from app.domain.tasks.train_mlp import EPOCH_METRICS
from app.lifecycle.best import without_mean

# The seconds in which any of a sweep's trials was in training: pauses and nights without a worker don't count. A clock
# that was put back makes a trial take no time. A trial that ended at a rung was not in training when it ended.
# Each sweep's trials are looked for by themselves: those of several the planner would look for in the whole table.
TRAINED = text("""
    WITH periods AS (
        SELECT s.id AS sweep_id, s.earlier_legs + coalesce(of_trials.periods, '{}') AS trained
        FROM sweeps s, LATERAL (
            SELECT range_agg(
                tstzrange(t.started_at, greatest(t.started_at, coalesce(t.finished_at, clock_timestamp())))
            ) AS periods
            FROM trials t
            WHERE t.sweep_id = s.id AND t.state NOT IN ('waiting', 'cancelled') AND t.started_at IS NOT NULL
              AND NOT (t.state = 'pruned' AND t.rung_means <> '{}')
        ) AS of_trials
        WHERE s.id = ANY(:ids)
    )
    SELECT sweep_id,
           (SELECT sum(extract(epoch FROM upper(period) - lower(period))) FROM unnest(trained) AS period) AS seconds
    FROM periods
""")

# Means over a trial's runs, each after its last epoch.
LAST_METRICS = text(f"""
    SELECT trial_id, {", ".join(f"avg({name}) AS {name}" for name in EPOCH_METRICS)}
    FROM (
        SELECT DISTINCT ON (trial_id, seed) * FROM epochs WHERE trial_id = ANY(:ids)
        ORDER BY trial_id, seed, epoch DESC
    ) AS last GROUP BY trial_id
""")


def last_metric(name: str, trial: str) -> str:
    """The mean of a metric over a trial's runs, each after its last epoch: one step in the index for each."""
    return f"""(
        SELECT avg(last.{name}) FROM generate_series(
            {trial}.first_seed, {trial}.first_seed + (SELECT seeds FROM sweeps WHERE id = {trial}.sweep_id) - 1
        ) AS run(seed), LATERAL (
            SELECT e.{name} FROM epochs e WHERE e.trial_id = {trial}.id AND e.seed = run.seed
            ORDER BY e.epoch DESC LIMIT 1
        ) AS last
    )"""


# Whether a configuration has several trials.
HAS_REPEATS = text("""
    SELECT EXISTS (SELECT FROM trials WHERE sweep_id = :sweep GROUP BY configuration HAVING count(configuration) > 1)
""")

# Trials that took over the results of another one have its first seed; what was measured counts once. What has no mean
# comes last in both directions.
_CONFIGURATIONS = """
    WITH chosen AS (
        SELECT id, sweep_id, number, state, value, excluded, first_seed, started_at, finished_at{params}{is_first},
               coalesce(configuration, CAST(id AS text)) AS key FROM trials
        WHERE sweep_id = :sweep AND (CAST(:state AS text) IS NULL OR CAST(state AS text) = :state)
    ), measured AS (
        SELECT DISTINCT ON (key, first_seed) key, value, state = 'complete' AND NOT excluded AS counts
        FROM chosen ORDER BY key, first_seed, number
    ), configurations AS (
        SELECT key, min(number) AS number, {rank} AS rank
        FROM chosen JOIN (
            SELECT key, CASE WHEN key NOT IN ({without_mean})
                             THEN coalesce(avg(value) FILTER (WHERE counts), avg(value)) END AS value
            FROM measured GROUP BY key
        ) AS mean USING (key) GROUP BY key
    ), page AS (
        SELECT key, row_number() OVER (ORDER BY rank {direction} NULLS LAST, number) AS place
        FROM configurations ORDER BY rank {direction} NULLS LAST, number LIMIT :limit OFFSET :skip
    )
    SELECT id, place FROM (
        SELECT chosen.id, place - :skip AS place, number, row_number() OVER (PARTITION BY key ORDER BY number) AS member
        FROM page JOIN chosen USING (key)
    ) AS members WHERE member <= :members ORDER BY place, number
"""


# By what configurations are ordered, of all their trials.
_RANKS = {
    "number": "min(number)",
    "state": "min(state)",
    "started_at": "min(started_at)",
    "finished_at": "max(finished_at)",
    "value": "max(mean.value)",
    "seconds": "sum((SELECT sum(r.seconds) FROM runs r WHERE r.trial_id = chosen.id)) FILTER (WHERE is_first)",
}
# Of the trials of a configuration with one first seed, one that is not excluded where there is such a one.
_IS_FIRST = """, row_number() OVER (
    PARTITION BY coalesce(configuration, CAST(id AS text)), first_seed ORDER BY excluded, number
) = 1 AS is_first"""
_RANK_OF_PARAMETER = "(array_agg(CAST(params AS jsonb) -> :parameter ORDER BY number))[1]"


def configurations(order_by: str, metric: str = "") -> TextClause:
    """Selects the ids of a page of configurations' trials.

    `order_by` is a sortable column, perhaps behind a `-`, or `params.` for the hyperparameter `:parameter`; or it is by
    this metric, the name of a column.
    """
    direction = "DESC" if order_by.startswith("-") else "ASC"
    rank = _RANKS.get(order_by.removeprefix("-"), _RANK_OF_PARAMETER)
    if metric:
        rank = f"avg({last_metric(metric, 'chosen')}) FILTER (WHERE is_first AND NOT excluded)"
    params = ", params" if rank == _RANK_OF_PARAMETER else ""  # which take most of the room
    is_first = _IS_FIRST if "is_first" in rank else ""
    parts = {"rank": rank, "params": params, "is_first": is_first, "direction": direction}
    return text(_CONFIGURATIONS.format(**parts, without_mean=without_mean(":sweep")))
