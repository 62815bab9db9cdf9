"""The log of a sweep: each change adds an entry in its own transaction, with the name of whoever called."""

from collections.abc import Iterable, Sequence
from itertools import islice

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.db.tables import LogEntry
from app.domain.formatting import plural
from app.domain.people.log_events import BY_ITSELF, LogEvent

MAX_TRIALS_NOTED = 1_000  # by their numbers, in one entry: lists show very many entries
_CALLER = "caller"  # the key of `Session.info` under which a request's session has the name of its caller


def set_caller(session: Session, name: str | None) -> None:
    """Says in whose name this session changes sweeps; workers and the server itself have none."""
    session.info[_CALLER] = name


def note(session: Session, sweep_id: int, event: LogEvent, text: str, trials: Iterable[int] = ()) -> None:
    """Adds an entry, which names so many trials at most. The sweep is locked, or new."""
    by = None if event in BY_ITSELF else session.info.get(_CALLER)
    values = {
        "sweep_id": sweep_id,
        "event": event,
        "text": text,
        "trials": list(islice(trials, MAX_TRIALS_NOTED)),
        "by": by,
    }
    session.execute(insert(LogEntry).values(values))


def trials_text(numbers: Sequence[int]) -> str:
    """`trial 3`, or `12 trials`."""
    return f"trial {numbers[0]}" if len(numbers) == 1 else plural(len(numbers), "trial")
