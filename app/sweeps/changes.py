"""Changes of a sweep that exists: its words and priority, its budget, a wider space."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.tables import Sweep, Trial
from app.domain.people.log_events import LogEvent
from app.domain.sampling import traits_of
from app.domain.space import Space, growth, parse_space
from app.domain.states import TrialState
from app.errors import ConflictError, FieldError, InvalidError
from app.lifecycle import sweep_log, sweep_row
from app.schemas import SweepPatch
from app.sweeps import body_checks

MAX_CHANGE_LENGTH = 200  # characters of a value before and after, as the log has them
_SAME_COLUMNS = {"name", "notes", "tags", "priority", "keep_models", "device"}  # fields of a body that are columns


def change(session: Session, sweep_id: int, body: SweepPatch) -> Sweep:
    """The sweep with the body's fields changed, all or none. An ended one that has more to do goes on.

    Raises InvalidError for a space that is not wider and for a budget below what has started, and ConflictError for
    more to do in a sweep that is stopping.
    """
    fields = body.model_fields_set
    body_checks.check_text(body.model_dump(include={"name", "notes"} & fields))
    wider_space = None
    if "space" in fields and body.space != (sweep := sweep_row.get(session, sweep_id)).space:
        wider_space = _WiderSpace(sweep, body.space)  # before the lock: the cells of a large grid take seconds
    sweep = sweep_row.get(session, sweep_id, lock=True)
    earlier = _settings(session, sweep)
    new_trials = 0 if wider_space is None else _widen(session, sweep, wider_space)
    new_trials += _resize(session, sweep, body.n_trials) if "n_trials" in fields else 0
    for name in fields & _SAME_COLUMNS:
        setattr(sweep, name, getattr(body, name))
    if "stop" in fields:
        sweep.stop_rules = {} if body.stop is None else body.stop.model_dump(exclude_none=True)
    if new_trials:
        sweep_row.reopen(session, sweep)
    if fields:
        session.flush()
        _note(session, sweep, earlier)
        sweep_row.touch(session, sweep)
    return sweep


def _settings(session: Session, sweep: Sweep) -> dict[str, Any]:
    """What a change may change, as the log names it."""
    n_trials = session.scalars(select(func.count()).where(Trial.sweep_id == sweep.id)).one()
    values = {name: getattr(sweep, name) for name in sorted(_SAME_COLUMNS)}
    return values | {"stop": sweep.stop_rules, "space": sweep.space, "trials": n_trials}


def _note(session: Session, sweep: Sweep, earlier: Mapping[str, Any]) -> None:
    """Logs what is not as it was, if anything."""
    changed = {name: value for name, value in _settings(session, sweep).items() if value != earlier[name]}
    if changed:
        words = "; ".join(_change_text(name, earlier[name], value) for name, value in changed.items())
        sweep_log.note(session, sweep.id, LogEvent.changed, f"Changed {words}")


def _change_text(name: str, old: object, new: object) -> str:
    """`priority 0 to 5`; of what is long only the name."""
    old_text, new_text = (json.dumps(value, ensure_ascii=False) for value in (old, new))
    return name if len(old_text) + len(new_text) > MAX_CHANGE_LENGTH else f"{name} {old_text} to {new_text}"


class _WiderSpace:
    """A wider space of a sweep, checked, and the cells of its grid with all that is stored of them."""

    def __init__(self, sweep: Sweep, raw: dict[str, Any]) -> None:
        """Raises InvalidError where it is not wider, or can't be searched."""
        self.raw, self.space, self.old_raw = raw, parse_space(raw, sweep.task), sweep.space
        constraints = body_checks.check_sizes(self.space, sweep.constraints, sweep.dataset_info, sweep.seeds)
        growth.check_wider(parse_space(sweep.space, sweep.task), self.space)
        self.cells: list[trial_rows.NewTrial] = []
        if traits_of(sweep.sampler).enumerates:
            self.space.grid_size()
            cells = list(self.space.grid())
            self.cells = trial_rows.new_trials(sweep, cells, constraints.broken_by_all(cells))


def _widen(session: Session, sweep: Sweep, wider_space: _WiderSpace) -> int:
    """Sets the space and adds the new cells of a grid; returns how many of them are feasible.

    Trials so far get the values that they had of hyperparameters that it names anew. Raises ConflictError where
    another call has changed the space meanwhile.
    """
    if sweep.space != wider_space.old_raw:
        raise ConflictError(f"The space of sweep {sweep.id} was changed by another call meanwhile: try again.")
    _fill_params(session, sweep, wider_space.space)
    sweep.space = wider_space.raw
    configurations = set(session.scalars(select(Trial.configuration).where(Trial.sweep_id == sweep.id)))
    cells = [cell for cell in wider_space.cells if cell.configuration not in configurations]
    _add_trials(session, sweep, len(cells), cells)
    return sum(cell.reason is None for cell in cells)


def _fill_params(session: Session, sweep: Sweep, space: Space) -> None:
    """Gives the trials so far what they lack in the new space; the configuration that they stand for is the same."""
    rows = session.execute(select(Trial.id, Trial.params).where(Trial.sweep_id == sweep.id, Trial.params.is_not(None)))
    filled = ((row, growth.fill_with_defaults(space, row.params)) for row in rows)
    params_by_id = {row.id: params for row, params in filled if params != row.params}
    if params_by_id:
        texts = [json.dumps(params) for params in params_by_id.values()]
        session.execute(_SET_PARAMS, {"ids": list(params_by_id), "params": texts})


def _resize(session: Session, sweep: Sweep, n_trials: int) -> int:
    """Adds trials and returns how many, or removes ones that have not started: the latest first, the user's own last.

    Raises InvalidError where fewer can't be.
    """
    counted = select(func.count()).where(
        Trial.sweep_id == sweep.id, Trial.state != TrialState.infeasible, ~Trial.is_survivor
    )
    count = session.scalars(counted).one()
    if n_trials != count and traits_of(sweep.sampler).enumerates:
        message = f"is {count} here, the number of cells: change the space to add cells, or clone the sweep"
        raise _budget_error(message, "A grid is every cell once.")
    if n_trials >= count:
        _add_trials(session, sweep, n_trials - count)
        return n_trials - count
    removed = len(session.execute(_REMOVE, {"sweep": sweep.id, "count": count - n_trials}).all())
    if removed < count - n_trials:
        message = f"must be at least {count - removed}: so many trials have started"
        raise _budget_error(message, "Trials that have started stay.")
    return 0


def _add_trials(session: Session, sweep: Sweep, count: int, cells: Sequence[trial_rows.NewTrial] = ()) -> None:
    if count:
        first = sweep_row.next_number(session, sweep, count)
        trial_rows.insert_trials(session, sweep.id, range(first, first + count), cells)


def _budget_error(message: str, detail: str) -> InvalidError:
    return InvalidError(detail, [FieldError(("n_trials",), message)])


_SET_PARAMS = text("""
    UPDATE trials SET params = CAST(filled.params AS json)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:params AS text[])) AS filled(id, params)
    WHERE trials.id = filled.id
""")

_REMOVE = text("""
    DELETE FROM trials WHERE id IN (
        SELECT id FROM trials
        WHERE sweep_id = :sweep AND state IN ('waiting', 'cancelled') AND started_at IS NULL AND attempt = 0
          AND NOT is_survivor AND history = '[]' AND rung_means = '{}' AND epochs_trained = 0
        ORDER BY enqueued, number DESC LIMIT :count
    ) RETURNING id
""")
