"""The data sets that sweeps can name, and their splits: shapes and sizes, never the data."""

from dataclasses import dataclass
from typing import Literal, get_args

DatasetName = Literal["fashion_mnist", "digits"]
Split = Literal["holdout", "book"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set before it is loaded."""

    name: DatasetName
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
    """Where it comes from, an address."""
    labels: tuple[str, ...]
    """Names of the classes, in the order of their numbers."""

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
)

DATASETS: dict[str, DatasetInfo] = {info.name: info for info in (_FASHION_MNIST, _DIGITS)}
