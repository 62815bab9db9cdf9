"""Patience with wrong keys: who sends one after another has to wait longer and longer."""

import ipaddress
import logging
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

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

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """How long this address has to wait before its next key is looked at; 0 for not at all."""
        with self._lock:
            record = self._records.get(_group(address))
        return 0 if record is None else max(0, math.ceil(record.blocked_until - monotonic()))

    def note_failure(self, address: str) -> None:
        """A wrong key came from there: after FREE_FAILURES of them each doubles the wait, from one second on."""
        now = monotonic()
        with self._lock:
            record = self._records.pop(_group(address), None)
            if record is None or now - record.last_at > FORGOTTEN_SECONDS:
                record = _Record()
            record.failures += 1
            record.last_at = now
            excess = record.failures - FREE_FAILURES
            wait = min(2.0 ** min(excess - 1, 10), MAX_WAIT_SECONDS) if excess > 0 else 0.0
            record.blocked_until = now + wait
            self._records[_group(address)] = record
            while len(self._records) > MAX_ADDRESSES:
                self._records.popitem(last=False)
        logger.warning(
            "a wrong key from %s, the %d. in a row; the next is looked at in %.0f s", address, record.failures, wait
        )

    def note_success(self, address: str) -> None:
        """The right key came from there: what was before is forgiven."""
        with self._lock:
            self._records.pop(_group(address), None)


def _group(address: str) -> str:
    """The address, or of IPv6 its network of 64 bits, all of which one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
