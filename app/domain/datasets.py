"""The data sets by name, with the facts that the server needs: shapes and sizes, never the data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetInfo:
    """`features` numbers an example, `classes` classes; `train` and `test` count examples before any split."""

    name: str
    title: str
    features: int
    classes: int
    train: int
    test: int
    held_out: int  # of the training examples, for validation under the split `holdout`
    source: str
    labels: tuple[str, ...]  # names of the classes, in the order of their numbers


DATASETS = {
    facts.name: facts
    for facts in (
        DatasetInfo(
            "fashion_mnist",
            "Fashion-MNIST: 28x28 grey images of clothes",
            784,
            10,
            60_000,
            10_000,
            10_000,
            "https://github.com/zalandoresearch/fashion-mnist",
            (
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
        ),
        DatasetInfo(
            "digits",
            "Digits: 8x8 grey images of handwritten digits, from scikit-learn",
            64,
            10,
            1437,
            360,
            287,
            "https://scikit-learn.org/stable/datasets/toy_dataset.html#digits-dataset",
            tuple("0123456789"),
        ),
    )
}
