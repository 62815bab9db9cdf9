"""The rows of ARFF as those of a CSV: without comments, and with quotes of one kind right where a value begins."""

import io
import re

from app.files.tables.table import refusal
from app.files.tables.text_stream import TextStream

PIECE = 2**20  # bytes that are read at a time
COMMENT = re.compile(rb"^[ \t]*%.*\n", re.MULTILINE)
QUOTED = re.compile(rb"""([\n,])[ \t]*(?:'([^'\\\n]*(?:\\.[^'\\\n]*)*)'|"([^"\\\n]*(?:\\.[^"\\\n]*)*)")[ \t]*""")
ESCAPED_OR_QUOTE = re.compile(rb'\\.|"')


class ArffRows(io.RawIOBase):
    """What stands behind the heading of an ARFF file. Reading it raises InvalidError as the stream does, and for a row
    that is too long."""

    def __init__(self, stream: TextStream) -> None:
        super().__init__()
        self._stream = stream
        self._rows = b""  # to be handed out
        self._begun_row = b""

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """The next bytes; none at the end."""
        while not self._rows and (piece := self._stream.read(PIECE)):
            end = piece.rfind(b"\n") + 1
            if not end and self._begun_row:  # nor can the reader of CSV
                raise refusal(f"a row is longer than {PIECE // 2**20} MiB")
            self._rows = _plain(self._begun_row + piece[:end]) if end else b""
            self._begun_row = piece[end:]
        size = min(len(buffer), len(self._rows))
        buffer[:size] = self._rows[:size]
        self._rows = self._rows[size:]
        return size


def _plain(rows: bytes) -> bytes:
    """Whole rows; in most files few or none have anything to change."""
    if b"%" in rows:
        rows = COMMENT.sub(b"", rows)
    if b"'" in rows or b'"' in rows:
        rows = QUOTED.sub(_with_one_quote, b"\n" + rows)[1:]
    return rows


def _with_one_quote(value: re.Match[bytes]) -> bytes:
    text = value[3] if value[2] is None else ESCAPED_OR_QUOTE.sub(_escaped, value[2])
    return b'%b"%b"' % (value[1], text)


def _escaped(character: re.Match[bytes]) -> bytes:
    return rb"\"" if character[0] == b'"' else character[0]
