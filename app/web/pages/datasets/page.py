"""The list of the data sets with the form that stores a file, and the page of each stored one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app import queries, schemas
from app.db import datasets
from app.domain.formatting import number_range
from app.domain.tables.limits import MAX_UPLOAD_BYTES
from app.domain.tables.options import TableOptions
from app.queries.datasets import Usage
from app.web.api.datasets import UploadedFile, preview_dataset
from app.web.dependencies import DatabaseSession
from app.web.pages.datasets.panel import DatasetPanel
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False, prefix="/datasets")

_UNLIMITED = 2**62  # an upload says its own limit


@dataclass(frozen=True)
class DatasetsView:
    """The data sets that a sweep can name."""

    panels: Sequence[DatasetPanel]
    max_bytes: int = MAX_UPLOAD_BYTES


@dataclass(frozen=True)
class DatasetView:
    """A stored data set."""

    panel: DatasetPanel
    detail: schemas.DatasetDetail


@dataclass(frozen=True)
class PreviewView:
    """What would become of a file."""

    preview: schemas.DatasetPreview

    @property
    def target_counts(self) -> list[tuple[str, int]]:
        """Each class with its rows, or each range of a number."""
        counts = self.preview.class_counts
        if counts is None:
            return []
        labels = self.preview.labels or [number_range(low, high) for low, high in pairwise(self.preview.ranges)]
        rows = [train + test for train, test in zip(counts["train"], counts["test"], strict=True)]
        return list(zip(labels, rows, strict=True))


@router.get("")
def list_datasets(request: Request, session: DatabaseSession) -> Response:
    """The data sets that a sweep can name, and the sweeps that do: one's own before those that are built in."""
    usage = queries.dataset_usage(session)
    infos = datasets.catalogue(session)
    panels = [DatasetPanel(info, usage.get(name, Usage(0, []))) for name, info in infos.items()]
    return render(request, "datasets/list.html", DatasetsView(sorted(panels, key=lambda panel: not panel.is_stored)))


@router.post("/preview", max_body_size=_UNLIMITED)
async def preview_file(path: UploadedFile, options: Annotated[TableOptions, Query()], request: Request) -> Response:
    """What would become of the columns of a file, as a part of the page."""
    preview = await preview_dataset(path, options, request)
    return render(request, "datasets/preview.html", PreviewView(preview))


@router.get("/{name}")
def show_dataset(name: str, request: Request, session: DatabaseSession) -> Response:
    """A data set with what was done with the columns of its file."""
    detail = queries.get_dataset(session, name)
    usage = queries.dataset_usage(session).get(name, Usage(0, []))
    panel = DatasetPanel(datasets.get(session, name), usage)
    return render(request, "datasets/detail.html", DatasetView(panel, detail))


@router.post("/{name}/delete")
def delete_dataset(name: str, session: DatabaseSession) -> Response:
    """Deletes a stored data set that no sweep is on, and goes back to the list."""
    datasets.delete(session, name)
    return RedirectResponse("/datasets", status_code=303)
