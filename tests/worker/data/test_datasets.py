import gzip
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.domain.datasets import DATASETS, SPLITS, Split
from app.domain.tables.split import shuffled
from worker.data import fashion_mnist, idx_files
from worker.data.datasets import SPLIT_SEED, Dataset, DatasetError, available, ensure, load
from worker.data.fashion_mnist import FILES, data_folder
from worker.data.sheets import FOLDER, sheet

CPU = torch.device("cpu")
USER_HOME = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "perceptune"


@pytest.fixture(scope="module")
def real() -> Path:
    """The folder of this machine's own Fashion-MNIST."""
    homes = [Path(os.environ.get("PERCEPTUNE_HOME") or USER_HOME), Path("/var/lib/perceptune")]
    folder = next((found for home in homes if (found := fashion_mnist.find(home))), None)
    if folder is None:
        pytest.skip("Fashion-MNIST is not on this machine: run scripts/fetch-fashion-mnist")
    return folder


@pytest.fixture
def no_system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Debian's package, whose proxies, if any, are not asked for loopback."""
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "no such folder")
    monkeypatch.setenv("no_proxy", "*")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which a server on loopback serves it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def serve(real: Path, folder: Path) -> None:
    """Puts .gz files with a header of their own on the mirror."""
    for path in real.iterdir():
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        (folder / f"{path.name.removesuffix('.gz')}.gz").write_bytes(gzip.compress(raw, compresslevel=1, mtime=524))


def copy(real: Path, home: Path) -> Path:
    folder = data_folder(home)
    shutil.copytree(real, folder)
    return folder


def rows(x: torch.Tensor) -> set[bytes]:
    return {row.tobytes() for row in x.numpy()}


def split_sizes(data: Dataset) -> tuple[int, int, int]:
    return len(data.train_y), len(data.val_y), len(data.test_y)


def test_fashion_mnist_is_the_published_one(real: Path) -> None:
    """60,000 and 10,000 images of 28x28 in ten classes of equal size; the first labels are the published ones."""
    images = fashion_mnist.read(real)
    assert images.train_x.shape == (60_000, 784)
    assert images.test_x.shape == (10_000, 784)
    assert np.bincount(images.train_y).tolist() == [6_000] * 10
    assert np.bincount(images.test_y).tolist() == [1_000] * 10
    assert images.train_y[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert images.test_y[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]


def test_holdout_keeps_every_image_once(real: Path, tmp_path: Path) -> None:
    """`holdout` trains on 50,000 and validates on 10,000 others; both together are the 60,000 training images."""
    holdout, book = (
        load("fashion_mnist", split, home=home_of(real, tmp_path), device=CPU) for split in ("holdout", "book")
    )
    assert split_sizes(holdout) == (50_000, 10_000, 10_000)
    assert split_sizes(book) == (60_000, 10_000, 10_000)
    together = torch.cat([holdout.train_x, holdout.val_x]).sum(1).sort().values
    assert torch.equal(together, book.train_x.sum(1).sort().values)
    assert torch.equal(torch.bincount(torch.cat([holdout.train_y, holdout.val_y])), torch.full((10,), 6_000))
    assert int(torch.bincount(holdout.val_y).min()) > 900
    assert torch.equal(holdout.test_x, book.test_x)


def test_book_validates_on_the_test_images(real: Path, tmp_path: Path) -> None:
    """`book` does as the book does, and its pixels are scaled to [0, 1]."""
    data = load("fashion_mnist", "book", home=home_of(real, tmp_path), device=CPU)
    assert data.val_x is data.test_x
    assert data.val_y is data.test_y
    assert (data.train_x.dtype, data.train_y.dtype) == (torch.float32, torch.int64)
    assert (float(data.train_x.min()), float(data.train_x.max())) == (0.0, 1.0)
    assert abs(float(data.train_x.mean()) - 0.2860) < 1e-4  # the mean that is known of the training images


def home_of(real: Path, tmp_path: Path) -> Path:
    """A data folder through which this machine's files are found, also where they are not the system's."""
    if real == fashion_mnist.SYSTEM_FOLDER:
        return tmp_path
    return real.parent.parent


@pytest.mark.parametrize(("split", "sizes"), [("holdout", (1_150, 287, 360)), ("book", (1_437, 360, 360))])
def test_digits_are_split_without_overlap(split: str, sizes: tuple[int, int, int], tmp_path: Path) -> None:
    """The digits need no file; what is trained on is never validated or tested on."""
    data = load("digits", split, home=tmp_path, device=CPU, dtype=torch.float64)
    assert split_sizes(data) == sizes
    assert data.train_x.shape[1] == DATASETS["digits"].features
    assert float(data.train_x.max()) == 1.0
    assert not rows(data.train_x) & (rows(data.val_x) | rows(data.test_x))
    assert int(torch.bincount(data.val_y).min()) >= 15
    assert list(tmp_path.iterdir()) == []


def test_the_split_never_changes() -> None:
    """The order is pinned: results of different machines and versions are about the same images."""
    order = shuffled(60_000, SPLIT_SEED)
    assert sorted(order.tolist()) == list(range(60_000))
    assert (
        hashlib.sha256(order.tobytes()).hexdigest()
        == "4ffa84d0ea78153923cd916e5b028b4635e7187277b584a5f4b054fca60e06e8"
    )


@pytest.mark.usefixtures("no_system_folder")
def test_raw_files_are_as_good_as_gz(real: Path, tmp_path: Path) -> None:
    """Files that the user has unpacked are found in the data folder and read."""
    folder = copy(real, tmp_path)
    for path in folder.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert available("fashion_mnist", tmp_path) == str(folder)
    assert ensure("fashion_mnist", tmp_path, mirrors=()) == folder


@pytest.mark.usefixtures("no_system_folder")
@pytest.mark.parametrize("damage", ["truncated", "altered", "other", "too long"])
def test_a_damaged_file_is_refused_by_name(damage: str, real: Path, tmp_path: Path) -> None:
    """A truncated, altered, exchanged or padded file is never trained on; the sentence names it."""
    folder = copy(real, tmp_path)
    victim = next(folder.glob("train-labels-idx1-ubyte*"))
    raw = idx_files.decompress(victim.read_bytes(), FILES[1])
    altered = bytearray(raw)
    altered[-1] ^= 1
    contents = {
        "truncated": victim.read_bytes()[:-1000],
        "altered": gzip.compress(bytes(altered)),
        "other": b"<html>404</html>",
        "too long": gzip.compress(raw + b"\0" * 10_000_000),
    }
    victim.write_bytes(contents[damage])
    with pytest.raises(DatasetError, match=r"train-labels-idx1-ubyte\S* is truncated or altered"):
        load("fashion_mnist", "holdout", home=tmp_path, device=CPU)
    with pytest.raises(DatasetError, match="truncated or altered"):
        ensure("fashion_mnist", tmp_path)


@pytest.mark.usefixtures("no_system_folder")
def test_a_download_is_checked_and_reported(real: Path, mirror: tuple[Path, str], tmp_path: Path) -> None:
    """From the first mirror that has them, with progress up to the whole; the second time nothing is fetched."""
    folder, url = mirror
    serve(real, folder)
    seen: list[tuple[str, int, int]] = []
    home = tmp_path / "home"
    where = ensure("fashion_mnist", home, (f"{url}nothing-here/", url), lambda *step: seen.append(step))
    assert where == data_folder(home)
    assert sorted(path.name for path in where.iterdir()) == sorted(f"{file.name}.gz" for file in FILES)
    name = "train-images-idx3-ubyte.gz"
    size = (folder / name).stat().st_size
    steps = [step for step in seen if step[0] == name]
    assert len(steps) > 10
    assert steps[-1] == (name, size, size)
    seen.clear()
    assert ensure("fashion_mnist", home, (url,), lambda *step: seen.append(step)) == where
    assert seen == []


@pytest.mark.usefixtures("no_system_folder")
def test_a_wrong_download_leaves_nothing_behind(real: Path, mirror: tuple[Path, str], tmp_path: Path) -> None:
    """A mirror that serves something else is not believed, and no file of it stays."""
    folder, url = mirror
    serve(real, folder)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"not the images"))
    with pytest.raises(DatasetError, match="not the expected SHA-256"):
        ensure("fashion_mnist", tmp_path, (url,))
    assert list(data_folder(tmp_path).iterdir()) == []
    assert available("fashion_mnist", tmp_path) is None


@pytest.mark.usefixtures("no_system_folder")
def test_offline_and_absent_names_all_three_ways(tmp_path: Path) -> None:
    """One sentence: put the files there, install the package, or go online."""
    with ThreadingHTTPServer(("127.0.0.1", 0), QuietHandler) as server:
        closed_port = server.server_port
    with pytest.raises(DatasetError) as error:
        ensure("fashion_mnist", tmp_path, (f"http://127.0.0.1:{closed_port}/",))
    sentence = str(error.value)
    assert str(data_folder(tmp_path)) in sentence
    assert "apt install dataset-fashion-mnist" in sentence
    assert "perceptune data" in sentence
    assert "\n" not in sentence


@pytest.mark.usefixtures("no_system_folder")
def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where the folder should be is a sentence, not a traceback."""
    (tmp_path / "datasets").write_text("in the way")
    with pytest.raises(DatasetError, match="Can't write Fashion-MNIST to"):
        ensure("fashion_mnist", tmp_path, ())


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_loaded_is_what_was_told(name: str, real: Path, tmp_path: Path) -> None:
    """Sizes and shapes that the server tells of a data set, which it never loads, are those of its tensors."""
    info, home = DATASETS[name], home_of(real, tmp_path)
    for split in SPLITS:
        data = load(name, split, home=home, device=CPU)
        assert data.training_split().shape == info.shape
        assert len(data.train_y) == info.train_examples(split)
        assert split_sizes(data)[1:] == (info.held_out if split == "holdout" else info.test, info.test)
        assert data.classes == info.classes == len(info.labels)
        if info.target == "class":
            assert int(data.train_y.max()) == info.classes - 1


def test_unknown_names_are_told_what_exists(tmp_path: Path) -> None:
    """A misspelt data set or split is answered with the right spellings."""
    with pytest.raises(DatasetError, match="no data set 'mnist'; there are fashion_mnist, digits, diabetes"):
        load("mnist", "holdout", home=tmp_path, device=CPU)
    with pytest.raises(DatasetError, match="no split 'test'; there are holdout, book"):
        load("digits", "test", home=tmp_path, device=CPU)


@pytest.mark.parametrize("split", SPLITS)
def test_diabetes_is_standardized_by_what_is_trained_on(split: Split, tmp_path: Path) -> None:
    """Features and target have mean 0 and deviation 1 there, and each part has as easy a target as the others."""
    data = load("diabetes", split, home=tmp_path, device=CPU, dtype=torch.float64)
    numbers = torch.cat([data.train_x, data.train_y.unsqueeze(1)], 1)
    assert numbers.mean(0).abs().max() < 1e-12
    assert torch.allclose(numbers.std(0, correction=0), torch.ones(11, dtype=torch.float64))
    assert data.scaling is not None
    for targets in (data.val_y, (data.test_y - data.scaling.target_mean) / data.scaling.target_std):
        assert abs(targets.mean()) < 0.05
        assert abs(targets.std() - 1) < 0.05
    assert not rows(data.train_x) & rows(data.val_x)
    own_units = data.train_y * data.scaling.target_std + data.scaling.target_mean
    assert torch.allclose(own_units, own_units.round())  # whole points, as they are published


def test_ranges_of_the_target_have_the_examples_that_are_told(tmp_path: Path) -> None:
    """The counts by range are those of the data, and no example is outside of all ranges."""
    data, facts = load("diabetes", "holdout", home=tmp_path, device=CPU, dtype=torch.float64), DATASETS["diabetes"]
    assert data.scaling is not None
    train, held_out = (part * data.scaling.target_std + data.scaling.target_mean for part in (data.train_y, data.val_y))
    parts = {"train": torch.cat([train, held_out]), "held_out": held_out, "test": data.test_y}
    edges = [edge - 0.5 for edge in facts.ranges]  # targets are whole numbers, but for the last bit
    counts = {name: tuple(np.histogram(part, edges)[0].tolist()) for name, part in parts.items()}
    assert counts == dict(facts.class_counts)
    assert [sum(counts[name]) for name in counts] == [facts.train, facts.held_out, facts.test]


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", ["fashion_mnist", "digits"])
def test_what_is_said_of_classes_is_so(name: str, tmp_path: Path) -> None:
    """The counts of each class are those of the data, and the sheet of examples has the first test images of each."""
    data, facts = load(name, "holdout", home=tmp_path, device=torch.device("cpu")), DATASETS[name]
    held_out, test = (torch.bincount(labels, minlength=facts.classes) for labels in (data.val_y, data.test_y))
    train = held_out + torch.bincount(data.train_y, minlength=facts.classes)
    counts = {"train": tuple(train.tolist()), "held_out": tuple(held_out.tolist()), "test": tuple(test.tolist())}
    assert counts == dict(facts.class_counts)
    assert (sum(counts["train"]), sum(counts["held_out"]), sum(counts["test"])) == (
        facts.train,
        facts.held_out,
        facts.test,
    )
    with Image.open(FOLDER / f"{name}.png") as image:
        assert (np.asarray(image) == sheet(name, tmp_path)).all()
