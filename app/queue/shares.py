"""Shares: what falls on a worker of what is left to do in a sweep, by how fast each of its workers trains."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.devices.products import EXACT
from app.lifecycle.claimable import PRODUCTS_SQL
from app.queue.statements import CLAIM_ORDER
from app.queue.workers import IS_LIVE_SQL, KIND_SQL

GUESSED_PART = 4  # a worker whose speed nobody can tell takes the fourth part of its share, and is measured meanwhile
MOST_LOOKED_AT = 4096  # of the next trials of a sweep, for the most expensive one
ALIKE = 1.5  # a speed within this factor of most others' counts as theirs: no two measurements are equal


@dataclass(frozen=True)
class Share:
    """A worker's share of a sweep."""

    mean_cost: float  # of a trial, which counts for one whose parameters are not known yet
    cost: float  # of what falls on the worker
    is_fitted: bool
    """Whether the worker takes trials that fit into its share before more expensive ones, which others end sooner."""
    is_guessed: bool
    """Whether devices differ, and neither the worker nor one with such a device was measured."""


def share_of(session: Session, sweep_id: int, sweeps: int, worker_id: UUID) -> Share:
    """The worker's share of a sweep, where the workers spread over so many.

    What others claim meanwhile changes little of it, so it is read before the sweep is locked.
    """
    row = session.execute(_SHARE, {"sweep": sweep_id, "sweeps": sweeps, "worker": worker_id}).one()
    cost = row.cost / GUESSED_PART if row.is_guessed else row.cost
    return Share(row.mean_cost, cost, row.most_cost > cost, row.is_guessed)


# Whose speed is the same: cards of one model, and processors of one machine with as many threads. A card is the
# quicker, the more networks it trains at once, so how quick it was says how large its share was: the greatest speed
# counts for all of them, else who began with a small share would keep it.
_LIKE_IT = f"workers.device, CASE WHEN {KIND_SQL} <> 'cuda' THEN workers.host || ' ' || workers.threads END"

# What falls on a worker that may train a sweep of what is left to do in it, as a cost. It is what each of so many equal
# parts has as these workers' speeds together are times its own; the speed of one that is not known is that of others
# with such a device. The workers spread over the sweeps that have something to claim, `sweeps` of them; two are counted
# for each at least, so that none takes all that is left of one while others run out of work. What is left is told by
# the stored totals; trials are looked at only where others are quicker, for the most that one of the next costs.
_SHARE = text(f"""
    WITH live AS MATERIALIZED (
        SELECT workers.id, workers.device, avg(nullif(workers.speed, 0)) OVER () AS mean_speed,
               coalesce(max(nullif(workers.speed, 0)) OVER (PARTITION BY {_LIKE_IT}),
                        avg(nullif(workers.speed, 0)) OVER (PARTITION BY workers.device)) AS measured_speed
        FROM workers JOIN sweeps s ON s.id = :sweep
        WHERE {IS_LIVE_SQL} AND NOT workers.draining AND (s.device IS NULL OR s.device = {KIND_SQL})
          AND {PRODUCTS_SQL} IN ('{EXACT}', workers.products)
    ), known AS MATERIALIZED (
        SELECT id, coalesce(measured_speed, mean_speed, 1) AS speed FROM live
    ), usual AS MATERIALIZED (
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY speed) AS speed FROM known
    ), weighted AS MATERIALIZED (
        SELECT known.id, CASE WHEN known.speed BETWEEN usual.speed / {ALIKE} AND usual.speed * {ALIKE}
                              THEN usual.speed ELSE known.speed END AS speed
        FROM known, usual
    ), own AS MATERIALIZED (
        SELECT coalesce((SELECT speed FROM weighted WHERE id = :worker), (SELECT speed FROM usual), 1) AS speed
    ), summed AS MATERIALIZED (
        SELECT count(*) AS live, sum(speed) AS speed, max(speed) AS most,
               least(count(*), greatest(2, (count(*) + :sweeps - 1) / :sweeps)) AS workers
        FROM weighted
    ), sharing AS MATERIALIZED (
        SELECT coalesce(summed.most > own.speed, false) AS is_slower,
               greatest(1, summed.speed / own.speed * summed.workers / nullif(summed.live, 0)) AS parts
        FROM own, summed
    ), work AS MATERIALIZED (
        -- of the one row of the sweep, unless it was deleted meanwhile
        SELECT coalesce(max(running + ready), 0) AS trials,
               coalesce(max(running_known + ready_known), 0) AS trials_with_cost,
               coalesce(max(CAST(running_cost + ready_cost AS float8)), 0) AS cost
        FROM sweep_totals WHERE sweep_id = :sweep
    ), known_work AS (
        SELECT *, coalesce(cost / nullif(trials_with_cost, 0), 1) AS mean_cost FROM work
    )
    SELECT mean_cost, (cost + (trials - trials_with_cost) * mean_cost) / parts AS cost,
           CASE WHEN is_slower THEN (
               SELECT coalesce(max(cost), 0) FROM (
                   SELECT cost FROM trials WHERE sweep_id = :sweep AND state = 'waiting' AND rung IS NULL
                   ORDER BY {CLAIM_ORDER} LIMIT {MOST_LOOKED_AT}
               ) AS next
           ) ELSE 0 END AS most_cost,
           (SELECT count(DISTINCT device) > 1 FROM live)
           AND EXISTS (SELECT FROM live WHERE id = :worker AND measured_speed IS NULL) AS is_guessed
    FROM known_work, sharing
""")
