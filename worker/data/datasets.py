"""The named data sets as tensors on a device, with fixed splits."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.domain.datasets import DATASETS, SPLITS, DatasetInfo, Scaling
from app.domain.tables.split import shuffled, spread
from worker.data import fashion_mnist
from worker.data.fashion_mnist import MIRRORS
from worker.data.idx_files import DatasetError, Progress
from worker.data.scaling import scaling_of, standardized
from worker.mlp.split import Split

__all__ = ["Dataset", "DatasetError", "available", "ensure", "load"]

PARTS = ("train", "held_out", "test")  # of a stored data set
SPLIT_SEED = 5_2_4  # of every split, whatever the sweep's seed: all sweeps are judged on the same examples


class Dataset(NamedTuple):
    """A data set, split."""

    name: str
    train_x: Tensor  # [n, features] float in [0, 1], or standardized
    train_y: Tensor  # [n] int64 in 0..classes - 1, or standardized numbers
    val_x: Tensor
    val_y: Tensor
    test_x: Tensor  # as a model file takes them: of numbers in their own units
    test_y: Tensor
    classes: int  # 0 where targets are numbers
    scaling: Scaling | None = None  # of numbers

    def training_split(self) -> Split:
        """The examples that a training reads: those to train on and those to validate with."""
        return Split(self.train_x, self.train_y, self.val_x, self.val_y, self.classes, self.scaling)


class _Arrays(NamedTuple):
    """A data set as it is published, before it is scaled and split."""

    train_x: NDArray[Any]  # [n, features] in 0..scale, or float64 in their own units
    train_y: NDArray[Any]  # [n]
    test_x: NDArray[Any]
    test_y: NDArray[Any]
    scale: float = 0.0  # what becomes 1; 0: features and targets are standardized


def load(
    name: str,
    split: str,
    *,
    home: Path,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> Dataset:
    """The data set on the device, downloaded first if it must be. `home` is the data folder.

    `holdout` validates on part of the training examples, held out by a fixed seed; `book` trains on all of them and
    validates on the test examples, as *Dive into Deep Learning* does. Numbers that are no pixels, and targets that are
    numbers, are standardized by the examples that are trained on. Raises DatasetError.
    """
    info = _info(name)
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
    arrays = _fashion_mnist(home, progress) if name == "fashion_mnist" else _BUNDLED[name]()
    train, held_out = np.arange(info.train), None
    if split == "holdout":
        held_out, train = _held_out(arrays.train_y, info)
    scaling = None if arrays.scale else scaling_of(arrays.train_x[train], arrays.train_y[train])

    def tensors(x: NDArray[Any], y: NDArray[Any], scaling: Scaling | None = scaling) -> tuple[Tensor, Tensor]:
        if not arrays.scale:
            numbers = (x, y) if scaling is None else standardized(scaling, x, y)
            return torch.from_numpy(numbers[0]).to(device, dtype), torch.from_numpy(numbers[1]).to(device, dtype)
        # moved as bytes and scaled there: a quarter of the traffic
        features = torch.from_numpy(x.copy()).to(device).to(dtype).div_(arrays.scale)
        return features, torch.from_numpy(y.astype(np.int64)).to(device)

    training = tensors(arrays.train_x[train], arrays.train_y[train])
    test = tensors(arrays.test_x, arrays.test_y, None)
    if held_out is not None:
        validation = tensors(arrays.train_x[held_out], arrays.train_y[held_out])
    else:
        validation = test if scaling is None else tensors(arrays.test_x, arrays.test_y)
    return Dataset(name, *training, *validation, *test, info.classes, scaling)


def load_stored(
    path: Path, info: DatasetInfo, split: str, device: torch.device, dtype: torch.dtype = torch.float32
) -> Dataset:
    """A stored data set on the device, from its file, whose hash was checked. Splits are those of `load`.

    Features are scaled as they are stored; numbers as targets are standardized here, in float64 and so on the CPU: not
    every device has that.
    """
    from safetensors.torch import load_file  # late: benchmarks of built-in data have no need of it

    tensors = load_file(path, device="cpu")
    train, held_out, test = ((tensors[f"{part}_x"].to(device, dtype), tensors[f"{part}_y"]) for part in PARTS)
    if split == "book":
        train = torch.cat([train[0], held_out[0]]), torch.cat([train[1], held_out[1]])
        held_out = test
    if info.target == "class":
        train, held_out, test = ((x, y.to(device)) for x, y in (train, held_out, test))
        return Dataset(info.name, *train, *held_out, *test, info.classes)
    mean, std = train[1].mean(), train[1].std(correction=0)

    def standardized_target(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x, ((y - mean) / std).to(device, dtype)

    training, validation = standardized_target(*train), standardized_target(*held_out)
    scaling = Scaling((), (), mean.item(), std.item())
    return Dataset(info.name, *training, *validation, test[0], test[1].to(device, dtype), 0, scaling)


def check_fits(info: DatasetInfo, split: str, free_bytes: int) -> None:
    """Raises DatasetError for a stored data set that is larger than the memory of its device that is free."""
    copied_rows = info.train if split == "book" else 0  # what was held out is put behind the others
    size = (info.train + info.test + copied_rows) * info.features * 4
    if size > free_bytes:
        raise DatasetError(
            f"{info.name} takes {size / 2**20:,.0f} MiB of memory with the split {split}, and this worker's device has "
            f"{free_bytes / 2**20:,.0f} MiB free: store fewer rows or columns of it, or give the worker more."
        )


def ensure(name: str, home: Path, mirrors: Sequence[str] = MIRRORS, progress: Progress | None = None) -> Path:
    """The folder of the data set, whole and unaltered, downloaded first if it must be. Raises DatasetError."""
    _info(name)
    if name in _BUNDLED:
        return _scikit_learn_folder()
    folder = fashion_mnist.find(home) or fashion_mnist.download(home, mirrors, progress)
    fashion_mnist.read(folder)
    return folder


def available(name: str, home: Path) -> str | None:
    """Where the data set lies on this machine, None if nowhere. Asks no network and reads no image."""
    _info(name)
    folder = _scikit_learn_folder() if name in _BUNDLED else fashion_mnist.find(home)
    return None if folder is None else str(folder)


def _held_out(targets: NDArray[Any], info: DatasetInfo) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The training examples that the split `holdout` validates on, and those that it trains on."""
    if info.target == "number":
        return spread(targets, info.held_out, SPLIT_SEED)
    order = shuffled(info.train, SPLIT_SEED)
    return np.sort(order[: info.held_out]), np.sort(order[info.held_out :])


def _info(name: str) -> DatasetInfo:
    if name not in DATASETS:
        raise DatasetError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}.")
    return DATASETS[name]


def _fashion_mnist(home: Path, progress: Progress | None) -> _Arrays:
    folder = fashion_mnist.find(home) or fashion_mnist.download(home, progress=progress)
    images = fashion_mnist.read(folder)
    return _Arrays(images.train_x, images.train_y, images.test_x, images.test_y, 255.0)


def _digits() -> _Arrays:
    """The digits of scikit-learn (UCI, test set of Alpaydin and Kaynak). Always the same fifth of them is the test."""
    from sklearn.datasets import load_digits  # late: its import takes about a second

    x, y = cast(tuple[NDArray[np.float64], NDArray[np.int64]], load_digits(return_X_y=True))
    order, test_size = shuffled(len(y), SPLIT_SEED), DATASETS["digits"].test
    train, test = np.sort(order[test_size:]), np.sort(order[:test_size])
    return _Arrays(x[train].astype(np.uint8), y[train], x[test].astype(np.uint8), y[test], 16.0)


def _diabetes() -> _Arrays:
    """The diabetes data of scikit-learn (Efron et al. 2004) in their own units. Always the same fifth is the test."""
    from sklearn.datasets import load_diabetes

    x, y = cast(tuple[NDArray[np.float64], NDArray[np.float64]], load_diabetes(return_X_y=True, scaled=False))
    test, train = spread(y, DATASETS["diabetes"].test, SPLIT_SEED)
    return _Arrays(x[train], y[train], x[test], y[test])


_BUNDLED: Mapping[str, Callable[[], _Arrays]] = {"digits": _digits, "diabetes": _diabetes}


def _scikit_learn_folder() -> Path:
    from sklearn import datasets

    return Path(cast(str, datasets.__file__)).parent / "data"
