"""Files in IDX, in which MNIST and its relatives are published: read from a .zip or a folder, or refused."""

import gzip
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import InvalidError
from app.files.tables.idx_table import TYPES
from perceptune.data_files import file_of
from tests.app.files.tables.test_bad_files import features_of, npz, table_of
from tests.support.web.sent_files import sent_bytes

LUCK = np.random.default_rng(0)
IMAGES = LUCK.integers(0, 256, (60, 4, 4), dtype=np.uint8)
LABELS = (np.arange(60) % 3).astype(np.uint8)


def idx(array: NDArray[Any], kind: int = 8) -> bytes:
    """The array as a file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.astype(TYPES[kind]).tobytes()


FILES = {
    "train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES[:40])),
    "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS[:40])),
    "t10k-images-idx3-ubyte": idx(IMAGES[40:]),
    "t10k-labels-idx1-ubyte": idx(LABELS[40:]),
}


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_four_files_become_a_data_set(tmp_path: Path) -> None:
    """Packed or not, in a .zip or a folder: pixels from 0 to 1, and the test part is that of the files."""
    folder = tmp_path / "Tiny MNIST"
    folder.mkdir()
    for name, content in (FILES | {"readme.txt": b"?"}).items():
        (folder / name).write_bytes(content)
    sent = file_of(folder)
    assert (sent.name, sent.content) == ("tiny_mnist", file_of(str(folder)).content)
    for content in (sent_bytes(sent), zipped({f"data/{name}": content for name, content in FILES.items()})):
        dataset = table_of(content, tmp_path)
        assert dataset.split is not None
        assert dataset.split.test.tolist() == list(range(40, 60))
        assert np.allclose(features_of(dataset), IMAGES.reshape(60, 16) / 255)
        assert dataset.target is not None
        assert dataset.target.labels == ("0", "1", "2")
        assert dataset.target.values.tolist() == LABELS.tolist()


@pytest.mark.parametrize("kind", TYPES)
def test_numbers_of_every_type_are_read(kind: int, tmp_path: Path) -> None:
    """Whole ones and floats, in the order of bytes that the format has, without a part to test on."""
    x = LUCK.integers(-90, 90, (60, 2)) if kind != 8 else LUCK.integers(0, 90, (60, 2))
    dataset = table_of(zipped({"images.idx": idx(x, kind), "labels.idx": idx(LABELS)}), tmp_path)
    assert dataset.table.test_rows == 0
    assert [column["distinct"] for column in dataset.columns] == [*(len(np.unique(x[:, n])) for n in (0, 1)), 3]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train-labels-idx1-ubyte.gz": None}, "the .zip must hold images and labels to train on"),
        ({"t10k-labels-idx1-ubyte": None}, "both or none of those to test on"),
        ({"t10k-labels-idx1-ubyte": b"what else"}, "t10k-labels-idx1-ubyte is no IDX file"),
        ({"t10k-labels-idx1-ubyte": idx(LABELS[40:])[:-1]}, "t10k-labels-idx1-ubyte is cut off or altered"),
        ({"t10k-labels-idx1-ubyte": idx(LABELS[41:])}, "test_x has 20 examples and test_y 19: they must be as many"),
        ({"t10k-images-idx3-ubyte": idx(IMAGES[40:, 1:])}, "examples must be alike"),
        ({"train-labels-idx1-ubyte": idx(LABELS)}, "the .zip holds some of its files twice"),
        ({"train-images-idx3-ubyte.gz": FILES["train-images-idx3-ubyte.gz"][:-9]}, "the .zip is damaged"),
    ],
)
def test_what_is_not_whole_is_refused(changes: dict[str, bytes | None], sentence: str, tmp_path: Path) -> None:
    """With the name of the file that is wrong."""
    files = {name: content for name, content in (FILES | changes).items() if content is not None}
    with pytest.raises(InvalidError) as error:
        table_of(zipped(files), tmp_path)
    assert sentence in error.value.errors[0].msg


def test_a_folder_without_such_files_is_told_so(tmp_path: Path) -> None:
    """With the name of one that is missed."""
    with pytest.raises(ValueError, match="is a folder without IDX files, such as train-images-idx3-ubyte"):
        file_of(tmp_path)


def test_an_npz_may_have_arrays_of_places_beside_x_and_y(tmp_path: Path) -> None:
    """That `train_idx` is in it makes no IDX files of its arrays."""
    dataset = table_of(npz(x=IMAGES, y=LABELS, train_idx=np.arange(40)), tmp_path)
    assert dataset.table.rows == 60
