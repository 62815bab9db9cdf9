"""Survivors of a sweep that asks for it get further seeds: trials that the sweep queues by itself, as others end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.tables import Run, Sweep, SweepTotals, Trial
from app.domain.comparisons import survivors
from app.domain.comparisons.survivors import FirstResult
from app.domain.states import SweepState
from app.domain.sweep_limits import MAX_TRIALS

_OPEN_STATES = (SweepState.queued, SweepState.running, SweepState.paused)

# All complete trials are read to give places: of a large sweep not each time that one ends, but when so manieth part
# more is complete.
LOOKS = 100


def settle(session: Session, sweep_ids: Iterable[int], completed: int | None = None) -> None:
    """Queues the further seeds of those configurations of these locked sweeps whose turn it is.

    `completed`: how many trials of each this transaction has completed, where that is all that it has changed. Then
    places may wait for further ones to complete, or for the last one of all to end.
    """
    ids = [sweep_id for sweep_id in sweep_ids if session.get_one(Sweep, sweep_id).survivor_seeds is not None]
    if not ids:
        return
    live = SweepTotals.waiting + SweepTotals.running
    open_sweeps = select(Sweep, SweepTotals.complete, live).join(SweepTotals, SweepTotals.sweep_id == Sweep.id)
    open_sweeps = open_sweeps.where(Sweep.id.in_(ids), Sweep.state.in_(_OPEN_STATES))
    for sweep, n_complete, n_live in session.execute(open_sweeps.execution_options(populate_existing=True)).all():
        if completed is None or n_live == 0 or _is_due(n_complete, completed):
            _settle(session, sweep)


def further_first_seeds(sweep: Sweep) -> range:
    """The first seeds of the trials that a survivor gets, each with as many runs as any trial of the sweep."""
    return range(sweep.seeds, sweep.survivor_seeds or sweep.seeds, sweep.seeds)


def _is_due(complete: int, completed: int) -> bool:
    """Whether places are given where so many trials are complete, the last ones of them just now."""
    step = max(complete // LOOKS, 1)
    return complete // step > (complete - completed) // step


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


# A trial that goes on to more epochs is no further configuration: nobody asked for more seeds of it. What waits, which
# is most of a large sweep for long, is read in the order of its index, up to the first trial that counts.
_COUNTS = text("""
    SELECT (SELECT count(DISTINCT configuration) FROM trials
            WHERE sweep_id = :sweep AND state = 'complete' AND NOT excluded AND first_seed = 0
              AND continued_from IS NULL) AS configurations,
           (SELECT count(DISTINCT configuration) FROM trials
            WHERE sweep_id = :sweep AND first_seed > 0 AND is_survivor) AS survivors,
           (SELECT 1 FROM trials
            WHERE sweep_id = :sweep AND state <= 'running' AND NOT is_survivor AND continued_from IS NULL
            ORDER BY state LIMIT 1) IS NOT NULL AS more_will_end,
           waiting + running + complete + pruned + failed + cancelled + infeasible AS trials,
           (SELECT max(number) + 1 FROM trials WHERE sweep_id = :sweep) AS next_number
    FROM sweep_totals WHERE sweep_id = :sweep
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
