"""What the server does every few seconds so that sweeps go on when no worker is there to do it."""

import math
import time

from sqlalchemy import Engine

from app.access import sessions, shares
from app.db.engine import transaction
from app.lifecycle import checkpoint_retention, stop_rules
from app.queue.leases import expire
from app.queue.workers import forget_workers

DAY_SECONDS = 86_400.0


class Upkeep:
    """Stops sweeps whose time is over, takes back the trials of lost workers, and forgets what is no longer needed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._forgot_at = -math.inf  # time.monotonic

    def run(self) -> None:
        """One round."""
        with transaction(self._engine) as session:
            stop_rules.stop_overdue(session)
        with transaction(self._engine) as session:
            if time.monotonic() - self._forgot_at >= DAY_SECONDS:
                forget_workers(session)
                sessions.drop_expired(session)
                shares.drop_expired(session)
                self._forgot_at = time.monotonic()
            expire(session)
        with transaction(self._engine) as session:
            checkpoint_retention.drop_ended(session)
