"""What a sampler is shown: the trials of a sweep as observations, and how many of them."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from sqlalchemy import case, func, select, text
from sqlalchemy.orm import Session

from app.db.tables import Epoch, Sweep, Trial
from app.db.tables.trials import ON_LAST_ATTEMPT
from app.domain.comparisons.pareto import fronts
from app.domain.configuration import MLPConfig
from app.domain.objectives import Objective
from app.domain.pruning.rungs import ladder
from app.domain.sampling import traits_of
from app.domain.space import Constant, parse_space
from app.domain.space.membership import contains
from app.domain.states import LIVE_TRIALS, TrialState
from app.domain.sweep_setup import SweepSetup
from app.lifecycle.best import without_mean
from app.lifecycle.rungs import halving_pruner, max_epochs

# Ended trials that a sampler is shown at most; all, where none is named. An ask of TPE costs 0.1 ms for each of them,
# one of a Gaussian process far more: docs/adr/0005-asking-ahead.md has the measurements.
MAX_HISTORY = {"tpe": 256, "gp": 96}
BEST_PART = 4  # of these so manieth part are the best ones, and the others the newest


class Observation(NamedTuple):
    """A trial as a sampler sees it."""

    number: int
    state: str
    """One of `TrialState`."""
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()
    """Of the sweep's objectives, in their order; none where the trial has no value."""
    excluded: bool = False
    """Whether it is left out of what the sampler learns from."""
    epoch: int = 0
    """After which a pruned trial had its value; 0 where its curve was not kept."""


class History(NamedTuple):
    """What is known of a sweep when its sampler is asked: of trials with parameters that were not cancelled."""

    shown_trials: Sequence[Observation]
    """At least those that its sampler is shown, by number."""
    running: int
    ready: int
    """Those that wait."""
    ended: int
    """Those that were trained to their end, or failed."""


def read_history(session: Session, sweep: SweepSetup) -> History:
    """The history of a sweep, of which no more is read than its sampler is shown where that can be told beforehand."""
    if not _shows_few(sweep):
        return _history(observations(session, sweep.id))
    sign, max_ended = -1 if sweep.first_objective.maximize else 1, MAX_HISTORY[sweep.sampler["name"]]
    limits = {"shown": max_ended, "best": max_ended // BEST_PART}
    rows = session.execute(_SHOWN, limits | {"sweep": sweep.id, "sign": sign}).all()
    if rows[0].any_special:
        return _history(observations(session, sweep.id))
    shown_trials = [
        Observation(row.number, row.state, row.params, () if row.value is None else (row.value,))
        for row in rows
        if row.number is not None
    ]
    return History(shown_trials, rows[0].running, rows[0].ready, rows[0].ended)


def _shows_few(sweep: SweepSetup) -> bool:
    """Whether its sampler is shown some of many trials, and nothing else depends on the others."""
    if sweep.sampler["name"] not in MAX_HISTORY or traits_of(sweep.sampler).complete_only:  # these have stand-ins
        return False
    return sweep.pruner is None and sweep.repeats != "forbid" and not sweep.objectives


def _history(trials: Sequence[Observation]) -> History:
    states = [trial.state for trial in trials]
    ended = sum(state not in {*LIVE_TRIALS, TrialState.infeasible} for state in states)
    return History(trials, states.count(TrialState.running), states.count(TrialState.waiting), ended)


def observations(session: Session, sweep_id: int) -> list[Observation]:
    """All trials with parameters, by number, but those that were cancelled.

    One that has come to a rung and may go on is seen as if it had been pruned there: that is what is known of it. One
    that was trained longer than the space says is left out: the sampler can't name it. A survivor is seen once, with
    the mean over its first and its further seeds, or as failed where one of these diverged.
    """
    last_epoch = select(func.max(Epoch.epoch)).where(Epoch.trial_id == Trial.id).scalar_subquery()
    pruned_at = case((Trial.state == TrialState.pruned, last_epoch)).label("pruned_at")
    columns = (Trial.number, Trial.state, Trial.params, Trial.value, Trial.other_values, Trial.excluded)
    origin = (Trial.continued_from, Trial.configuration, Trial.is_survivor)
    rungs = (Trial.bracket, Trial.rung_means)
    query = select(*columns, *origin, *rungs, pruned_at).where(
        Trial.sweep_id == sweep_id, Trial.params.is_not(None), Trial.state != TrialState.cancelled
    )
    rows = session.execute(query.order_by(Trial.number)).all()
    unsearched = _unsearched_configurations(session, sweep_id, rows)
    rows = [row for row in rows if row.configuration not in unsearched]
    survivor_values, diverged = _survivor_values(rows), _diverged_survivors(session, sweep_id, rows)
    rows = [row for row in rows if not row.is_survivor]
    at_rungs = [row for row in rows if row.rung_means and row.state in LIVE_TRIALS]
    epochs = _rung_epochs(session, sweep_id, at_rungs) if at_rungs else {}
    return [
        _with_further_seeds(
            _observation(row, epochs.get(row.number)),
            survivor_values.get(row.configuration, []),
            has_diverged=row.configuration in diverged,
        )
        for row in rows
    ]


def truncate_history(
    trials: Sequence[Observation], max_ended: int | None, objectives: Sequence[Objective]
) -> list[Observation]:
    """All trials that are live, and at most so many that have ended, in their order.

    Those are the best quarter of them, with several objectives the whole Pareto front, and the newest of the others.
    None: all of them.
    """
    ended = [trial for trial in trials if trial.state not in LIVE_TRIALS]
    if max_ended is None or len(ended) <= max_ended:
        return list(trials)
    best_numbers = _best_numbers([trial for trial in ended if trial.values], max_ended, objectives)
    rest_numbers = [trial.number for trial in ended if trial.number not in best_numbers]
    shown_numbers = best_numbers | set(rest_numbers[len(rest_numbers) - max_ended + len(best_numbers) :])
    return [trial for trial in trials if trial.number in shown_numbers or trial.state in LIVE_TRIALS]


def best_first(trials: Iterable[Observation], objective: Objective) -> list[Observation]:
    """Trials that have values, the best first: complete ones, then pruned ones, of which the deepest come first."""

    def rank(trial: Observation) -> tuple[object, ...]:
        pruned = trial.state == TrialState.pruned
        return pruned, -trial.epoch if pruned else 0, objective.rank(trial.values[0], trial.number)

    return sorted(trials, key=rank)


def _best_numbers(trials: Sequence[Observation], max_ended: int, objectives: Sequence[Objective]) -> set[int]:
    """Numbers of the best quarter; of the whole Pareto front where that is more."""
    size = max_ended // BEST_PART
    if len(objectives) == 1:
        return {trial.number for trial in best_first(trials, objectives[0])[:size]}
    ordered: list[Observation] = []
    for indices in fronts([trial.values for trial in trials], [objective.maximize for objective in objectives]):
        size = max(size, len(indices)) if not ordered else size
        ordered += best_first([trials[index] for index in indices], objectives[0])
        if len(ordered) >= size:
            break
    return {trial.number for trial in ordered[: min(size, max_ended)]}


def _survivor_values(rows: Iterable[Any]) -> dict[str, list[tuple[float, ...]]]:
    """The values of the further seeds of each survivor, by configuration."""
    values: dict[str, list[tuple[float, ...]]] = {}
    for row in rows:
        if row.is_survivor and row.state == TrialState.complete and not row.excluded:
            values.setdefault(row.configuration, []).append((row.value, *(row.other_values or ())))
    return values


def _diverged_survivors(session: Session, sweep_id: int, rows: Iterable[Any]) -> set[str]:
    """The configurations of survivors that have no mean, as a further run of theirs diverged."""
    failed = {row.configuration for row in rows if row.is_survivor and row.state == TrialState.failed}
    return failed & {*session.scalars(_WITHOUT_MEAN, {"sweep": sweep_id})} if failed else set()


def _with_further_seeds(
    trial: Observation, further_values: Sequence[tuple[float, ...]], *, has_diverged: bool
) -> Observation:
    """The trial with the mean over all its seeds: all its configuration's trials have as many."""
    if trial.state == TrialState.complete and has_diverged:
        return trial._replace(state=TrialState.failed, values=())
    if trial.state != TrialState.complete or not further_values:
        return trial
    return trial._replace(values=tuple(map(fmean, zip(trial.values, *further_values, strict=True))))


def _unsearched_configurations(session: Session, sweep_id: int, rows: Iterable[Any]) -> set[str]:
    """The configurations of trials that were trained longer than the space says."""
    longer_trials = [row for row in rows if row.continued_from is not None]
    if not longer_trials:
        return set()
    sweep = session.get_one(Sweep, sweep_id)
    epochs = parse_space(sweep.space, sweep.task).domains.get("epochs", Constant(MLPConfig.epochs))
    return {row.configuration for row in longer_trials if not contains(epochs, row.params["epochs"])}


def _rung_epochs(session: Session, sweep_id: int, rows: Iterable[Any]) -> dict[int, int]:
    """The epochs of the last rungs that these trials have reached, by number."""
    sweep = session.get_one(Sweep, sweep_id)
    halving = halving_pruner(sweep)
    if halving is None:
        return {}
    longest = max_epochs(sweep)
    return {row.number: ladder(halving, row.bracket, longest).epoch_at(len(row.rung_means) - 1) for row in rows}


def _observation(row: Any, rung_epoch: int | None) -> Observation:
    if rung_epoch is not None:
        mean = row.rung_means[-1]
        return Observation(row.number, TrialState.pruned, row.params, (mean,), row.excluded, rung_epoch)
    values = () if row.value is None else (row.value, *(row.other_values or ()))
    return Observation(row.number, row.state, row.params, values, row.excluded, row.pruned_at or 0)


_WITHOUT_MEAN = text(without_mean(":sweep"))

# What `truncate_history` leaves of the trials of a sweep: the live ones, and of those that have ended the best and the
# newest; in each row also how many there are. Special are trials that `observations` sees otherwise than they stand, or
# not at all. Of those that wait the ones with parameters are found by their costs, in each part of ix_trials_waiting.
_IS_SPECIAL = "is_survivor OR continued_from IS NOT NULL OR state = 'pruned' OR rung_means <> '{}'"
_SHOWN = text(f"""
    WITH ended AS MATERIALIZED (
        SELECT id, number, state, value, excluded, {_IS_SPECIAL} AS is_special FROM trials
        WHERE sweep_id = :sweep AND state IN ('complete', 'pruned', 'failed', 'infeasible') AND params IS NOT NULL
    ), live AS MATERIALIZED (
        SELECT id, state, excluded, {_IS_SPECIAL} AS is_special FROM trials
        WHERE sweep_id = :sweep AND state = 'running' AND params IS NOT NULL
        UNION ALL
        SELECT ready.* FROM (VALUES (true, true), (true, false), (false, true), (false, false)) AS part(last, asked),
            LATERAL (
                SELECT id, state, excluded, {_IS_SPECIAL} AS is_special FROM trials
                WHERE sweep_id = :sweep AND state = 'waiting' AND rung IS NULL
                  AND ({ON_LAST_ATTEMPT}) = part.last AND enqueued = part.asked AND cost IS NOT NULL
            ) AS ready
    ), best AS MATERIALIZED (
        SELECT id FROM ended WHERE value IS NOT NULL AND NOT excluded
        ORDER BY CAST(:sign AS int) * value, number LIMIT :best
    ), newest AS MATERIALIZED (
        SELECT id FROM ended WHERE NOT excluded AND id NOT IN (SELECT id FROM best)
        ORDER BY number DESC LIMIT CAST(:shown AS bigint) - (SELECT count(*) FROM best)
    ), shown AS (
        SELECT id FROM best UNION ALL SELECT id FROM newest UNION ALL SELECT id FROM live WHERE NOT excluded
    ), counts AS (
        SELECT (SELECT count(*) FROM live WHERE state = 'running') AS running,
               (SELECT count(*) FROM live WHERE state = 'waiting') AS ready,
               (SELECT count(*) FROM ended WHERE state <> 'infeasible') AS ended,
               EXISTS (SELECT FROM ended WHERE is_special) OR EXISTS (SELECT FROM live WHERE is_special)
               OR EXISTS (
                   SELECT FROM trials WHERE sweep_id = :sweep AND state = 'waiting'
                     AND (rung_means <> '{{}}' OR epochs_trained > 0)
               ) AS any_special
    )
    SELECT counts.*, t.number, t.state, t.params, t.value
    FROM counts LEFT JOIN (trials t JOIN shown ON shown.id = t.id) ON true ORDER BY t.number
""")
