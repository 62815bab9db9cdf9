"""The inputs of a prediction: images and rows of numbers, scaled to [0, 1] where the training data were."""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.errors import InvalidError
from app.files.array_file import read_array
from app.files.network import MAX_NUMBER

# by name: Pillow has decoders for dozens of formats that nobody looks after, each a way in for a file of a stranger
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


class Inputs(NamedTuple):
    """Examples with a name each; `x` is [n, features], of images in [0, 1]."""

    names: list[str]
    x: NDArray[np.float32]


def read_inputs(path: str, features: int, *, scale: float = 1, invert: bool = False, are_pixels: bool = True) -> Inputs:
    """One image, or rows: CSV (`-`: standard input) or .npy. Raises InvalidError.

    Rows are divided by `scale`. Images become grey squares of as many pixels as the network has features, 0 black and
    1 white; `invert` turns that round. Without `are_pixels` there are rows alone, of numbers of any size.
    """
    kind = Path(path).suffix.lower()
    try:
        if path == "-":
            return _from_rows("stdin", _parse_rows("stdin", sys.stdin, features), scale, are_pixels)
        if kind == ".csv":
            with Path(path).open(encoding="utf-8-sig") as lines:
                return _from_rows(path, _parse_rows(path, lines, features), scale, are_pixels)
        if kind == ".npy":
            return _from_rows(path, load_array(path, features), scale, are_pixels)
        if not are_pixels:
            raise InvalidError(
                f"The network takes rows of {features} numbers: {path} is neither a .csv nor a .npy file."
            )
        return Inputs([path], _load_image(path, features, invert).reshape(1, features))
    except OSError as error:
        why = error.strerror or "it is neither an image that can be read nor a .csv or .npy file"
        raise InvalidError(f"{path} can't be read: {why}.") from None
    except UnicodeDecodeError:
        raise InvalidError(f"{path} can't be read: it is no text.") from None


def _parse_rows(name: str, lines: Iterable[str], features: int) -> NDArray[np.float64]:
    """[n, features] of comma-separated numbers; a first line without any number is a heading."""
    rows = []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.split(",")]
        numbers = [_number(cell) for cell in cells]
        if cells == [""] or (number == 1 and all(value is None for value in numbers)):
            continue
        if None in numbers:
            raise InvalidError(f"{name}, line {number}: {cells[numbers.index(None)]!r} is no number.")
        if len(numbers) != features:
            raise InvalidError(f"{name}, line {number}: {len(numbers)} numbers, but the network takes {features}.")
        rows.append(numbers)
    return np.array(rows, dtype=np.float64).reshape(-1, features)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def load_array(path: str, features: int) -> NDArray[np.float64]:
    """[n, features] of an array with one example, or with one in each first index, such as [n, 28, 28]."""
    try:
        with Path(path).open("rb") as file:
            array = np.asarray(read_array(file), dtype=np.float64)
    except ValueError:  # which an error of the array's file is too
        raise InvalidError(f"{path} can't be read: it is no .npy file of numbers.") from None
    except MemoryError:
        raise InvalidError(f"{path} can't be read: it takes more memory than there is.") from None
    shape = array.shape
    if shape == (features,):
        array = array[None]
    if array.ndim < 2 or math.prod(array.shape[1:]) != features:
        raise InvalidError(f"{path}: the network takes [n, {features}], not {list(shape)}.")
    return array.reshape(len(array), features)


def _from_rows(name: str, rows: NDArray[np.float64], scale: float, are_pixels: bool) -> Inputs:
    if not len(rows):
        raise InvalidError(f"{name} has no rows.")
    x = rows / scale
    endless_rows = np.flatnonzero(~(np.abs(x) <= MAX_NUMBER).all(1))
    bad_rows = np.flatnonzero(~((x >= 0) & (x <= 1)).all(1))  # also where one is not finite
    if not are_pixels:
        if len(endless_rows):
            raise InvalidError(f"{name}, row {endless_rows[0] + 1}: a number is not finite, or beyond {MAX_NUMBER:g}.")
    elif len(bad_rows):
        row = x[bad_rows[0]]
        beyond = row[~((row >= 0) & (row <= 1))][0]
        raise InvalidError(
            f"{name}, row {bad_rows[0] + 1}: {beyond:g} is beyond 0 to 1, which the network was trained on; "
            "--scale 255 divides grey values of a byte."
        )
    return Inputs([f"{name}:{row}" for row in range(1, len(x) + 1)], x.astype(np.float32))


def _load_image(path: str, features: int, invert: bool) -> NDArray[np.float32]:
    """[features] in [0, 1]: the image as a grey square. Raises InvalidError."""
    side = math.isqrt(features)
    if side**2 != features:
        raise InvalidError(f"The network takes {features} numbers, which is no square image: give rows.")
    try:
        with Image.open(path, formats=FORMATS) as opened:
            if opened.mode.startswith(("I", "F")):
                raise InvalidError(f"{path} has more than 8 bits a channel: save it with 8.")
            image = ImageOps.exif_transpose(opened).convert("RGBA")
    except (InvalidError, OSError):
        raise
    except Exception:  # a decoder stumbles on whatever a damaged file has
        raise InvalidError(f"{path} can't be read: it is too large, or damaged.") from None
    background = (255, 255, 255, 255) if invert else (0, 0, 0, 255)  # what is transparent ends up black, as in training
    grey = Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("L")
    grey = grey if grey.size == (side, side) else grey.resize((side, side), Image.Resampling.LANCZOS)
    x = np.asarray(grey, dtype=np.float32) / np.float32(255)
    return 1 - x if invert else x
