"""Messages between workers and their server: what arrives is what was sent, or it is refused."""

import hashlib
import json
import sys
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.broker.serving import signature
from app.broker.wire import OF_ARGUMENTS, MalformedError, OversizeError, pack, unpack
from app.domain.states import TrialState
from app.queue.leases import Lease
from app.queue.legs import TrialCheckpoint
from app.queue.progress import EpochPoint, RunResult, TrialResult
from app.search.curve_cache import TrialSnapshot

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.binary()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(VALUES)
def test_a_value_arrives_as_it_was_sent(value: Any) -> None:
    """To the last bit of each number and byte."""
    assert unpack(pack(value)) == value


@given(st.binary(min_size=1), st.integers(min_value=0), st.integers(1, 255))
def test_a_message_with_an_altered_byte_is_refused(content: bytes, place: int, change: int) -> None:
    """Also where only the bytes behind the JSON were altered; a blank for another blank says the same."""
    value = {"content": content, "number": 1}
    message = bytearray(pack(value))
    message[place % len(message)] ^= change
    with suppress(MalformedError):
        assert unpack(bytes(message)) == value
        assert chr(message[place % len(message)]).isspace()


@pytest.mark.parametrize("message", [b"", b"\n", b"[]\n", b"5\n", b"[[1]]\n", b"[[-1, 1]]\n", b"[" * 9999 + b"\n"])
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedError):
        unpack(message)


def test_what_has_no_first_line_is_told_so() -> None:
    """In words about the message, not about the program that reads it."""
    with pytest.raises(MalformedError, match="does not begin with a line that says what is in it"):
        unpack(b"x")


def message_of(text: bytes, *parts: tuple[int, bytes]) -> bytes:
    """A message with this JSON and what is said of the bytes behind it, which are those of the first part."""
    body = zlib.compress(text)
    head = [[size, hashlib.sha256(part).hexdigest()] for size, part in ((len(body), body), *parts)]
    return json.dumps(head).encode() + b"\n" + body + b"".join(part for _, part in parts[:1])


@pytest.mark.parametrize(
    "parts",
    [
        [(3, b"abc"), (-3, b""), (3, b"abc")],  # the same bytes once more
        [(3, b"abc"), (-3, b""), (3, b"abc"), (-3, b""), (3, b"abc")],
        [(2, b"abc")],
        [(4, b"abc")],
        [(3.0, b"abc")],
        [(True, b"a")],
    ],
)
def test_parts_that_are_not_the_message_are_refused(parts: list[tuple[int, bytes]]) -> None:
    """Each byte is of one part, so that a small message is small in memory too."""
    assert unpack(message_of(b'{"$bytes": 0}', (3, b"abc"))) == b"abc"
    with pytest.raises(MalformedError, match="does not have as many bytes as it says"):
        unpack(message_of(b'{"$bytes": 0}', *parts))


@pytest.mark.parametrize("text", [b" " * 2**25 + b"1", b"[" + b"[]," * 500_001 + b"1]", b"[" + b"0," * 2**20 + b"0]"])
def test_a_message_that_takes_much_memory_is_refused(text: bytes) -> None:
    """However small it is on the way."""
    with pytest.raises(OversizeError):
        unpack(message_of(text), OF_ARGUMENTS)


def test_wrong_items_are_not_told_of_one_by_one() -> None:
    """A million sentences about a small message would take gigabytes."""
    record = signature("record")
    assert record is not None
    items = [dict[str, int]() for _ in range(10_000)]
    message = pack(
        {"sweep_id": 1, "leases": [], "epochs_done": [], "points": items, "lease_seconds": 5, "diagnostics": []}
    )
    with pytest.raises(MalformedError, match=r"^points\.0\.trial_id: Field required\.$") as error:
        record.arguments_of(message)
    assert isinstance(error.value.__context__, ValidationError)
    assert error.value.__context__.error_count() < 20


def test_a_message_of_very_many_parts_is_refused() -> None:
    """The line that tells of them is short too."""
    with pytest.raises(OversizeError):
        pack([b""] * 20_001, OF_ARGUMENTS)
    with pytest.raises(OversizeError):
        unpack(pack([b""] * 20_001), OF_ARGUMENTS)


def test_calls_carry_the_queue_s_own_values() -> None:
    """Results, points and checkpoints come out as the classes that went in; figures that are no numbers too."""
    lease = Lease(7, uuid4())
    result = TrialResult(lease, 0.1 + 0.2, None, None, [RunResult(0, 0.3, None, 1.5)], circumstances={"host": "here"})
    checkpoint = TrialCheckpoint(lease, 3, 6, b"\x00\xff")
    arguments: dict[str, Any] = {
        "sweep_id": 1,
        "results": [result],
        "weights": {7: {0: b"weights"}},
        "checkpoints": {7: checkpoint, 8: None},
    }
    finish = signature("finish")
    assert finish is not None
    assert finish.arguments_of(finish.packed_arguments(arguments)) == arguments
    record = signature("record")
    assert record is not None
    arguments = {
        "sweep_id": 1,
        "leases": [lease],
        "epochs_done": [2],
        "points": [EpochPoint(7, 0, 1, None, 0.5, 1e-300, 0.5, 0.1)],
        "lease_seconds": 5.0,
        "diagnostics": [],
    }
    assert record.arguments_of(record.packed_arguments(arguments)) == arguments
    snapshots = signature("trial_snapshots")
    assert snapshots is not None
    answer = [TrialSnapshot(7, 0, TrialState.running, None, datetime(2026, 1, 2, 3, 4, 5, 678901, UTC))]
    assert snapshots.answer_of(snapshots.packed_answer(answer)) == answer


def test_only_the_calls_of_workers_have_a_signature() -> None:
    """What else a broker has is not to be called from outside."""
    assert signature("heartbeat") is not None
    for name in ("setup", "transaction", "close", "__init__", "_broker", "dataset_pieces", "worker_id", "mro"):
        assert signature(name) is None


def test_names_that_are_no_call_are_not_remembered() -> None:
    """There are as many of them as somebody likes to send."""
    name = f"no call {uuid4()}"
    references = sys.getrefcount(name)
    assert signature(name) is None
    assert sys.getrefcount(name) == references
