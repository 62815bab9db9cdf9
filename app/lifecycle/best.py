"""Which configuration of a sweep is the best.

A configuration's runs are those of all its trials: it may have been trained again with more seeds. Its mean and its
sample standard deviation are over all of them, each run once. docs/adr/0006-the-best-of-a-sweep.md.
"""

from sqlalchemy import BigInteger, Select, bindparam, select, text

from app.db.tables import Sweep

# of a one-sided bound that holds for 95 % where the mean is normal
Z = 1.645

_BOUND = f"{{value}} - CASE WHEN s.direction = 'maximize' THEN {Z} ELSE -{Z} END * {{std}} / sqrt({{runs}})"

# A trial that was trained again has a first seed beyond the others': without one, and by the mean, trials are the
# configurations, and the best is the first entry of an index.
_POOLED = "(s.best_by <> 'mean' OR EXISTS (SELECT FROM trials r WHERE r.sweep_id = s.id AND r.first_seed > 0))"

_SINGLE = " UNION ALL ".join(
    f"""
    (SELECT id, number, value, std, s.seeds AS runs, {_BOUND.format(value="value", std="std", runs="s.seeds")} AS bound
     FROM trials WHERE s.direction = '{direction}' AND NOT {_POOLED} AND sweep_id = s.id AND state = 'complete'
     AND NOT excluded ORDER BY value{order}, number LIMIT 1)
    """
    for direction, order in (("maximize", " DESC"), ("minimize", ""))
)

# A trial that took over another one's results has its first seed too. A configuration of which a run diverged in one of
# its trials has no mean, as a trial has none: docs/adr/0003-diverged-trials.md.
_CONFIGURATIONS = f"""
    SELECT *, {_BOUND.format(value="pool.value", std="pool.std", runs="pool.runs")} AS bound
    FROM (
        SELECT min(one.number) AS number, (array_agg(one.id ORDER BY one.number))[1] AS id, avg(one.value) AS value,
               count(*) * s.seeds AS runs,
               CASE WHEN count(*) = 1 THEN min(one.std)
                    ELSE sqrt(((s.seeds - 1) * sum(coalesce(one.std ^ 2, 0)) + s.seeds * count(*) * var_pop(one.value))
                              / (count(*) * s.seeds - 1)) END AS std
        FROM (
            SELECT DISTINCT ON (coalesce(configuration, CAST(id AS text)), first_seed)
                   coalesce(configuration, CAST(id AS text)) AS key, id, number, value, std
            FROM trials WHERE sweep_id = s.id AND state = 'complete' AND NOT excluded
            ORDER BY coalesce(configuration, CAST(id AS text)), first_seed, number
        ) AS one
        WHERE NOT EXISTS (
            SELECT FROM trials d JOIN runs r ON r.trial_id = d.id AND r.state = 'diverged'
            WHERE d.sweep_id = s.id AND d.state = 'failed' AND NOT d.excluded AND d.configuration = one.key
        )
        GROUP BY one.key
    ) AS pool
"""
_ORDER = """
    CASE WHEN s.best_by = 'lower_bound' THEN bound IS NULL END,
    CASE WHEN s.direction = 'maximize' THEN -1 ELSE 1 END
        * CASE WHEN s.best_by = 'lower_bound' AND bound IS NOT NULL THEN bound ELSE value END,
    number
"""

_OF_EACH = f"""
    {_SINGLE} UNION ALL (
        SELECT id, number, value, std, runs, bound FROM ({_CONFIGURATIONS}) AS known WHERE {_POOLED}
        ORDER BY {_ORDER} LIMIT 1
    )
"""

# The best configuration of each sweep, by its first trial.
BEST = text(f"""
    SELECT s.id AS sweep_id, best.number, best.value, best.std, best.runs, best.bound, t.params,
           (SELECT avg(r.test_accuracy) FROM runs r WHERE r.trial_id = t.id) AS test_accuracy,
           EXISTS (SELECT FROM runs r WHERE r.trial_id = t.id AND r.weights IS NOT NULL) AS has_model
    FROM sweeps s, LATERAL ({_OF_EACH}) AS best JOIN trials t ON t.id = best.id
    WHERE s.id = ANY(:ids)
""")

# The best configurations of one sweep, by their first trials' ids.
TOP = text(f"""
    SELECT known.id FROM sweeps s, LATERAL ({_CONFIGURATIONS}) AS known WHERE s.id = :sweep
    ORDER BY {_ORDER} LIMIT :k
""")

_BEST_ID = f"SELECT best.id FROM sweeps s, LATERAL ({_OF_EACH}) AS best WHERE s.id = :sweep"


def best_trial_id(sweep: Sweep) -> Select[int]:
    """The id of the best configuration's first trial; excluded trials don't count."""
    one = bindparam("sweep", sweep.id, BigInteger, unique=True)
    return select(text(_BEST_ID).bindparams(one).columns(id=BigInteger).subquery("best").c.id)
