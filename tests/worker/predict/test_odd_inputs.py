"""Files that no program of ours writes as inputs of `perceptune predict`: each is refused with one sentence."""

import io
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.domain.tables.encoding import EncodedColumn, Encoding
from app.errors import InvalidError
from app.files.model_file import ModelFileError, read_info, with_info
from tests.app.files.tables.test_odd_files import heading, npy
from tests.worker.predict.test_predict import model_file, predict, predict_here
from worker.mlp.initializers import Layer
from worker.mlp.weights import to_bytes
from worker.predict.inputs import FORMATS, read_inputs
from worker.predict.network import Network
from worker.predict.table_rows import read_table_rows

ENCODING = Encoding(target="y", columns=tuple(EncodedColumn(name=str(place), kind="number") for place in range(4)))
WRITABLE = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MUTATIONS = 60  # of an image of each format


def saved(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "many signs": (lambda: npy("-" * 9000 + "1"), "it is no .npy file of numbers"),
    "a size of many signs": (lambda: heading(shape=f"({'-' * 9000}1, 4)"), "it is no .npy file of numbers"),
    "a type of no parts": (lambda: heading(descr="()"), "it is no .npy file of numbers"),
    "half a bracket": (lambda: npy("{'descr': ("), "it is no .npy file of numbers"),
    "less than it promises": (lambda: heading(shape="(1000, 4)"), "it is no .npy file of numbers"),
    "more than any memory": (lambda: heading(shape=f"({2**50}, 4)"), "it takes more memory than there is"),
    "texts": (lambda: saved(np.array([["a", "b", "c", "d"]])), "it is no .npy file of numbers"),
    "moments": (lambda: saved(np.zeros((1, 4), "M8[s]")), "it is no .npy file of numbers"),
    "a zip": (lambda: b"PK\x05\x06" + bytes(18), "it is no .npy file of numbers"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_array_is_refused(case: str, tmp_path: Path) -> None:
    """As numbers that a network takes, and as rows of a table."""
    content, why = ODD[case]
    path = tmp_path / "a.npy"
    path.write_bytes(content())

    def rows_of_numbers() -> object:
        return read_inputs(str(path), 4)

    def rows_of_a_table() -> object:
        return read_table_rows(str(path), ENCODING)

    for read in (rows_of_numbers, rows_of_a_table):
        with pytest.raises(InvalidError) as error:
            read()
        assert error.value.detail == f"{path} can't be read: {why}."


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_damaged_image_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    """Whatever its decoder stumbles on; 60 changes of each format, drawn with a fixed seed."""
    assert kind in FORMATS
    chance, path, file = random.Random(kind), tmp_path / "image", io.BytesIO()
    image = Image.effect_noise((16, 16), 50).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(file, kind, **({"exif": exif} if kind in {"PNG", "JPEG", "TIFF", "WEBP"} else {}))
    refused = 0
    for _ in range(MUTATIONS):
        content = bytearray(file.getvalue())
        for _ in range(chance.randrange(1, 6)):  # most of them where the heading is
            content[chance.randrange(min(len(content), chance.choice([64, 2**20])))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice([None, chance.randrange(len(content))])])
        try:
            assert read_inputs(str(path), 64).x.shape == (1, 64)
        except InvalidError:
            refused += 1
    assert refused > 0


def test_a_number_beyond_what_networks_calculate_with_is_refused(tmp_path: Path) -> None:
    """Float32 holds no 1e300; and of weights that overflow no number comes."""
    model = model_file(tmp_path, classes=[], quantity="length", unit="m", metric="val_r2")
    huge = [Layer(torch.full((1, 4), 3e38), torch.zeros(1))]
    model.write_bytes(with_info(to_bytes(huge, 0.9), read_info(model.read_bytes())))
    assert "a number is not finite, or beyond 1e+30" in str(predict_here(model, "-", stdin="1e300,0,0,0").exception)
    for arguments in ([], ["--json"]):
        refusal = predict_here(model, "-", *arguments, stdin="0,0,0,0\n1e9,0,0,0")
        assert str(refusal.exception) == "stdin:2: the network gives no finite number."


def test_names_tell_a_terminal_nothing(tmp_path: Path) -> None:
    """Those of files, which may be no text, and those of the classes in a stranger's model."""
    model = model_file(tmp_path, classes=["\x1b]0;gone\x07", "b", "c", "d"])
    path = os.fsencode(tmp_path / "rows") + b"\xff\x1b[2J.csv"
    Path(os.fsdecode(path)).write_text("1,0,0,0\n")
    answer = predict(model, os.fsdecode(path))
    assert (answer.returncode, answer.stderr) == (0, "")
    assert r"rows\udcff\x1b[2J.csv:1  \x1b]0;gone\x07 1.000" in answer.stdout


def test_a_damaged_model_is_used_or_refused(tmp_path: Path) -> None:
    """300 changes of one, drawn with a fixed seed."""
    content, chance = model_file(tmp_path).read_bytes(), random.Random(1)
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with suppress(ModelFileError):
            assert Network(bytes(changed)).probabilities(np.zeros((1, 4), np.float32)).shape == (1, 4)
