"""Reads an array in NumPy's format, whose heading is an expression in Python and may be any; never a pickle."""

import math
import warnings
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

MAX_ITEM_BYTES = 4096
_DAMAGED = "can't be read: it is damaged; save an array of numbers or texts"
_DAMAGE = (
    *(ValueError, OverflowError, EOFError, SyntaxError, TokenError),
    *(TypeError, LookupError, AttributeError, RecursionError),
)
"""What reading raises, beside what the file itself does."""
_HEADING_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""By version; a third one is for names of fields, which no array of numbers or texts has."""


class ArrayFileError(ValueError):
    """The file holds no array that can be used; the sentence, which has no subject and no stop, says why."""


def read_array(file: IO[bytes], max_values: float = math.inf) -> Array:
    """An array of numbers or texts. Raises ArrayFileError, before memory is taken for what the heading promises."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that a file is of Python 2
            _check(*_heading(file), max_values)
            file.seek(0)
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
    except ArrayFileError:
        raise
    except _DAMAGE:
        raise ArrayFileError(_DAMAGED) from None
    return array


def _heading(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """The shape and the type that the file says its array has."""
    read_heading = _HEADING_READERS[np.lib.format.read_magic(file)]
    try:
        shape, _, dtype = read_heading(file)
    except MemoryError:  # so Python says that an expression is nested too deeply
        raise ArrayFileError(_DAMAGED) from None
    return shape, dtype


def _check(shape: tuple[int, ...], dtype: np.dtype[np.generic], max_values: float) -> None:
    if dtype.hasobject:
        raise ArrayFileError("can't be read: it holds Python objects; save an array of numbers or texts")
    if dtype.kind not in "biufU" or dtype.itemsize > MAX_ITEM_BYTES:
        raise ArrayFileError(f"holds {dtype}: it must hold numbers or texts")
    if any(size < 0 for size in shape):
        raise ArrayFileError(_DAMAGED)
    if math.prod(shape) > max_values:
        raise ArrayFileError(f"has {math.prod(shape):,} values: at most {max_values:,} are read")
