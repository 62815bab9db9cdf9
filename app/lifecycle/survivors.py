"""Survivors of a sweep that asks for it get further seeds: trials that the sweep queues by itself, as others end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.tables import Run, Sweep, Trial
from app.domain.comparisons import survivors
from app.domain.comparisons.survivors import FirstResult
from app.domain.states import SweepState
from app.domain.sweep_limits import MAX_TRIALS

_OPEN_STATES = (SweepState.queued, SweepState.running, SweepState.paused)


def settle(session: Session, sweep_ids: Iterable[int]) -> None:
    """Queues the further seeds of those configurations of these locked sweeps whose turn it is."""
    ids = [sweep_id for sweep_id in sweep_ids if session.get_one(Sweep, sweep_id).survivor_seeds is not None]
    with_survivors = select(Sweep).where(Sweep.id.in_(ids), Sweep.state.in_(_OPEN_STATES))
    if not ids:
        return
    for sweep in session.scalars(with_survivors.execution_options(populate_existing=True)).all():
        _settle(session, sweep)


def further_first_seeds(sweep: Sweep) -> range:
    """The first seeds of the trials that a survivor gets, each with as many runs as any trial of the sweep."""
    return range(sweep.seeds, sweep.survivor_seeds or sweep.seeds, sweep.seeds)


def _settle(session: Session, sweep: Sweep) -> None:
    counts = session.execute(_COUNTS, {"sweep": sweep.id}).one()
    places = survivors.places(counts.configurations, is_final=not counts.more_will_end)
    if counts.survivors >= places:
        return
    sign = -1 if sweep.first_objective.maximize else 1
    rows = session.execute(_BEST, {"sweep": sweep.id, "sign": sign, "places": places}).all()
    best = _first_results(session, sweep, rows)
    first_seeds = {row.trial_id: set(row.first_seeds) for row in rows}
    next_number, room = counts.next_number, MAX_TRIALS - counts.trials
    for result in survivors.next_survivors(sweep.first_objective, best, places - counts.survivors):
        seeds = [seed for seed in further_first_seeds(sweep) if seed not in first_seeds[result.trial_id]]
        if len(seeds) > room:
            break
        _queue(session, result.trial_id, next_number, seeds)
        next_number, room = next_number + len(seeds), room - len(seeds)


def _first_results(session: Session, sweep: Sweep, rows: Sequence[Row[Any]]) -> list[FirstResult]:
    """The rows of _BEST as results, with their runs where there are several to compare."""
    runs: dict[int, dict[int, float]] = {row.trial_id: {} for row in rows}
    if sweep.seeds > 1:
        columns = select(Run.trial_id, Run.seed, Run.value)  # of a large sweep tens of thousands
        for trial_id, seed, value in session.execute(columns.where(Run.trial_id.in_(runs), Run.value.is_not(None))):
            runs[trial_id][seed] = value or 0.0
    wanted_seeds = set(further_first_seeds(sweep))
    return [_first_result(row, runs, wanted_seeds) for row in rows]


def _first_result(row: Row[Any], runs: Mapping[int, Mapping[int, float]], wanted_seeds: set[int]) -> FirstResult:
    return FirstResult(row.trial_id, row.value, runs[row.trial_id], wanted_seeds <= set(row.first_seeds))


def _queue(session: Session, trial_id: int, next_number: int, first_seeds: Iterable[int]) -> None:
    """Adds a trial of this one's configuration for each of these first seeds."""
    trial = session.get_one(Trial, trial_id)
    session.add_all(
        trial_rows.rerun_of(trial, number, first_seed, is_survivor=True)
        for number, first_seed in enumerate(first_seeds, start=next_number)
    )
    session.flush()


# A trial that goes on to more epochs is no further configuration: nobody asked for more seeds of it.
_COUNTS = text("""
    SELECT count(DISTINCT configuration) FILTER (
               WHERE state = 'complete' AND NOT excluded AND first_seed = 0 AND continued_from IS NULL
           ) AS configurations,
           count(DISTINCT configuration) FILTER (WHERE is_survivor) AS survivors,
           coalesce(bool_or(state IN ('waiting', 'running') AND NOT is_survivor AND continued_from IS NULL), false)
               AS more_will_end,
           count(*) AS trials, coalesce(max(number) + 1, 0) AS next_number
    FROM trials WHERE sweep_id = :sweep
""")

# The best configurations by their first seeds, each by its first trial, with the first seeds of its further trials.
_BEST = text("""
    SELECT id AS trial_id, value, ARRAY(
        SELECT f.first_seed FROM trials f
        WHERE f.sweep_id = :sweep AND f.configuration = best.configuration AND f.first_seed > 0
    ) AS first_seeds
    FROM (
        SELECT * FROM (
            SELECT DISTINCT ON (configuration) id, number, value, configuration FROM trials
            WHERE sweep_id = :sweep AND state = 'complete' AND NOT excluded AND first_seed = 0
              AND continued_from IS NULL
            ORDER BY configuration, number
        ) AS first ORDER BY CAST(:sign AS int) * value, number LIMIT :places
    ) AS best ORDER BY CAST(:sign AS int) * value, number
""")
