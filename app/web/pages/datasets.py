"""The page of the data sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from app.domain.datasets import DATASETS, DatasetInfo
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class DatasetPanel:
    """A data set, its title taken apart: `Digits: 8x8 grey images` has a name and a description."""

    dataset: DatasetInfo

    @property
    def name(self) -> str:
        """What people call it."""
        return self.dataset.title.split(":")[0]

    @property
    def description(self) -> str:
        """What its examples are, without a full stop."""
        return self.dataset.title.split(":")[1].strip().capitalize()

    @property
    def source_host(self) -> str:
        """Where it comes from, in short."""
        return urlsplit(self.dataset.source).netloc


@dataclass(frozen=True)
class DatasetsView:
    """The data sets that a sweep can name."""

    panels: Sequence[DatasetPanel]


def panels() -> list[DatasetPanel]:
    """Every data set."""
    return [DatasetPanel(dataset) for dataset in DATASETS.values()]


@router.get("/datasets")
def list_datasets(request: Request) -> Response:
    """The data sets that a sweep can name."""
    return render(request, "datasets.html", DatasetsView(panels()))
