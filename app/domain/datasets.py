"""What is known of the data sets that sweeps can name: shapes, sizes and splits, never the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

MAX_NAME_LENGTH = 60  # characters of the name of a data set
PUBLISHED = {
    **{name: f"sklearn:{name}" for name in ("breast_cancer", "california_housing", "covertype", "iris", "wine")},
    **{name: f"download:{name}" for name in ("kmnist", "mnist")},
}
"""Data sets that others publish, by what `perceptune data add` calls them: they are there once they are stored."""
Target = Literal["class", "number"]
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
    """Classes that the examples are told apart by; 0 where the target is a number."""
    train: int
    """Training examples, before any split."""
    test: int
    """Test examples."""
    held_out: int
    """Of the training examples, those that the split `holdout` validates on."""
    source: str
    """Where it comes from: an address, or the name of the file that it was read from."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of their numbers."""
    class_counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Examples of each class, or in each of `ranges`: of `train`, of those `held_out`, and of `test`."""
    target: Target = "class"
    """Whether what is told of an example is its class (classification) or a number (regression)."""
    quantity: str = ""
    """What the number is, where the target is one."""
    unit: str = ""
    """What it is counted in."""
    ranges: tuple[float, ...] = ()
    """Edges of the ranges of the number, one more than there are ranges; each has its lower edge, and not its upper."""
    feature_names: tuple[str, ...] = ()
    """Names of the features, where they have some: pixels have none."""

    content_hash: str | None = None
    """SHA-256 of what is stored of it; None of a data set that is built in."""

    @property
    def noun(self) -> str:
        """What people call its examples."""
        if self.content_hash:
            return "rows"
        return "examples" if self.feature_names else "images"

    @property
    def outputs(self) -> int:
        """Outputs of a network: one for each class, or one for the number."""
        return self.classes or 1

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs: what a network has to fit."""
        return self.features, self.outputs

    def train_examples(self, split: str) -> int:
        """Examples that an epoch trains on under this split."""
        return self.train - (self.held_out if split == "holdout" else 0)


@dataclass(frozen=True)
class Scaling:
    """How features and target were standardized: to mean 0 and deviation 1 among the examples that are trained on."""

    feature_means: tuple[float, ...]
    """Empty where features are as they are stored."""
    feature_stds: tuple[float, ...]
    target_mean: float
    target_std: float
    """What 1 of a standardized target is in its own units."""


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

_DIABETES = DatasetInfo(
    name="diabetes",
    title="Diabetes: the progression of the disease in a year by ten measurements of a patient, from scikit-learn",
    features=10,
    classes=0,
    train=353,
    test=89,
    held_out=71,
    source="https://scikit-learn.org/stable/datasets/toy_dataset.html#diabetes-dataset",
    target="number",
    quantity="disease progression",
    unit="points",
    ranges=(25, 50, 75, 100, 150, 200, 250, 300, 350),
    class_counts={
        "train": (16, 52, 49, 74, 61, 49, 42, 10),
        "held_out": (3, 10, 10, 16, 11, 10, 9, 2),
        "test": (4, 13, 13, 17, 16, 13, 9, 4),
    },
    feature_names=("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
)

DATASETS: dict[str, DatasetInfo] = {info.name: info for info in (_FASHION_MNIST, _DIGITS, _DIABETES)}
