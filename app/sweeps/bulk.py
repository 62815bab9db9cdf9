"""One call for several sweeps: each changes or refuses by itself, and tells which."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.engine import transaction
from app.domain.states import TrialState
from app.domain.sweep_limits import MAX_TAGS
from app.errors import ConflictError, PerceptuneError
from app.lifecycle import sweep_log, sweep_row
from app.schemas import SweepPatch
from app.sweeps import changes, deletion, trial_actions

Call = Literal["pause", "resume", "continue", "stop", "cancel", "delete", "tag", "untag"]
CALLS: tuple[Call, ...] = get_args(Call)
MAX_SWEEPS = 500  # of one call; the framework reads 1,000 fields of a form

# What takes a call back; a deletion can't be.
UNDO: dict[Call, Call] = {
    "pause": "resume",
    "resume": "pause",
    "stop": "continue",
    "cancel": "continue",
    "tag": "untag",
    "untag": "tag",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one sweep."""

    sweep_id: int
    name: str
    """Empty where there is no such sweep."""
    changed: bool
    """Whether it is other than before."""
    refusal: str = ""
    """Why it is not, in a sentence; empty where it was so already."""


def act(
    engine: Engine, sweep_ids: Sequence[int], call: Call, tag: str = "", *, caller: str | None = None
) -> list[Outcome]:
    """What became of each sweep, in the order of their numbers; their logs name the caller.

    Each is a transaction of its own: one that refuses does not hold up the others, and no lock is held for all.
    """
    return [_outcome(engine, sweep_id, call, tag, caller) for sweep_id in sorted(set(sweep_ids))]


def _outcome(engine: Engine, sweep_id: int, call: Call, tag: str, caller: str | None) -> Outcome:
    name = ""
    try:
        with transaction(engine) as session:
            sweep_log.set_caller(session, caller)
            sweep = sweep_row.get(session, sweep_id, lock=True)
            name, revision = sweep.name, sweep.revision
            _ACTIONS[call](session, sweep_id, tag)
            changed = call == "delete" or sweep.revision != revision
    except PerceptuneError as error:
        return Outcome(sweep_id, name, changed=False, refusal=error.detail)
    return Outcome(sweep_id, name, changed)


def _set_state(call: str) -> Callable[[Session, int, str], object]:
    return lambda session, sweep_id, _: sweep_row.change_state(session, sweep_id, call)


def _tag(session: Session, sweep_id: int, tag: str) -> None:
    tags = sweep_row.get(session, sweep_id).tags
    if tag not in tags:
        if len(tags) == MAX_TAGS:
            raise ConflictError(f"Sweep {sweep_id} has {MAX_TAGS} tags, as many as a sweep may have.")
        changes.change(session, sweep_id, SweepPatch(tags=[*tags, tag]))


def _untag(session: Session, sweep_id: int, tag: str) -> None:
    tags = sweep_row.get(session, sweep_id).tags
    if tag in tags:
        changes.change(session, sweep_id, SweepPatch(tags=[entry for entry in tags if entry != tag]))


_ACTIONS: dict[Call, Callable[[Session, int, str], object]] = {
    **{call: _set_state(call) for call in ("pause", "resume", "stop", "cancel")},
    "continue": lambda session, sweep_id, _: trial_actions.retry_all(session, sweep_id, TrialState.cancelled),
    "delete": lambda session, sweep_id, _: deletion.delete(session, sweep_id),
    "tag": _tag,
    "untag": _untag,
}
