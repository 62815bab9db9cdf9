"""The leases that a worker holds, shared by the thread that trains and the one that extends them."""

import threading
from collections.abc import Collection, Iterable

from app.queue.leases import Lease


class HeldLeases:
    """The leases of one worker, by trial id; a lease that turns out to be lost is taken out, and its runs dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[int, Lease] = {}

    def take(self, leases: Iterable[Lease]) -> None:
        """Adds leases that were just claimed."""
        with self._lock:
            self._leases |= {lease.trial_id: lease for lease in leases}

    def release(self, trial_ids: Iterable[int]) -> None:
        """Takes out the leases of these trials."""
        with self._lock:
            for trial_id in trial_ids:
                self._leases.pop(trial_id, None)

    def keep_only(self, sent_leases: Iterable[Lease], held_ids: Collection[int]) -> None:
        """Takes out the leases that were sent to the database and that it did not confirm.

        A trial that was given back and claimed again since they were sent has a newer lease, which stays.
        """
        with self._lock:
            for lease in sent_leases:
                if lease.trial_id not in held_ids and self._leases.get(lease.trial_id) == lease:
                    del self._leases[lease.trial_id]

    def leases(self) -> list[Lease]:
        """In the order of the trials, so that two statements lock rows in one order."""
        with self._lock:
            return [self._leases[trial_id] for trial_id in sorted(self._leases)]

    def __contains__(self, trial_id: int) -> bool:
        with self._lock:
            return trial_id in self._leases
