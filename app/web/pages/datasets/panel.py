"""A data set as pages show it: what it is called, its sizes, and the balance of its classes."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import urlsplit

from app.domain.datasets import DatasetInfo
from app.domain.formatting import number_range
from app.queries.datasets import Usage


@dataclass(frozen=True)
class TargetBar:
    """How many examples there are of a class, or with a number in a range."""

    label: str
    training: int
    """Examples to train on, where some are held out."""
    held_out: int
    test: int
    share: float
    """The training examples of this class or range, of those of the largest one."""


@dataclass(frozen=True)
class DatasetPanel:
    """A data set, its title taken apart: `Digits: 8x8 grey images` has a name and a description."""

    dataset: DatasetInfo
    usage: Usage = field(default_factory=lambda: Usage(0, []))

    @property
    def name(self) -> str:
        """What people call it."""
        return short_title(self.dataset)

    @property
    def description(self) -> str:
        """What its examples are, without a full stop."""
        text = self.dataset.title.partition(":")[2].strip()  # a name of a column may have a colon of its own
        return text[0].upper() + text[1:]

    @property
    def is_stored(self) -> bool:
        """Whether it was stored from a file, rather than built in."""
        return self.dataset.content_hash is not None

    @property
    def source_host(self) -> str:
        """Where it comes from, in short."""
        return urlsplit(self.dataset.source).netloc

    @property
    def side(self) -> int:
        """Pixels of an image from left to right, and from top to bottom."""
        return math.isqrt(self.dataset.features)

    @property
    def sheet(self) -> str:
        """The picture of some of its examples, a row for each class, with gaps of an eighth of an image."""
        return f"datasets/{self.dataset.name}.png"

    def sheet_pixels(self, images: int) -> int:
        """Pixels of the picture along so many images, and the gaps between them."""
        return images * self.side + (images - 1) * (self.side // 8)

    @property
    def has_sheet(self) -> bool:
        """Whether its examples are images, of which there is a picture."""
        return self.dataset.noun == "images"

    @property
    def bars(self) -> list[TargetBar]:
        """The balance of its classes, or of the ranges of its number."""
        counts = self.dataset.class_counts
        largest = max(counts["train"])
        labels = self.dataset.labels or [number_range(low, high) for low, high in pairwise(self.dataset.ranges)]
        rows = zip(labels, counts["train"], counts["held_out"], counts["test"], strict=True)
        return [
            TargetBar(label, train - held_out, held_out, test, train / largest) for label, train, held_out, test in rows
        ]

    @property
    def further_sweeps(self) -> int:
        """Sweeps that use it beside those that are named."""
        return self.usage.total - len(self.usage.latest)


def short_title(dataset: DatasetInfo) -> str:
    """What people call a data set."""
    return dataset.title.split(":")[0]
