"""What the trials of sweeps come to: how many are in which state, and how much of their work is done.

Sums over trials that no worker holds are stored, and kept by triggers; those over running ones are made here. So
nobody reads more trials than are in training.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import func, literal, select, text
from sqlalchemy.orm import Session

from app.db.tables import SweepTotals
from app.domain.comparisons.survivors import CONFIGURATIONS_A_PLACE
from app.domain.states import TrialState

# The share of a trial's work that is done.
_SHARE = """CASE WHEN t.finished_at IS NOT NULL AND t.state <> 'cancelled' THEN CAST(1 AS float8)
                 ELSE coalesce(t.epochs_done / CAST(t.epochs_total AS float8), 0) END"""

_STORED_STATES = [state.value for state in TrialState if state != TrialState.running]

# What a trial counts for, by the column of `sweep_totals`; its triggers say the same, but for running trials.
_NUMBERS = {
    **{state: f"CAST(t.state = '{state}' AS int)" for state in _STORED_STATES},
    "survivor_trials": "CAST(t.is_survivor AS int)",
    "candidates": """CAST(NOT t.is_survivor AND t.first_seed = 0 AND t.continued_from IS NULL
                          AND t.state IN ('waiting', 'running', 'complete') AS int)""",
    "epochs_done": "t.epochs_done",
    "epochs_total": "CASE WHEN t.finished_at IS NULL THEN coalesce(t.epochs_total, 0) ELSE t.epochs_done END",
    "unknown": "CAST(t.cost IS NULL AS int)",
    "unknown_done": "CAST(t.cost IS NULL AND t.finished_at IS NOT NULL AND t.state <> 'cancelled' AS int)",
    "unknown_left": "CAST(t.cost IS NULL AND t.finished_at IS NULL AS int)",
    "feasible": "CAST(t.cost IS NOT NULL AND t.state <> 'infeasible' AS int)",
}
_COSTS = {
    "feasible_cost": "CASE WHEN t.state <> 'infeasible' THEN coalesce(CAST(t.cost AS numeric), 0) ELSE 0 END",
    "cost": "coalesce(CAST(t.cost AS numeric), 0)",
    "cost_done": f"coalesce(CAST(t.cost * {_SHARE} AS numeric), 0)",
    "cost_left": f"""CASE WHEN t.finished_at IS NULL THEN coalesce(CAST(t.cost * (1 - {_SHARE}) AS numeric), 0)
                          ELSE 0 END""",
}
_VALUES = _NUMBERS | _COSTS
_SUMS = ", ".join(f"sum({value}) AS {name}" for name, value in _VALUES.items())

# A trial whose parameters are not chosen yet is taken to cost the mean of those that are. What is to come includes the
# further seeds of survivors that are still to be found.
TOTALS = text(f"""
    WITH parts AS (
        SELECT sweep_id, 0 AS running, {", ".join(_VALUES)} FROM sweep_totals WHERE sweep_id = ANY(:ids)
        UNION ALL
        SELECT t.sweep_id, count(*), {_SUMS} FROM trials t
        WHERE t.sweep_id = ANY(:ids) AND t.state = 'running' GROUP BY t.sweep_id
    ), summed AS (
        SELECT sweep_id, {", ".join(f"CAST(sum({name}) AS bigint) AS {name}" for name in ("running", *_NUMBERS))},
               {", ".join(f"CAST(sum({name}) AS float8) AS {name}" for name in _COSTS)}
        FROM parts GROUP BY sweep_id
    ), totals AS (
        SELECT *, coalesce(feasible_cost / nullif(feasible, 0), 1) AS mean_cost FROM summed
    )
    SELECT t.sweep_id, {", ".join(f"t.{state}" for state in TrialState)}, t.survivor_trials, t.candidates,
           t.epochs_done, CASE WHEN t.unknown_left = 0 THEN t.epochs_total END AS epochs_total, t.mean_cost,
           coalesce((t.cost_done + t.unknown_done * t.mean_cost)
                    / nullif(t.cost + t.unknown * t.mean_cost + coming.cost, 0), 1) AS progress,
           t.cost_done + t.unknown_done * t.mean_cost AS work_done,
           t.cost_left + t.unknown_left * t.mean_cost + coming.cost AS work_left
    FROM totals t JOIN sweeps s ON s.id = t.sweep_id, LATERAL (
        SELECT CASE WHEN s.survivor_seeds IS NOT NULL AND s.state IN ('queued', 'running', 'paused')
                    THEN t.mean_cost * greatest(
                        ceil(t.candidates / CAST({CONFIGURATIONS_A_PLACE} AS float8))
                        * (s.survivor_seeds / s.seeds - 1) - t.survivor_trials, 0)
                    ELSE 0 END AS cost
    ) AS coming
""")

_BY_STATE = text(f"""
    SELECT {", ".join(f"CAST(coalesce(sum({state}), 0) AS bigint) AS {state}" for state in TrialState)}
    FROM sweep_totals
""")


def count_trials(session: Session, sweep_ids: Iterable[int]) -> int:
    """How many trials these sweeps have together, but for those that are running."""
    states = (getattr(SweepTotals, state) for state in _STORED_STATES)
    counts = select(func.sum(sum(states, literal(0)))).where(SweepTotals.sweep_id.in_(sweep_ids))
    return int(session.scalar(counts) or 0)


def trials_by_state(session: Session) -> Mapping[TrialState, int]:
    """How many trials of all sweeps are in each state."""
    row = session.execute(_BY_STATE).one()
    return {state: getattr(row, state) for state in TrialState}
