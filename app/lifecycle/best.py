"""The best configuration of a sweep: the one definition by which all pages and files choose it.

A configuration's runs are those of all its trials: it may have been trained again with more seeds. Its mean and its
sample standard deviation are over all of them, each run once. Of equal ones the best is that of the lowest number.
docs/adr/0006-the-best-of-a-sweep.md.

All fragments here are of a statement that reads `sweeps s`.
"""

from sqlalchemy import BigInteger, Select, bindparam, select, text

from app.db.tables import Sweep

# Standard errors between the mean and a one-sided bound that holds for 95 %, where the mean is normal.
Z = 1.645

# Of a row that has value, std and runs.
_BOUND = f"value - CASE WHEN s.direction = 'maximize' THEN {Z} ELSE -{Z} END * std / sqrt(runs)"

# Of rows that have value, bound and number.
_BEST_FIRST = """
    CASE WHEN s.best_by = 'lower_bound' THEN bound IS NULL END,
    CASE WHEN s.direction = 'maximize' THEN -1 ELSE 1 END
        * CASE WHEN s.best_by = 'lower_bound' AND bound IS NOT NULL THEN bound ELSE value END,
    number
"""

# Whether trials must be pooled to configurations. A trial that was trained again has a first seed beyond the others':
# without one, and by the mean, trials are the configurations, and the best is the first entry of an index.
_MUST_POOL = "(s.best_by <> 'mean' OR EXISTS (SELECT FROM trials r WHERE r.sweep_id = s.id AND r.first_seed > 0))"

# The best trial, read from the end of ix_trials_best where the sweep's direction has it.
_BEST_TRIAL = f"""
    SELECT *, {_BOUND} AS bound
    FROM (
        (
            SELECT id, number, value, std, s.seeds AS runs FROM trials
            WHERE s.direction = 'maximize' AND NOT {_MUST_POOL}
              AND sweep_id = s.id AND state = 'complete' AND NOT excluded
            ORDER BY value DESC, number LIMIT 1
        ) UNION ALL (
            SELECT id, number, value, std, s.seeds AS runs FROM trials
            WHERE s.direction = 'minimize' AND NOT {_MUST_POOL}
              AND sweep_id = s.id AND state = 'complete' AND NOT excluded
            ORDER BY value, number LIMIT 1
        )
    ) AS best_trial
"""

# Every configuration, by its first trial. A trial that took over another one's results has its first seed too. A
# configuration of which a run diverged in one of its trials has no mean, as a trial has none:
# docs/adr/0003-diverged-trials.md.
_CONFIGURATIONS = f"""
    SELECT *, {_BOUND} AS bound
    FROM (
        SELECT min(trial.number) AS number, (array_agg(trial.id ORDER BY trial.number))[1] AS id,
               avg(trial.value) AS value, count(*) * s.seeds AS runs,
               CASE WHEN count(*) = 1 THEN min(trial.std)
                    ELSE sqrt(
                        ((s.seeds - 1) * sum(coalesce(trial.std ^ 2, 0)) + s.seeds * count(*) * var_pop(trial.value))
                        / (count(*) * s.seeds - 1)
                    ) END AS std
        FROM (
            SELECT DISTINCT ON (coalesce(configuration, CAST(id AS text)), first_seed)
                   coalesce(configuration, CAST(id AS text)) AS key, id, number, value, std
            FROM trials WHERE sweep_id = s.id AND state = 'complete' AND NOT excluded
            ORDER BY coalesce(configuration, CAST(id AS text)), first_seed, number
        ) AS trial
        WHERE NOT EXISTS (
            SELECT FROM trials d JOIN runs r ON r.trial_id = d.id AND r.state = 'diverged'
            WHERE d.sweep_id = s.id AND d.state = 'failed' AND NOT d.excluded AND d.configuration = trial.key
        )
        GROUP BY trial.key
    ) AS pooled
"""

_BEST_CONFIGURATION = f"""
    SELECT id, number, value, std, runs, bound FROM ({_BEST_TRIAL}) AS single
    UNION ALL (
        SELECT id, number, value, std, runs, bound FROM ({_CONFIGURATIONS}) AS configuration
        WHERE {_MUST_POOL} ORDER BY {_BEST_FIRST} LIMIT 1
    )
"""

# The best configuration of each sweep, by its first trial.
BEST = text(f"""
    SELECT s.id AS sweep_id, best.number, best.value, best.std, best.runs, best.bound, t.params,
           (SELECT avg(r.test_accuracy) FROM runs r WHERE r.trial_id = t.id) AS test_accuracy,
           EXISTS (SELECT FROM runs r WHERE r.trial_id = t.id AND r.weights IS NOT NULL) AS has_model
    FROM sweeps s, LATERAL ({_BEST_CONFIGURATION}) AS best JOIN trials t ON t.id = best.id
    WHERE s.id = ANY(:ids)
""")

# The best configurations of one sweep, by their first trials' ids.
TOP = text(f"""
    SELECT configuration.id FROM sweeps s, LATERAL ({_CONFIGURATIONS}) AS configuration
    WHERE s.id = :sweep ORDER BY {_BEST_FIRST} LIMIT :count
""")

_BEST_ID = f"SELECT best.id FROM sweeps s, LATERAL ({_BEST_CONFIGURATION}) AS best WHERE s.id = :sweep"


def best_trial_id(sweep: Sweep) -> Select[int]:
    """Selects the id of the best configuration's first trial; excluded trials don't count."""
    sweep_id = bindparam("sweep", sweep.id, BigInteger, unique=True)
    return select(text(_BEST_ID).bindparams(sweep_id).columns(id=BigInteger).subquery("best").c.id)
