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
GAP_OF_SIDE = 8


def sheet(name: str, home: Path) -> NDArray[np.uint8]:
    """[rows, columns, 2] in 0..255, brightness and opacity: the first test examples of each class, a class a row.

    Between images is a gap of an eighth of one, which is transparent.
    """
    data = datasets.load(name, "book", home=home, device=torch.device("cpu"))
    side = int(data.test_x.shape[1] ** 0.5)
    tile = side + side // GAP_OF_SIDE
    tiles = np.zeros((data.classes, COLUMNS, tile, tile, 2), dtype=np.uint8)
    for label in range(data.classes):
        examples = data.test_x[data.test_y == label][:COLUMNS].reshape(COLUMNS, side, side)
        tiles[label, :, :side, :side, 0] = (examples * 255).round().numpy()
        tiles[label, :, :side, :side, 1] = 255
    rows = tiles.transpose(0, 2, 1, 3, 4).reshape(data.classes * tile, COLUMNS * tile, 2)
    return rows[: side - tile, : side - tile]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        for name in (info.name for info in DATASETS.values() if info.target == "class"):
            Image.fromarray(sheet(name, Path(home))).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
