"""The best configuration of a sweep: the one definition by which all pages and files choose it.

A configuration's runs are those of all its trials: it may have been trained again with more seeds. Its mean and its
sample standard deviation are over all of them, each run once. The best is that of the best mean as far as that is no
luck, unless the sweep asks for another rule; of equal ones that of the lowest number.
docs/adr/0009-the-best-is-expected.md.

All fragments here but `without_mean` are of a statement that reads `sweeps s`.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, Select, TextClause, bindparam, select, text
from sqlalchemy.orm import Session

from app.db.tables import Sweep

# Standard errors between the mean and a one-sided bound that holds for 95 %, where the mean is normal.
Z = 1.645

# The standard deviation of a trial's runs. Less is none: Postgres raises an error where a square is too small a number.
_STD = "CASE WHEN std < 1e-100 THEN 0 ELSE std END AS std"

# Of a row that has value, std and runs.
_BOUND = f"value - CASE WHEN s.direction = 'maximize' THEN {Z} ELSE -{Z} END * std / sqrt(runs)"

# Of rows that have value, std and runs: the mean of all, the variance between them, the variance of one run, to which
# all that ran more than once contribute, and the share of it that their means have.
_POPULATION = """
    avg(value) {over} AS center, var_samp(value) {over} AS variance,
    sum((runs - 1) * std ^ 2) {over} / nullif(sum(runs - 1) {over}, 0) AS noise,
    avg(1 / CAST(runs AS float8)) {over} AS share
"""

# Of a row that has value and runs, beside those: its mean, moved towards that of all as far as it is luck. Null where
# nothing ran more than once, since then nothing is known of luck.
_SPREAD = "greatest(coalesce(variance, 0) - noise * share, 0)"
_EXPECTED = f"""
    CASE WHEN noise IS NOT NULL
         THEN center + (value - center) * coalesce({_SPREAD} / nullif({_SPREAD} + noise / runs, 0), 1) END
"""

# Of rows that have value, bound, expected, runs, center and number. Where all differences look like luck every
# configuration is expected to have the same value: then the better ones with more runs come first.
_BEST_FIRST = """
    CASE WHEN s.best_by = 'lower_bound' THEN bound IS NULL END,
    CASE WHEN s.direction = 'maximize' THEN -1 ELSE 1 END
        * CASE s.best_by WHEN 'lower_bound' THEN coalesce(bound, value)
                         WHEN 'expected' THEN coalesce(expected, value) ELSE value END,
    CASE WHEN s.direction = 'maximize' THEN -1 ELSE 1 END
        * CASE WHEN s.best_by = 'expected' THEN runs * (value - center) END,
    number
"""

# Whether trials must be pooled to configurations. A trial that was trained again has a first seed beyond the others':
# without one trials are the configurations, all with as many runs, and the best but by the bound is that of the best
# mean, the first entry of an index.
_MUST_POOL = """
    (s.best_by = 'lower_bound' OR EXISTS (SELECT FROM trials r WHERE r.sweep_id = s.id AND r.first_seed > 0))
"""

# The best trial, read from the end of ix_trials_best where the sweep's direction has it.
_BEST_TRIAL = f"""
    (
        SELECT id, number, value, {_STD}, s.seeds AS runs FROM trials
        WHERE s.direction = 'maximize' AND NOT {_MUST_POOL}
          AND sweep_id = s.id AND state = 'complete' AND NOT excluded
        ORDER BY value DESC, number LIMIT 1
    ) UNION ALL (
        SELECT id, number, value, {_STD}, s.seeds AS runs FROM trials
        WHERE s.direction = 'minimize' AND NOT {_MUST_POOL}
          AND sweep_id = s.id AND state = 'complete' AND NOT excluded
        ORDER BY value, number LIMIT 1
    )
"""

# The same beside all complete configurations, which are read for it where anything ran more than once: else nothing is
# known of luck, and nothing is expected. Where results are reused a configuration may have several trials.
_JUDGED_BEST_TRIAL = f"""
    SELECT best_trial.*, {_BOUND} AS bound, {_EXPECTED} AS expected
    FROM ({_BEST_TRIAL}) AS best_trial, LATERAL (
        SELECT {_POPULATION.format(over="")}
        FROM (
            (
                SELECT value, {_STD}, s.seeds AS runs FROM trials
                WHERE s.seeds > 1 AND s.repeats <> 'reuse' AND sweep_id = s.id AND state = 'complete' AND NOT excluded
            ) UNION ALL (
                SELECT DISTINCT ON (coalesce(configuration, CAST(id AS text))) value, {_STD}, s.seeds AS runs
                FROM trials
                WHERE s.seeds > 1 AND s.repeats = 'reuse' AND sweep_id = s.id AND state = 'complete' AND NOT excluded
                ORDER BY coalesce(configuration, CAST(id AS text)), number
            )
        ) AS complete
    ) AS population
"""


def without_mean(sweep: str) -> str:
    """Selects the configurations that have no mean, of the sweep whose id this is in a statement.

    A run of theirs diverged, in whichever of their trials: docs/adr/0003-diverged-trials.md.
    """
    return f"""
        SELECT d.configuration FROM trials d JOIN runs r ON r.trial_id = d.id AND r.state = 'diverged'
        WHERE d.sweep_id = {sweep} AND d.state = 'failed' AND NOT d.excluded AND d.configuration IS NOT NULL
    """


def _pooled(condition: str = "true") -> str:
    """Selects every configuration that has a mean and trials of which this holds, by its first trial.

    A trial that took over another one's results has its first seed too.
    """
    return f"""
    SELECT trial.key, min(trial.number) AS number, (array_agg(trial.id ORDER BY trial.number))[1] AS id,
           avg(trial.value) AS value, count(*) * s.seeds AS runs,
           CASE WHEN count(*) = 1 THEN min(trial.std)
                ELSE sqrt(
                    ((s.seeds - 1) * sum(coalesce(trial.std ^ 2, 0)) + s.seeds * count(*) * var_pop(trial.value))
                    / (count(*) * s.seeds - 1)
                ) END AS std
    FROM (
        SELECT DISTINCT ON (coalesce(configuration, CAST(id AS text)), first_seed)
               coalesce(configuration, CAST(id AS text)) AS key, id, number, value, {_STD}
        FROM trials WHERE sweep_id = s.id AND state = 'complete' AND NOT excluded AND {condition}
        ORDER BY coalesce(configuration, CAST(id AS text)), first_seed, number
    ) AS trial
    WHERE NOT EXISTS (SELECT FROM ({without_mean("s.id")}) AS d WHERE d.configuration = trial.key)
    GROUP BY trial.key
    """


# All of them, each beside the others.
_CONFIGURATIONS = f"""
    SELECT *, {_BOUND} AS bound, {_EXPECTED} AS expected
    FROM (SELECT *, {_POPULATION.format(over="OVER ()")} FROM ({_pooled()}) AS pooled) AS beside_all
"""


def _best_configuration(columns: str, best_trial: str) -> str:
    """These columns of the best configuration, which is the best trial where nothing is pooled."""
    return f"""
        SELECT {columns} FROM ({best_trial}) AS single
        UNION ALL (
            SELECT {columns} FROM ({_CONFIGURATIONS}) AS configuration
            WHERE {_MUST_POOL} ORDER BY {_BEST_FIRST} LIMIT 1
        )
    """


_JUDGED = _best_configuration("id, number, value, std, runs, bound, expected", _JUDGED_BEST_TRIAL)
_IDENTIFIED = _best_configuration("id, number, value", _BEST_TRIAL)

# The best configuration of each sweep, by its first trial.
BEST = text(f"""
    SELECT s.id AS sweep_id, best.number, best.value, best.expected, best.std, best.runs, best.bound, t.params,
           tested.*,
           EXISTS (SELECT FROM runs r WHERE r.trial_id = t.id AND r.weights IS NOT NULL) AS has_model
    FROM sweeps s, LATERAL ({_JUDGED}) AS best JOIN trials t ON t.id = best.id, LATERAL (
        SELECT avg(test_accuracy) AS test_accuracy, avg(test_r2) AS test_r2, avg(test_mae) AS test_mae
        FROM runs WHERE trial_id = t.id
    ) AS tested
    WHERE s.id = ANY(:ids)
""")


def _leading(direction: str, order: str) -> str:
    """Selects the best configurations of a sweep of this direction by their first trials, where nothing is pooled.

    They are read from the end of ix_trials_best. Of trials with one configuration the first counts, and none where a
    run of any of them diverged.
    """
    return f"""
        SELECT t.id, row_number() OVER (ORDER BY t.value {order}, t.number) AS place FROM trials t
        WHERE s.direction = '{direction}' AND NOT {_MUST_POOL}
          AND t.sweep_id = s.id AND t.state = 'complete' AND NOT t.excluded
          AND (
              SELECT bool_or(twin.state = 'complete' AND twin.number < t.number OR twin.state = 'failed'
                             AND EXISTS (SELECT FROM runs r WHERE r.trial_id = twin.id AND r.state = 'diverged'))
              FROM trials twin
              WHERE twin.sweep_id = s.id AND twin.configuration = t.configuration AND NOT twin.excluded
          ) IS NOT TRUE
        ORDER BY t.value {order}, t.number LIMIT :count
    """


# The best configurations of one sweep, by their first trials' ids.
_TOP = text(f"""
    SELECT top.id FROM sweeps s, LATERAL (
        ({_leading("maximize", "DESC")}) UNION ALL ({_leading("minimize", "ASC")}) UNION ALL (
            SELECT id, row_number() OVER (ORDER BY {_BEST_FIRST}) AS place FROM ({_CONFIGURATIONS}) AS configuration
            WHERE {_MUST_POOL} ORDER BY place LIMIT :count
        )
    ) AS top WHERE s.id = :sweep ORDER BY top.place
""")

# The best configuration of one sweep: id and number of its first trial, and the mean over all its runs.
IDENTIFIED_BEST = text(f"SELECT best.* FROM sweeps s, LATERAL ({_IDENTIFIED}) AS best WHERE s.id = :sweep")

# The value of the best configuration of each sweep that has one.
BEST_VALUES = text(f"""
    SELECT s.id AS sweep_id, best.value FROM sweeps s, LATERAL ({_IDENTIFIED}) AS best WHERE s.id = ANY(:ids)
""")


_LEADING = 32  # trials of the best values, with whose configurations others are compared before all are read


def _count_ahead(order: str, is_better: str) -> TextClause:
    """How many configurations are ahead of each trial that ends with such a value, of those of the leading trials.

    One is ahead whose mean is better, or equal with a lower number: it has as many runs at least, so no more of its
    mean is luck. Where the best is that of the best bound none is ahead, since nothing is said without the spread.
    """
    return text(f"""
        WITH leaders AS MATERIALIZED (
            SELECT configuration FROM trials WHERE sweep_id = :sweep AND state = 'complete' AND NOT excluded
            ORDER BY value {order} LIMIT {_LEADING}
        ), means AS MATERIALIZED (
            SELECT pooled.* FROM sweeps s, LATERAL (
                {_pooled("configuration IN (SELECT configuration FROM leaders)")}
            ) AS pooled WHERE s.id = :sweep
        )
        SELECT t.id, CASE WHEN s.best_by = 'lower_bound' THEN 0 ELSE (
            SELECT count(*) FROM means
            WHERE means.key <> coalesce(t.configuration, CAST(t.id AS text))
              AND (means.value {is_better} ended.value OR means.value = ended.value AND means.number < t.number)
        ) END AS ahead
        FROM unnest(CAST(:ids AS bigint[]), CAST(:values AS float8[])) AS ended(id, value)
        JOIN trials t ON t.id = ended.id AND t.finished_at IS NULL JOIN sweeps s ON s.id = t.sweep_id
    """)


# By whether larger values are better; both orders are those of ix_trials_best.
_COUNT_AHEAD = {True: _count_ahead("DESC", ">"), False: _count_ahead("ASC", "<")}


def count_ahead(session: Session, sweep: Sweep, values: Mapping[int, float]) -> dict[int, int]:
    """How many configurations are ahead of each trial that is about to end with such a value, as a few of them tell.

    None is ahead of the best. What is behind `n` others is not among the best `n`, unless these are worse than the mean
    of all. No more is read of a large sweep than of a small one. A trial that has ended already is left out.
    """
    parameters = {"sweep": sweep.id, "ids": list(values), "values": list(values.values())}
    rows = session.execute(_COUNT_AHEAD[sweep.first_objective.maximize], parameters)
    return {row.id: row.ahead for row in rows}


def top_ids(session: Session, sweep_id: int, count: int) -> Sequence[int]:
    """The ids of the first trials of so many best configurations, the best first.

    No more is read of a large sweep than of a small one, but where trials must be pooled.
    """
    return session.scalars(_TOP, {"sweep": sweep_id, "count": count}).all()


def best_trial_id(sweep: Sweep) -> Select[int]:
    """Selects the id of the best configuration's first trial; excluded trials don't count."""
    sweep_id = bindparam("sweep", sweep.id, BigInteger, unique=True)
    columns = text(IDENTIFIED_BEST.text).bindparams(sweep_id).columns(id=BigInteger)
    return select(columns.subquery("best").c.id)
