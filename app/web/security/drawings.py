"""Drawings: charts and reports are computed a few at a time, so that all else is answered meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import BusyError
from app.web.security import places
from app.web.security.places import Places, place_among

# One may compute for seconds, and who asks for another option each time is never answered from a cache.
MAX_DRAWINGS = 4  # of one caller
LARGE_TRIALS = 20_000  # of a chart that computes for half a second
_REFUSAL = "Other charts are being drawn: try again in a moment."


class Drawings(Places):
    """Those of a server."""

    def __init__(self) -> None:
        super().__init__(MAX_DRAWINGS, _REFUSAL)
        self._large = threading.Lock()

    @contextmanager
    def one_of(self, trials: int) -> Iterator[None]:
        """Draws one chart of so many trials while the block runs, in a thread. Raises BusyError.

        Of large ones one is drawn at a time: Python computes no two at once, so that each of several would be ready no
        sooner, and whatever else is asked would wait for each of them.
        """
        if trials < LARGE_TRIALS:
            yield
            return
        if not self._large.acquire(timeout=places.WAIT_SECONDS):
            raise BusyError(_REFUSAL)
        try:
            yield
        finally:
            self._large.release()


DRAWING_PLACE = place_among("drawings")
