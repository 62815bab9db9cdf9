"""The best configurations of a sweep with the values of all their runs, and why trials failed."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db.tables import Trial
from app.domain.states import TrialState
from app.lifecycle import best

ERRORS_READ, ERROR_LENGTH = 5_000, 500
RUNS_READ = 1_000  # of a configuration, those of the first seeds: further ones tell no more of its differences


class LeadingConfiguration(NamedTuple):
    """A configuration, by its first trial."""

    number: int
    params: Mapping[str, Any]
    runs: Mapping[int, float]
    """The values, by seed, over all its trials; of very many runs those of the first seeds."""
    run_seconds: float
    """Of one of these, on average."""


def leading_configurations(session: Session, sweep_id: int, count: int) -> list[LeadingConfiguration]:
    """The best configurations by the sweep's own rule, the best first."""
    ids = best.top_ids(session, sweep_id, count)
    rows = session.execute(_RUNS, {"ids": list(ids), "runs": RUNS_READ}).all()
    leaders = []
    for _, group in groupby(rows, lambda row: row.place):
        runs = list(group)
        values = {run.seed: run.value for run in runs}
        seconds = sum(run.seconds for run in runs) / len(runs)
        leaders.append(LeadingConfiguration(runs[0].number, runs[0].params, values, seconds))
    return leaders


def failed_errors(session: Session, sweep_id: int) -> list[str]:
    """Why each of the failed trials failed, of very many the first ones; of long errors the beginnings."""
    failed = select(func.left(Trial.error, ERROR_LENGTH)).where(
        Trial.sweep_id == sweep_id, Trial.state == TrialState.failed
    )
    return [error for error in session.scalars(failed.order_by(Trial.number).limit(ERRORS_READ)) if error]


# A trial that took over another one's results has its seeds, with equal values.
_RUNS = text("""
    SELECT leader.place, first.number, first.params, r.seed, r.value, r.seconds
    FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS leader(id, place)
    JOIN trials first ON first.id = leader.id
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (first_seed) id FROM (
            SELECT first.id, first.first_seed WHERE first.configuration IS NULL UNION ALL
            SELECT id, first_seed FROM trials
            WHERE sweep_id = first.sweep_id AND configuration = first.configuration
              AND state = 'complete' AND NOT excluded
        ) AS of_configuration ORDER BY first_seed, id
        LIMIT (SELECT greatest(1, :runs / seeds) FROM sweeps WHERE id = first.sweep_id)
    ) AS trial
    JOIN runs r ON r.trial_id = trial.id AND r.value IS NOT NULL
    ORDER BY leader.place, r.seed
""")
