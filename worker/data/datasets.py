"""The named data sets as tensors on a device, with fixed splits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.data import fashion_mnist
from worker.data.fashion_mnist import MIRRORS, DatasetError, Progress

__all__ = ["NAMES", "SPLITS", "Dataset", "DatasetError", "DatasetFacts", "available", "ensure", "load", "shuffled"]

Split = Literal["holdout", "book"]
SPLITS: tuple[str, ...] = get_args(Split)
SPLIT_SEED = 5_2_4  # of every split, whatever the sweep's seed: all sweeps are judged on the same images


class DatasetFacts(NamedTuple):
    """What is known of a data set before it is loaded. `holdout` is how many of `train` that split validates on."""

    features: int
    classes: int
    train: int
    holdout: int
    test: int
    description: str


NAMES: dict[str, DatasetFacts] = {
    "fashion_mnist": DatasetFacts(784, 10, 60_000, 10_000, 10_000, "28x28 grey images of clothes in 10 classes"),
    "digits": DatasetFacts(64, 10, 1_437, 287, 360, "8x8 grey images of handwritten digits, shipped with scikit-learn"),
}


class Dataset(NamedTuple):
    """A data set, split: x is [n, features] in [0, 1], y is int64 [n] in 0..classes - 1."""

    name: str
    train_x: Tensor
    train_y: Tensor
    val_x: Tensor
    val_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int


class _Arrays(NamedTuple):
    """Raw features [n, features] from 0 to `scale`, and labels [n]."""

    train_x: NDArray[np.generic]
    train_y: NDArray[np.generic]
    test_x: NDArray[np.generic]
    test_y: NDArray[np.generic]
    scale: float


def load(
    name: str,
    split: str,
    *,
    home: Path,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> Dataset:
    """The data set on the device. Downloads it first if it must; `home` is the data folder.

    `holdout` validates on part of the training images, held out by a fixed seed; `book` trains on all of them and
    validates on the test images, as *Dive into Deep Learning* does. Raises DatasetError.
    """
    facts = _facts(name)
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
    arrays = _digits() if name == "digits" else _fashion_mnist(home, progress)

    def tensors(x: NDArray[np.generic], y: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
        # moved as bytes and scaled there: a quarter of the traffic
        features = torch.from_numpy(x.copy()).to(device).to(dtype).div_(arrays.scale)
        return features, torch.from_numpy(y.astype(np.int64)).to(device)

    test = tensors(arrays.test_x, arrays.test_y)
    if split == "book":
        return Dataset(name, *tensors(arrays.train_x, arrays.train_y), *test, *test, facts.classes)
    order = shuffled(facts.train)
    train, held_out = np.sort(order[facts.holdout :]), np.sort(order[: facts.holdout])
    training = tensors(arrays.train_x[train], arrays.train_y[train])
    validation = tensors(arrays.train_x[held_out], arrays.train_y[held_out])
    return Dataset(name, *training, *validation, *test, facts.classes)


def ensure(name: str, home: Path, mirrors: Sequence[str] = MIRRORS, progress: Progress | None = None) -> Path:
    """Makes the data set be on this machine, whole and unaltered, and gives back its folder. Raises DatasetError."""
    _facts(name)
    if name == "digits":
        return _digits_folder()
    folder = fashion_mnist.find(home) or fashion_mnist.download(home, mirrors, progress)
    fashion_mnist.read(folder)
    return folder


def available(name: str, home: Path) -> str | None:
    """Where the data set lies on this machine, None if nowhere. Asks no network and reads no image."""
    _facts(name)
    folder = _digits_folder() if name == "digits" else fashion_mnist.find(home)
    return None if folder is None else str(folder)


def shuffled(n: int) -> NDArray[np.int64]:
    """0..n-1 in an order that is the same on every machine and with every version.

    numpy guarantees the raw stream of PCG64 for a seed, but not that of `Generator.permutation`.
    """
    keys = np.random.PCG64(SPLIT_SEED).random_raw(n)
    return np.argsort(keys, kind="stable").astype(np.int64)


def _facts(name: str) -> DatasetFacts:
    if name not in NAMES:
        raise DatasetError(f"There is no data set {name!r}; there are {', '.join(NAMES)}.")
    return NAMES[name]


def _fashion_mnist(home: Path, progress: Progress | None) -> _Arrays:
    folder = fashion_mnist.find(home) or fashion_mnist.download(home, progress=progress)
    images = fashion_mnist.read(folder)
    return _Arrays(images.train_x, images.train_y, images.test_x, images.test_y, 255.0)


def _digits() -> _Arrays:
    """scikit-learn's digits (UCI, test set of Alpaydin and Kaynak); a fifth of them, always the same, are the test."""
    from sklearn.datasets import load_digits  # late: its import takes about a second

    x, y = cast(tuple[NDArray[np.float64], NDArray[np.int64]], load_digits(return_X_y=True))
    order = shuffled(len(y))
    train, test = np.sort(order[360:]), np.sort(order[:360])
    return _Arrays(x[train].astype(np.uint8), y[train], x[test].astype(np.uint8), y[test], 16.0)


def _digits_folder() -> Path:
    from sklearn import datasets

    return Path(cast(str, datasets.__file__)).parent / "data"
