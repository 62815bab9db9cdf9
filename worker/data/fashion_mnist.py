"""Fashion-MNIST: its four files, the folders where they may lie, and the mirrors that have them.

The images are those of Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms" (2017), MIT licence.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.data import idx_files
from worker.data.idx_files import DatasetError, DownloadError, IdxFile, Progress

TITLE = "Fashion-MNIST"
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
FILES = (
    IdxFile(
        TITLE,
        "train-images-idx3-ubyte",
        16,
        47_040_016,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    IdxFile(
        TITLE, "train-labels-idx1-ubyte", 8, 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    IdxFile(
        TITLE,
        "t10k-images-idx3-ubyte",
        16,
        7_840_016,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    IdxFile(
        TITLE, "t10k-labels-idx1-ubyte", 8, 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
)


class Images(NamedTuple):
    """The examples as they are published."""

    train_x: NDArray[np.uint8]  # [60000, 784] in 0..255, the pixels row by row
    train_y: NDArray[np.uint8]  # [60000] in 0..9
    test_x: NDArray[np.uint8]  # [10000, 784]
    test_y: NDArray[np.uint8]  # [10000]


def data_folder(home: Path) -> Path:
    """Where under the data folder `home` the files belong."""
    return home / "datasets" / "fashion-mnist"


def find(home: Path) -> Path | None:
    """The first folder that holds all four files, raw or as .gz. The user's own comes before the system's."""
    return idx_files.find_folder((data_folder(home), SYSTEM_FOLDER), FILES)


def read(folder: Path) -> Images:
    """The images and labels of a folder that holds all four files.

    Raises DatasetError, naming the file, for one that is missing, truncated or altered.
    """
    train_x, train_y, test_x, test_y = (idx_files.read(folder, file) for file in FILES)
    return Images(train_x.reshape(-1, 784), train_y, test_x.reshape(-1, 784), test_y)


def download(home: Path, mirrors: Sequence[str] = MIRRORS, progress: Progress | None = None) -> Path:
    """Fetches what the data folder lacks, and gives back the folder. Each file appears whole and checked, or not.

    Raises DatasetError that names every way to get the files.
    """
    folder = data_folder(home)
    try:
        idx_files.download(folder, FILES, mirrors, progress)
    except DownloadError as error:
        raise DatasetError(
            f"{TITLE} is not on this machine and can't be downloaded: "
            f"put its four .gz files into {folder}, "
            "or install Debian's package (apt install dataset-fashion-mnist), "
            f"or go online and run `perceptune data` ({error})."
        ) from error
    except OSError as error:
        raise DatasetError(f"Can't write {TITLE} to {folder}: {error.strerror or error}.") from error
    return folder
