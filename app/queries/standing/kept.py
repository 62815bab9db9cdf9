"""What is kept of sweeps until their revision is another one: whoever changes a sweep or its trials raises that."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

MAX_SWEEPS = 2_000  # of some kilobytes each

Value = TypeVar("Value")


class KeptByRevision(Generic[Value]):
    """One value a sweep of each database; those that were not asked for lately make room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_engines: WeakKeyDictionary[Engine, OrderedDict[int, tuple[int, Value]]] = WeakKeyDictionary()

    def get_or_read(
        self, session: Session, revisions: Mapping[int, int], read: Callable[[list[int]], dict[int, Value]]
    ) -> dict[int, Value]:
        """The values of sweeps, given by their ids with their revisions; those that are not kept are read.

        What is read after the session has written is not kept: it might be rolled back.
        """
        engine = session.get_bind().engine
        values = self._current(engine, revisions)
        missing_ids = [sweep_id for sweep_id in revisions if sweep_id not in values]
        if missing_ids:
            new_values = read(missing_ids)
            if session.scalar(_HAS_WRITTEN_NOTHING):
                self._keep(engine, ((sweep_id, revisions[sweep_id], value) for sweep_id, value in new_values.items()))
            values |= new_values
        return values

    def forget(self) -> None:
        """Keeps nothing, as after a start."""
        with self._lock:
            self._of_engines.clear()

    def _current(self, engine: Engine, revisions: Mapping[int, int]) -> dict[int, Value]:
        with self._lock:
            entries = self._of_engines.setdefault(engine, OrderedDict())
            current = {
                sweep_id: entries[sweep_id][1]
                for sweep_id, revision in revisions.items()
                if sweep_id in entries and entries[sweep_id][0] == revision
            }
            for sweep_id in current:
                entries.move_to_end(sweep_id)
            return current

    def _keep(self, engine: Engine, values: Iterable[tuple[int, int, Value]]) -> None:
        with self._lock:
            entries = self._of_engines.setdefault(engine, OrderedDict())
            for sweep_id, revision, value in values:
                entries[sweep_id] = revision, value
                entries.move_to_end(sweep_id)
            while len(entries) > MAX_SWEEPS:
                entries.popitem(last=False)


_HAS_WRITTEN_NOTHING = text("SELECT pg_current_xact_id_if_assigned() IS NULL")
