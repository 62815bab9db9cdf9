"""The leases that a worker holds at this moment, shared by the thread that trains and the one that keeps them alive."""

import threading
from collections.abc import Collection, Iterable

from app.queue.leases import Lease


class HeldLeases:
    """Leases by trial id; who finds that one is lost takes it out, and the training drops its runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[int, Lease] = {}

    def take(self, leases: Iterable[Lease]) -> None:
        with self._lock:
            self._leases |= {lease.trial_id: lease for lease in leases}

    def release(self, trial_ids: Iterable[int]) -> None:
        with self._lock:
            for trial_id in trial_ids:
                self._leases.pop(trial_id, None)

    def keep_only(self, asked: Iterable[Lease], held: Collection[int]) -> None:
        """Of the leases that were asked about, those that the database did not confirm are lost.

        A trial that was given back and claimed again since they were asked about has a newer lease, which stays.
        """
        with self._lock:
            for lease in asked:
                if lease.trial_id not in held and self._leases.get(lease.trial_id) == lease:
                    del self._leases[lease.trial_id]

    def leases(self) -> list[Lease]:
        """In the order of the trials, so that two statements lock rows in one order."""
        with self._lock:
            return [self._leases[trial_id] for trial_id in sorted(self._leases)]

    def __contains__(self, trial_id: int) -> bool:
        with self._lock:
            return trial_id in self._leases
