"""Totals for claims: what of a sweep is in training and what waits for a worker, kept by the triggers of stored totals"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_IS_READY = "t.state = 'waiting' AND t.rung IS NULL"
_HAS_COST = "t.cost IS NOT NULL"


def _cost_where(condition: str) -> str:
    return f"CASE WHEN {condition} THEN coalesce(CAST(t.cost AS numeric), 0) ELSE 0 END"


_NEW_NUMBERS = {
    "running": "CAST(t.state = 'running' AS int)",
    "running_known": f"CAST(t.state = 'running' AND {_HAS_COST} AS int)",
    "ready": f"CAST({_IS_READY} AS int)",
    "ready_known": f"CAST({_IS_READY} AND {_HAS_COST} AS int)",
    "ready_for_any": f"CAST({_IS_READY} AND t.least_memory IS NULL AS int)",
}
_NEW_COSTS = {
    "running_cost": _cost_where("t.state = 'running'"),
    "ready_cost": _cost_where(_IS_READY),
}
_NEW_VALUES = _NEW_NUMBERS | _NEW_COSTS

_SHARE = """CASE WHEN t.finished_at IS NOT NULL AND t.state <> 'cancelled' THEN CAST(1 AS float8)
                 ELSE coalesce(t.epochs_done / CAST(t.epochs_total AS float8), 0) END"""

# What 0025 made: of trials that no worker holds.
_STATES = ("waiting", "complete", "pruned", "failed", "cancelled", "infeasible")
_OLD_VALUES = {
    **{state: f"CAST(t.state = '{state}' AS int)" for state in _STATES},
    "survivor_trials": "CAST(t.is_survivor AS int)",
    "candidates": """CAST(NOT t.is_survivor AND t.first_seed = 0 AND t.continued_from IS NULL
                          AND t.state IN ('waiting', 'complete') AS int)""",
    "epochs_done": "t.epochs_done",
    "epochs_total": "CASE WHEN t.finished_at IS NULL THEN coalesce(t.epochs_total, 0) ELSE t.epochs_done END",
    "unknown": "CAST(t.cost IS NULL AS int)",
    "unknown_done": "CAST(t.cost IS NULL AND t.finished_at IS NOT NULL AND t.state <> 'cancelled' AS int)",
    "unknown_left": "CAST(t.cost IS NULL AND t.finished_at IS NULL AS int)",
    "feasible": f"CAST({_HAS_COST} AND t.state <> 'infeasible' AS int)",
    "feasible_cost": _cost_where("t.state <> 'infeasible'"),
    "cost": "coalesce(CAST(t.cost AS numeric), 0)",
    "cost_done": f"coalesce(CAST(t.cost * {_SHARE} AS numeric), 0)",
    "cost_left": f"""CASE WHEN t.finished_at IS NULL THEN coalesce(CAST(t.cost * (1 - {_SHARE}) AS numeric), 0)
                          ELSE 0 END""",
}

_COLUMNS = """sweep_id, state, is_survivor, first_seed, continued_from, finished_at, epochs_done, epochs_total, cost, rung,
    least_memory"""
_ADDED = f"SELECT 1 AS sign, {_COLUMNS} FROM new_trials"
_REMOVED = f"SELECT -1 AS sign, {_COLUMNS} FROM old_trials"
_EVENTS = {"insert": [_ADDED], "delete": [_REMOVED], "update": [_ADDED, _REMOVED]}

_COUNT = f"""
    UPDATE sweep_totals s SET {", ".join(f"{name} = d.{name}" for name in _NEW_VALUES)}
    FROM (
        SELECT t.sweep_id, {", ".join(f"sum({value}) AS {name}" for name, value in _NEW_VALUES.items())}
        FROM trials t WHERE t.state IN ('waiting', 'running') GROUP BY t.sweep_id
    ) AS d
    WHERE s.sweep_id = d.sweep_id
"""


def upgrade() -> None:
    for name in _NEW_NUMBERS:
        op.add_column("sweep_totals", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for name in _NEW_COSTS:
        op.add_column("sweep_totals", sa.Column(name, sa.Numeric(), server_default=sa.text("0"), nullable=False))
    # until the end of this migration who writes waits, as long as it takes to read what waits and runs
    op.execute("LOCK TABLE sweeps, trials IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_COUNT)
    of_held = {name: f"CASE WHEN t.state <> 'running' THEN {value} ELSE 0 END" for name, value in _OLD_VALUES.items()}
    for event, parts in _EVENTS.items():
        _function(event, of_held | _NEW_VALUES, parts)


def downgrade() -> None:
    for event, parts in _EVENTS.items():
        _function(event, _OLD_VALUES, [f"{part} WHERE state <> 'running'" for part in parts])
    for name in _NEW_VALUES:
        op.drop_column("sweep_totals", name)


def _function(event: str, values: dict[str, str], parts: list[str]) -> None:
    """Adds what these rows change to the totals of their sweeps; most change nothing, as those whose epochs are recorded."""
    body = f"""
        UPDATE sweep_totals s SET {", ".join(f"{name} = s.{name} + d.{name}" for name in values)}
        FROM (
            SELECT t.sweep_id, {", ".join(f"sum(t.sign * {value}) AS {name}" for name, value in values.items())}
            FROM ({" UNION ALL ".join(parts)}) AS t GROUP BY t.sweep_id
        ) AS d
        WHERE s.sweep_id = d.sweep_id
          AND ({", ".join(f"d.{name}" for name in values)}) <> ({", ".join("0" for _ in values)});
    """
    op.execute(
        f"CREATE OR REPLACE FUNCTION count_trials_{event}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body} RETURN NULL; END $$"
    )
