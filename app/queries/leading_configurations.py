"""The best configurations of a sweep with the values of all their runs, and why trials failed."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db.tables import Trial
from app.domain.states import TrialState
from app.lifecycle import best


class LeadingConfiguration(NamedTuple):
    """A configuration, by its first trial."""

    number: int
    params: Mapping[str, Any]
    runs: Mapping[int, float]
    """The values, by seed, over all its trials."""
    run_seconds: float
    """Of a run, on average."""


def leading_configurations(session: Session, sweep_id: int, count: int) -> list[LeadingConfiguration]:
    """The best configurations by the sweep's own rule, the best first."""
    ids = best.top_ids(session, sweep_id, count)
    rows = session.execute(_RUNS, {"ids": list(ids)}).all()
    leaders = []
    for _, group in groupby(rows, lambda row: row.place):
        runs = list(group)
        values = {run.seed: run.value for run in runs}
        seconds = sum(run.seconds for run in runs) / len(runs)
        leaders.append(LeadingConfiguration(runs[0].number, runs[0].params, values, seconds))
    return leaders


def failed_errors(session: Session, sweep_id: int) -> list[str]:
    """Why each of the failed trials failed."""
    failed = select(Trial.error).where(Trial.sweep_id == sweep_id, Trial.state == TrialState.failed)
    return [error for error in session.scalars(failed) if error]


# A trial that took over another one's results has its seeds, with equal values.
_RUNS = text("""
    SELECT leader.place, first.number, first.params, r.seed, r.value, r.seconds
    FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS leader(id, place)
    JOIN trials first ON first.id = leader.id
    CROSS JOIN LATERAL (
        SELECT first.id UNION
        SELECT t.id FROM trials t WHERE t.sweep_id = first.sweep_id AND t.configuration = first.configuration
                                    AND t.state = 'complete' AND NOT t.excluded
    ) AS trial
    JOIN runs r ON r.trial_id = trial.id AND r.value IS NOT NULL
    ORDER BY leader.place, r.seed
""")
