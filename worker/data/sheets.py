"""Draws the sheets of examples that the page of the data sets shows: a row for each class.

    python -m worker.data.sheets

Fashion-MNIST is under the MIT licence, the digits of scikit-learn under CC BY 4.0.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from app.domain.datasets import DATASETS
from worker.data import datasets

FOLDER = Path(__file__).parents[2] / "app" / "web" / "static" / "datasets"
COLUMNS = 10


def sheet(name: str, home: Path) -> NDArray[np.uint8]:
    """[classes · side, columns · side] in 0..255: the first test examples of each class, a class a row."""
    data = datasets.load(name, "book", home=home, device=torch.device("cpu"))
    side = int(data.test_x.shape[1] ** 0.5)
    rows = [
        data.test_x[data.test_y == label][:COLUMNS].reshape(COLUMNS, side, side).permute(1, 0, 2).reshape(side, -1)
        for label in range(data.classes)
    ]
    return (torch.cat(rows) * 255).round().to(torch.uint8).numpy()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        for name in (info.name for info in DATASETS.values() if info.target == "class"):
            Image.fromarray(sheet(name, Path(home))).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
