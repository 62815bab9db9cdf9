"""Stored totals: what the trials of a sweep that no worker holds come to, kept by triggers with each change of them"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_STATES = ("waiting", "complete", "pruned", "failed", "cancelled", "infeasible")
_KNOWN = "t.cost IS NOT NULL"
_SHARE = """CASE WHEN t.finished_at IS NOT NULL AND t.state <> 'cancelled' THEN CAST(1 AS float8)
                 ELSE coalesce(t.epochs_done / CAST(t.epochs_total AS float8), 0) END"""

# What a trial adds to each column. Sums of costs are numeric: what was added to them is taken away to the last digit.
_NUMBERS = {
    **{state: f"CAST(t.state = '{state}' AS int)" for state in _STATES},
    "survivor_trials": "CAST(t.is_survivor AS int)",
    "candidates": """CAST(NOT t.is_survivor AND t.first_seed = 0 AND t.continued_from IS NULL
                          AND t.state IN ('waiting', 'complete') AS int)""",
    "epochs_done": "t.epochs_done",
    "epochs_total": "CASE WHEN t.finished_at IS NULL THEN coalesce(t.epochs_total, 0) ELSE t.epochs_done END",
    "unknown": "CAST(t.cost IS NULL AS int)",
    "unknown_done": "CAST(t.cost IS NULL AND t.finished_at IS NOT NULL AND t.state <> 'cancelled' AS int)",
    "unknown_left": "CAST(t.cost IS NULL AND t.finished_at IS NULL AS int)",
    "feasible": f"CAST({_KNOWN} AND t.state <> 'infeasible' AS int)",
}
_COSTS = {
    "feasible_cost": "CASE WHEN t.state <> 'infeasible' THEN coalesce(CAST(t.cost AS numeric), 0) ELSE 0 END",
    "cost": "coalesce(CAST(t.cost AS numeric), 0)",
    "cost_done": f"coalesce(CAST(t.cost * {_SHARE} AS numeric), 0)",
    "cost_left": f"""CASE WHEN t.finished_at IS NULL THEN coalesce(CAST(t.cost * (1 - {_SHARE}) AS numeric), 0)
                          ELSE 0 END""",
}
_VALUES = _NUMBERS | _COSTS

_READ = """sweep_id, state, is_survivor, first_seed, continued_from, finished_at, epochs_done, epochs_total, cost
    FROM {rows} WHERE state <> 'running'"""
_ADDED = f"SELECT 1 AS sign, {_READ.format(rows='new_trials')}"
_REMOVED = f"SELECT -1 AS sign, {_READ.format(rows='old_trials')}"

# What these rows change of the totals of their sweeps, in one statement: most change nothing, as those of running
# trials whose epochs are recorded. A sweep that is deleted has none any more.
_APPLY = f"""
    UPDATE sweep_totals s SET {", ".join(f"{name} = s.{name} + d.{name}" for name in _VALUES)}
    FROM (
        SELECT t.sweep_id, {", ".join(f"sum(t.sign * {value}) AS {name}" for name, value in _VALUES.items())}
        FROM ({{rows}}) AS t GROUP BY t.sweep_id
    ) AS d
    WHERE s.sweep_id = d.sweep_id
      AND ({", ".join(f"d.{name}" for name in _VALUES)}) <> ({", ".join("0" for _ in _VALUES)});
"""
_EVENTS = {
    "INSERT": ("NEW TABLE AS new_trials", _ADDED),
    "DELETE": ("OLD TABLE AS old_trials", _REMOVED),
    "UPDATE": ("NEW TABLE AS new_trials OLD TABLE AS old_trials", f"{_ADDED} UNION ALL {_REMOVED}"),
}

_COUNT_ALL = f"""
    INSERT INTO sweep_totals (sweep_id, {", ".join(_VALUES)})
    SELECT s.id, {", ".join(f"coalesce(sum({value}), 0)" for value in _VALUES.values())}
    FROM sweeps s LEFT JOIN trials t ON t.sweep_id = s.id AND t.state <> 'running' GROUP BY s.id
"""


def upgrade() -> None:
    numbers = [sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in _NUMBERS]
    costs = [sa.Column(name, sa.Numeric(), server_default=sa.text("0"), nullable=False) for name in _COSTS]
    op.create_table(
        "sweep_totals",
        sa.Column("sweep_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        *numbers,
        *costs,
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], ondelete="CASCADE"),
    )
    op.execute("ALTER TABLE sweep_totals SET (fillfactor = 50)")  # each change writes the row anew: beside the old one
    # until the end of this migration who writes waits, some seconds for a million trials; who reads does not
    op.execute("LOCK TABLE sweeps, trials IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_COUNT_ALL)
    _function("begin_totals", "INSERT INTO sweep_totals (sweep_id) VALUES (NEW.id);")
    op.execute("CREATE TRIGGER totals AFTER INSERT ON sweeps FOR EACH ROW EXECUTE FUNCTION begin_totals()")
    for event, (tables, rows) in _EVENTS.items():
        name = f"count_trials_{event.lower()}"
        _function(name, _APPLY.format(rows=rows))
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON trials REFERENCING {tables} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION {name}()"
        )


def _function(name: str, body: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")


def downgrade() -> None:
    op.execute("DROP TRIGGER totals ON sweeps")
    op.execute("DROP FUNCTION begin_totals()")
    for event in _EVENTS:
        name = f"count_trials_{event.lower()}"
        op.execute(f"DROP TRIGGER {name} ON trials")
        op.execute(f"DROP FUNCTION {name}()")
    op.drop_table("sweep_totals")
