"""The text of a file as a stream, which is unpacked and checked piece by piece while it is read."""

import codecs
import io

from app.domain.tables.limits import MAX_UNPACKED_BYTES
from app.files.tables.table import refusal

BYTE_ORDER_MARK = codecs.BOM_UTF8


class TextStream(io.RawIOBase):
    """The bytes of a file behind its mark and so many more, whose last line has an end. Reading it raises InvalidError
    where they are no UTF-8, or too many: a .gz may become thousands of times as large."""

    def __init__(self, file: io.BufferedIOBase, start: int = 0) -> None:
        super().__init__()
        file.seek(0)
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)
        skipped_lines = file.read(start).count(b"\n")
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._size = 0
        self._lines = skipped_lines
        self._ends_line = False

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece; none at the end."""
        piece = self._file.read(size)
        self._check(piece)
        is_last = size is None or size < 0 or len(piece) < size
        self._ends_line = piece.endswith(b"\n") if piece else self._ends_line
        if is_last and not self._ends_line:  # of a heading without an end the reader of CSV tells riddles
            self._ends_line = True
            return piece + b"\n"
        return piece

    def _check(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MAX_UNPACKED_BYTES:
            raise refusal(f"the .gz becomes more than {MAX_UNPACKED_BYTES // 2**20:,} MiB when it is unpacked")
        try:
            self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line = self._lines + error.object.count(b"\n", 0, error.start) + 1
            raise refusal(f"line {line:,} is not UTF-8: save the file as UTF-8") from None
        self._lines += piece.count(b"\n")
