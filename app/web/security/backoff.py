"""Patience with wrong keys: who sends one after another has to wait longer and longer, at every server."""

import ipaddress
import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

logger = logging.getLogger(__name__)

FREE_FAILURES = 5
MAX_WAIT_SECONDS = 60.0
FORGOTTEN_SECONDS = 900.0
MAX_ADDRESSES = 4096


@dataclass
class _Record:
    failures: int = 0
    blocked_until: float = -math.inf  # monotonic()
    last_at: float = -math.inf


class Backoff:
    """The failures by address; the address that has failed least lately makes room for a new one."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """`tell`: has every server `hear` the words that it is called with, this one too."""
        self._tell = tell
        self._name = uuid4().hex  # by which it knows its own words again
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """How long this address has to wait before its next key is looked at; 0 for not at all."""
        with self._lock:
            record = self._records.get(_group(address))
        return 0 if record is None else max(0, math.ceil(record.blocked_until - monotonic()))

    def note_failure(self, address: str) -> None:
        """A wrong key came from there: after FREE_FAILURES of them each doubles the wait, from one second on."""
        failures, wait = self._count(_group(address))
        logger.warning(
            "a wrong key from %s, the %d. in a row; the next is looked at in %.0f s", address, failures, wait
        )
        self._tell(f"{self._name} wrong {_group(address)}")

    def note_success(self, address: str) -> None:
        """The right key came from there: what was before is forgiven."""
        if self._forgive(_group(address)):
            self._tell(f"{self._name} right {_group(address)}")

    def hear(self, words: str) -> None:
        """Takes in what was told of a key that another server has looked at; anything else is not from us."""
        match words.split(" ", 2):
            case [name, "wrong", group] if name != self._name:
                self._count(group)
            case [name, "right", group] if name != self._name:
                self._forgive(group)

    def _count(self, group: str) -> tuple[int, float]:
        """One more failure: how many these are, and how many seconds the next key has to wait."""
        now = monotonic()
        with self._lock:
            record = self._records.pop(group, None)
            if record is None or now - record.last_at > FORGOTTEN_SECONDS:
                record = _Record()
            record.failures += 1
            record.last_at = now
            excess = record.failures - FREE_FAILURES
            wait = min(2.0 ** min(excess - 1, 10), MAX_WAIT_SECONDS) if excess > 0 else 0.0
            record.blocked_until = now + wait
            self._records[group] = record
            while len(self._records) > MAX_ADDRESSES:
                self._records.popitem(last=False)
        return record.failures, wait

    def _forgive(self, group: str) -> bool:
        """Whether there was something to forgive."""
        with self._lock:
            return self._records.pop(group, None) is not None


def _group(address: str) -> str:
    """The address, or of IPv6 its network of 64 bits, all of which one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
