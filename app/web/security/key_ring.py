"""Who stands behind a key or a cookie: asked of the database, and remembered for seconds."""

import hmac
import threading
from collections import OrderedDict
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from app.access import keys, sessions, tokens
from app.access.callers import ANYONE, ENVIRONMENT_KEY, Caller
from app.db.engine import transaction
from app.domain.people.roles import Role

HOLDS_SECONDS = 2.0  # so long after a revocation by another process a key is still good here
MAX_CALLERS = 1024


class _Memory(NamedTuple):
    caller: Caller
    until: float  # monotonic()


class KeyRing:
    """The callers of this server by what they show. Only the valid ones are remembered, so wrong keys take no room."""

    def __init__(self, engine: Engine, environment_key: str | None) -> None:
        self._engine = engine
        self._environment_key = environment_key
        self._lock = threading.Lock()
        self._callers: OrderedDict[bytes, _Memory] = OrderedDict()
        self._generation = 0  # of what is remembered: raised when it is forgotten
        self._no_key_until = 0.0  # monotonic()
        self._needs_key = environment_key is not None

    def remembered(self, token: str) -> Caller | None:
        """Who this key or cookie stands for, where that was looked up a moment ago."""
        with self._lock:
            memory = self._callers.get(tokens.digest(token))
        return memory.caller if memory is not None and monotonic() < memory.until else None

    def is_environment_key(self, token: str) -> bool:
        """Whether this is PERCEPTUNE_API_KEY."""
        own_key = self._environment_key
        # of equal length, so that nothing is learnt from how long it takes
        return own_key is not None and hmac.compare_digest(tokens.digest(token), tokens.digest(own_key))

    def find_key(self, token: str) -> Caller | None:
        """The caller with this key of the table."""
        generation = self._generation
        with transaction(self._engine) as session:
            caller = keys.find(session, token)
        return self._remember(token, caller, generation)

    def find_session(self, token: str) -> Caller | None:
        """The caller whose browser sends this cookie."""
        generation = self._generation
        with transaction(self._engine) as session:
            caller = sessions.find(session, token, self._environment_key)
        return self._remember(token, caller, generation)

    def log_in(self, caller: Caller) -> str:
        """The cookie of a new session."""
        with transaction(self._engine) as session:
            return sessions.begin(session, caller, self._environment_key)

    def log_out(self, token: str) -> None:
        """Ends the session of this cookie."""
        with transaction(self._engine) as session:
            sessions.end(session, token)
        self.forget()

    def environment_caller(self) -> Caller:
        """Who calls with PERCEPTUNE_API_KEY."""
        return Caller(ENVIRONMENT_KEY, Role.admin)

    def anyone(self) -> Caller | None:
        """The caller without a key, where none is needed: none is set, and none was ever made."""
        if self._needs_key:
            return None
        if monotonic() >= self._no_key_until:
            with transaction(self._engine) as session:
                self._needs_key = keys.any_key(session)
            self._no_key_until = monotonic() + HOLDS_SECONDS
        return None if self._needs_key else ANYONE

    def is_open(self) -> bool:
        """Whether it is known without a look that no key is needed."""
        return not self._needs_key and monotonic() < self._no_key_until

    def forget_after(self, session: Session) -> None:
        """Forgets once this transaction is committed, in which a key is made or revoked."""
        event.listen(session, "after_commit", lambda _: self.forget(), once=True)

    def forget(self) -> None:
        """Has everything looked up again, because a key or a session was made or ended."""
        with self._lock:
            self._callers.clear()
            self._generation += 1
            self._no_key_until = 0.0

    def _remember(self, token: str, caller: Caller | None, generation: int) -> Caller | None:
        if caller is not None:
            with self._lock:
                if generation == self._generation:  # else it may have been revoked while it was looked up
                    self._callers[tokens.digest(token)] = _Memory(caller, monotonic() + HOLDS_SECONDS)
                    while len(self._callers) > MAX_CALLERS:
                        self._callers.popitem(last=False)
        return caller
