"""Stored totals beside what counting all rows gives, by a statement that has nothing of the one that keeps them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, text

_SHARE = """CASE WHEN t.state IN ('complete', 'pruned', 'failed', 'infeasible') THEN CAST(1 AS float8)
                 WHEN t.epochs_total IS NULL THEN 0 ELSE t.epochs_done / CAST(t.epochs_total AS float8) END"""

# A row a sweep: what is stored, and what its trials come to: without those that are running, and what claims look at.
BOTH = f"""
    SELECT s.id, to_jsonb(stored) - 'sweep_id' AS stored, to_jsonb(held_by_none) || to_jsonb(claimed_from) AS counted
    FROM sweeps s LEFT JOIN sweep_totals stored ON stored.sweep_id = s.id, LATERAL (
        SELECT count(*) FILTER (WHERE t.state = 'waiting') AS waiting,
               count(*) FILTER (WHERE t.state = 'complete') AS complete,
               count(*) FILTER (WHERE t.state = 'pruned') AS pruned,
               count(*) FILTER (WHERE t.state = 'failed') AS failed,
               count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE t.state = 'infeasible') AS infeasible,
               count(*) FILTER (WHERE t.is_survivor) AS survivor_trials,
               count(*) FILTER (
                   WHERE NOT t.is_survivor AND t.first_seed = 0 AND t.continued_from IS NULL
                     AND t.state IN ('waiting', 'complete')
               ) AS candidates,
               coalesce(sum(t.epochs_done), 0) AS epochs_done,
               coalesce(sum(t.epochs_total) FILTER (WHERE t.finished_at IS NULL), 0)
                   + coalesce(sum(t.epochs_done) FILTER (WHERE t.finished_at IS NOT NULL), 0) AS epochs_total,
               count(*) FILTER (WHERE t.params IS NULL) AS unknown,
               count(*) FILTER (WHERE t.params IS NULL AND t.finished_at IS NOT NULL AND t.state <> 'cancelled')
                   AS unknown_done,
               count(*) FILTER (WHERE t.params IS NULL AND t.finished_at IS NULL) AS unknown_left,
               count(t.cost) FILTER (WHERE t.state <> 'infeasible') AS feasible,
               coalesce(sum(CAST(t.cost AS numeric)) FILTER (WHERE t.state <> 'infeasible'), 0) AS feasible_cost,
               coalesce(sum(CAST(t.cost AS numeric)), 0) AS cost,
               coalesce(sum(CAST(t.cost * {_SHARE} AS numeric)), 0) AS cost_done,
               coalesce(sum(CAST(t.cost * (1 - {_SHARE}) AS numeric)) FILTER (WHERE t.finished_at IS NULL), 0)
                   AS cost_left
        FROM trials t WHERE t.sweep_id = s.id AND t.state <> 'running'
    ) AS held_by_none, LATERAL (
        SELECT count(*) FILTER (WHERE t.state = 'running') AS running,
               count(t.cost) FILTER (WHERE t.state = 'running') AS running_known,
               coalesce(sum(CAST(t.cost AS numeric)) FILTER (WHERE t.state = 'running'), 0) AS running_cost,
               count(*) FILTER (WHERE t.state = 'waiting' AND t.rung IS NULL) AS ready,
               count(t.cost) FILTER (WHERE t.state = 'waiting' AND t.rung IS NULL) AS ready_known,
               coalesce(sum(CAST(t.cost AS numeric)) FILTER (WHERE t.state = 'waiting' AND t.rung IS NULL), 0)
                   AS ready_cost,
               count(*) FILTER (WHERE t.state = 'waiting' AND t.rung IS NULL AND t.least_memory IS NULL)
                   AS ready_for_any
        FROM trials t WHERE t.sweep_id = s.id
    ) AS claimed_from
    ORDER BY s.id
"""


class WrongTotals(NamedTuple):
    """A sweep whose stored totals are not those of its trials."""

    sweep: int
    stored: Any
    counted: Any


def wrong_totals(engine: Engine) -> list[WrongTotals]:
    """Such sweeps, with what differs."""
    with engine.connect() as connection:
        return wrong_of(connection.execute(text(BOTH)).all())


def wrong_of(rows: Sequence[Any]) -> list[WrongTotals]:
    """Such sweeps among the rows of `BOTH`."""
    return [
        WrongTotals(row.id, row.stored and _differences(row.stored, row.counted), _differences(row.counted, row.stored))
        for row in rows
        if row.stored != row.counted
    ]


def _differences(values: dict[str, Any], others: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != (others or {}).get(name)}
