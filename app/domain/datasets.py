"""What is known of the data sets that sweeps can name: shapes, sizes and splits, never the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

MAX_NAME_LENGTH = 60  # characters of the name of a data set
Split = Literal["holdout", "book"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set before it is loaded."""

    name: str
    """What sweeps call it."""
    title: str
    """What people call it, in a line."""
    features: int
    """Numbers an example."""
    classes: int
    """Classes that the examples are told apart by."""
    train: int
    """Training examples, before any split."""
    test: int
    """Test examples."""
    held_out: int
    """Of the training examples, those that the split `holdout` validates on."""
    source: str
    """Where it comes from: an address, or the name of the file that it was read from."""
    labels: tuple[str, ...]
    """Names of the classes, in the order of their numbers."""
    class_counts: Mapping[str, tuple[int, ...]]
    """Examples of each class: of `train`, of those of them that are `held_out`, and of `test`."""
    content_hash: str | None = None
    """SHA-256 of what is stored of it; None of a data set that is built in."""

    @property
    def noun(self) -> str:
        """What people call its examples."""
        return "rows" if self.content_hash else "images"

    @property
    def shape(self) -> tuple[int, int]:
        """Features and classes: what a network has to fit."""
        return self.features, self.classes

    def train_examples(self, split: str) -> int:
        """Examples that an epoch trains on under this split."""
        return self.train - (self.held_out if split == "holdout" else 0)


_FASHION_MNIST = DatasetInfo(
    name="fashion_mnist",
    title="Fashion-MNIST: 28x28 grey images of clothes",
    features=784,
    classes=10,
    train=60_000,
    test=10_000,
    held_out=10_000,
    source="https://github.com/zalandoresearch/fashion-mnist",
    labels=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    class_counts={
        "train": (6_000,) * 10,
        "held_out": (972, 1_039, 974, 1_001, 989, 932, 990, 1_029, 1_042, 1_032),
        "test": (1_000,) * 10,
    },
)

_DIGITS = DatasetInfo(
    name="digits",
    title="Digits: 8x8 grey images of handwritten digits, from scikit-learn",
    features=64,
    classes=10,
    train=1_437,
    test=360,
    held_out=287,
    source="https://scikit-learn.org/stable/datasets/toy_dataset.html#digits-dataset",
    labels=tuple("0123456789"),
    class_counts={
        "train": (148, 148, 143, 145, 138, 150, 143, 141, 136, 145),
        "held_out": (33, 33, 25, 30, 25, 31, 30, 28, 24, 28),
        "test": (30, 34, 34, 38, 43, 32, 38, 38, 38, 35),
    },
)

DATASETS: dict[str, DatasetInfo] = {info.name: info for info in (_FASHION_MNIST, _DIGITS)}
