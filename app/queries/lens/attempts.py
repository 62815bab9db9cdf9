"""The attempts at a sweep's trials, with the workers that made them: the last of each, and those that were lost."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.charts.rows import AttemptRow
from app.queries.binary import read_binary


def attempt_rows(session: Session, sweep_id: int, *, waits_at_rungs: bool) -> list[AttemptRow]:
    """All attempts that have begun, of running trials until now; waits_at_rungs: whether trials of the sweep do."""
    parameters = {"sweep": sweep_id, "waits_at_rungs": waits_at_rungs}
    return [AttemptRow(*row) for row in read_binary(session, _ATTEMPTS, parameters)]


def without_names(attempts: Sequence[AttemptRow]) -> list[AttemptRow]:
    """The same with numbers in the place of the workers' hosts and processes."""
    numbers: dict[str, int] = {}
    return [item._replace(worker=f"worker {numbers.setdefault(item.worker, len(numbers) + 1)}") for item in attempts]


# Not in training when they ended were trials that ended at a rung, and those that were cancelled while they waited: of
# these only attempts that were lost are counted. The history of a retried one has those of before too, so that it is
# asked only where there were legs. A lost attempt that an older version noted may lack its times.
_ATTEMPTS = """
    WITH attempts AS (
        SELECT number, worker_id, started_at, coalesce(finished_at, clock_timestamp()) AS ended_at,
               CAST(state AS text) AS state, '' AS reason
        FROM trials WHERE sweep_id = %(sweep)s AND started_at IS NOT NULL AND state NOT IN ('waiting', 'infeasible')
          AND NOT (state = 'pruned' AND %(waits_at_rungs)s)
          AND (state <> 'cancelled' OR attempt > CASE WHEN rung_means <> '{}' OR epochs_trained > 0
                                                     THEN jsonb_array_length(history) ELSE 0 END)
        UNION ALL
        SELECT number, CAST(lost ->> 'worker' AS uuid), CAST(lost ->> 'started_at' AS timestamptz),
               CAST(lost ->> 'ended_at' AS timestamptz), 'lost', lost ->> 'reason'
        FROM trials, jsonb_array_elements(history) AS lost WHERE sweep_id = %(sweep)s AND history <> '[]'
    )
    SELECT number, coalesce(host || ', process ' || pid, 'unknown worker'), a.started_at,
           greatest(a.started_at, a.ended_at), a.state, a.reason
    FROM attempts a LEFT JOIN workers ON workers.id = a.worker_id
    WHERE a.started_at IS NOT NULL AND a.ended_at IS NOT NULL ORDER BY a.started_at, number
"""
