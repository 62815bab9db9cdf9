"""Messages between a worker and its server: what calls take and give, as compressed JSON with bytes behind."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from app.domain.sweep_setup import SweepSetup

MEDIA_TYPE = "application/vnd.perceptune.worker"
VERSION_HEADER = "Perceptune-Version"
_FAST = 1  # of zlib's levels: what is sent once need not be as small as can be
_BYTES = "$bytes"
# A value that is read takes so many bytes for each byte of its JSON, where signs of a text take four each, and for each
# mark, where it is many small lists and objects.
_BYTES_A_BYTE, _BYTES_A_MARK = 5, 200
_OF_MANY = ("list", "set", "frozen-set", "tuple", "dict")  # types of pydantic's schemas


class MalformedError(Exception):
    """What came is no message, or not whole."""


class OversizeError(MalformedError):
    """What a message says beside its bytes is more than may be said in one."""


class Limits(NamedTuple):
    """How much the JSON of a message may have, and how many parts the message."""

    size: int  # bytes, once it is unpacked
    marks: int  # of its JSON
    parts: int

    @property
    def of_first_line(self) -> "Limits":
        """Of the line that says of each part how long it is, and what its hash."""
        return Limits(100 * self.parts, 3 * self.parts, 0)


OF_ANSWERS = Limits(256 * 2**20, 2**28, 2**22)  # a worker trusts its server
OF_ARGUMENTS = Limits(16 * 2**20, 500_000, 20_000)
OF_WORDS = Limits(2**16, 2**10, 2)  # of what asks for little


class Unpacked(NamedTuple):
    """What is in a message, before its JSON is read: then it takes many times as much memory."""

    text: bytes
    marks: int
    blobs: Sequence[bytes]

    @property
    def memory(self) -> int:
        """About the most bytes that its JSON takes once it is read."""
        return _memory_of(len(self.text), self.marks)

    def value(self) -> Any:
        """The value. Raises MalformedError."""
        with _malformed():
            return json.loads(self.text, object_hook=self._with_bytes)

    def _with_bytes(self, part: dict[str, Any]) -> Any:
        return self.blobs[part[_BYTES]] if part.keys() == {_BYTES} else part


def pack(value: Any, limits: Limits = OF_ANSWERS) -> bytes:
    """The message of a value of plain types, whose bytes stand as they are behind all else, each with its hash.

    Raises OversizeError.
    """
    blobs: list[bytes] = []

    def plain(part: object) -> object:
        if isinstance(part, bytes):
            blobs.append(part)
            return {_BYTES: len(blobs) - 1}
        if isinstance(part, UUID | datetime):
            return str(part)
        if isinstance(part, Mapping):
            return dict(part)
        if isinstance(part, Set):
            return list(part)
        raise TypeError(f"{type(part).__name__} has no place in a message")

    text = json.dumps(value, default=plain).encode()
    _check(text, limits)
    body = zlib.compress(text, _FAST)
    parts = [[len(part), hashlib.sha256(part).hexdigest()] for part in (body, *blobs)]
    first_line = json.dumps(parts).encode()
    _check(first_line, limits.of_first_line)
    return b"".join([first_line, b"\n", body, *blobs])


def unpack(message: bytes, limits: Limits = OF_ANSWERS) -> Any:
    """The value of a message. Raises MalformedError."""
    return unpacked(message, limits).value()


def unpacked(message: bytes, limits: Limits) -> Unpacked:
    """What is in a message. Raises MalformedError."""
    with _malformed():
        body, *blobs = _parts(message, limits)
        text = zlib.decompressobj().decompress(body, limits.size + 1)
        return Unpacked(text, _check(text, limits), blobs)


@contextmanager
def _malformed() -> Iterator[None]:
    """Raises what goes wrong within the block as MalformedError."""
    try:
        yield
    except (ValueError, TypeError, LookupError, zlib.error, RecursionError) as error:
        raise MalformedError(f"It can't be read: {error}.") from None


def _parts(message: bytes, limits: Limits) -> Iterator[bytes]:
    """The JSON and the bytes behind it, as the first line says how long each is, and what its hash."""
    start = message.find(b"\n") + 1
    if start == 0:
        raise MalformedError("It does not begin with a line that says what is in it.")
    _check(message[:start], limits.of_first_line)
    parts = json.loads(message[:start])
    if (
        not all(type(size) is int and size >= 0 for size, _ in parts)
        or sum(size for size, _ in parts) != len(message) - start
    ):
        raise MalformedError("It does not have as many bytes as it says.")
    for size, digest in parts:
        part = message[start : start + size]
        if hashlib.sha256(part).hexdigest() != digest:
            raise MalformedError("Bytes of it were lost or altered on the way.")
        yield part
        start += size


def memory_of(text: bytes) -> int:
    """About the most bytes that JSON takes once it is read."""
    return _memory_of(len(text), marks_of(text))


def _memory_of(size: int, marks: int) -> int:
    return _BYTES_A_BYTE * size + _BYTES_A_MARK * marks


def marks_of(text: bytes) -> int:
    """Of JSON the commas and opening brackets: a few bytes of it may be a list, which takes fifty in memory."""
    return sum(map(text.count, (b",", b"[", b"{")))


def _check(text: bytes, limits: Limits) -> int:
    """The marks of JSON, unless it has more than it may. Raises OversizeError."""
    marks = marks_of(text)
    if len(text) > limits.size or marks > limits.marks:
        raise OversizeError("It says too much at once.")
    return marks


class Signature(NamedTuple):
    """What a call of the broker takes and gives; a sweep is named by its number alone, as `sweep_id`."""

    arguments: Mapping[str, "Argument"]
    answer: TypeAdapter[Any]

    def packed_arguments(self, arguments: Mapping[str, Any]) -> bytes:
        """The message with them. Raises OversizeError."""
        values = {name: argument.adapter.dump_python(arguments[name]) for name, argument in self.arguments.items()}
        return pack(values, OF_ARGUMENTS)

    def packed_answer(self, answer: Any) -> bytes:
        """The message with it."""
        return pack(self.answer.dump_python(answer))

    def answer_of(self, message: bytes) -> Any:
        """The answer in a message. Raises MalformedError, and ValidationError for a wrong one."""
        return self.answer.validate_python(unpack(message))

    def arguments_of(self, message: bytes, limits: Limits = OF_ARGUMENTS) -> dict[str, Any]:
        """The arguments in a message. Raises MalformedError, which says of a wrong one what it must be."""
        return self.arguments_in(unpacked(message, limits))

    def arguments_in(self, content: Unpacked) -> dict[str, Any]:
        """The same of a message that was unpacked before."""
        values = content.value()
        if not isinstance(values, dict) or values.keys() != self.arguments.keys():
            raise MalformedError(f"It must have {', '.join(self.arguments) or 'nothing'}.")
        return {name: argument.of(values[name]) for name, argument in self.arguments.items()}


class Argument:
    """An argument of a call: what checks it, and what writes it."""

    def __init__(self, name: str, hint: Any) -> None:
        self._name = name
        self.adapter: TypeAdapter[Any] = TypeAdapter(hint)
        self._validator = SchemaValidator(_failing_fast(self.adapter.core_schema))

    def of(self, value: object) -> Any:
        """What was sent, as the type that it is of. Raises MalformedError."""
        try:
            return self._validator.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, (self._name, *first["loc"])))
            raise MalformedError(f"{place}: {first['msg'].removeprefix('Value error, ')}.") from None


def _failing_fast(schema: Any) -> Any:
    """The schema of a check that ends at the first wrong item: to tell of a million of them takes gigabytes."""
    if isinstance(schema, list):
        return [_failing_fast(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: _failing_fast(part) for name, part in schema.items()}
    return copy | {"fail_fast": True} if isinstance(kind := copy.get("type"), str) and kind in _OF_MANY else copy


def signature_of(function: Any) -> Signature:
    """That of a function with hints."""
    hints = get_type_hints(function, include_extras=True)
    answer = TypeAdapter(hints.pop("return"))
    hints = {
        "sweep_id" if hint is SweepSetup else name: int if hint is SweepSetup else hint for name, hint in hints.items()
    }
    return Signature(arguments_named(hints), answer)


def arguments_named(hints: Mapping[str, Any]) -> dict[str, Argument]:
    """Arguments of these names and types."""
    return {name: Argument(name, hint) for name, hint in hints.items()}
