"""The page that asks a trained network about a picture, or about a row of a table."""

import math
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from app import queries
from app.db import datasets
from app.domain.tables.encoding import Encoding
from app.errors import ConflictError
from app.files import trained_models
from app.lifecycle import sweep_row
from app.web.dependencies import DatabaseSession, SweepId, TrialNumber
from app.web.pages.datasets.panel import DatasetPanel
from app.web.pages.rendering import render

_SCALES = {"digits": 16}  # what is white where it is published; of others a byte's

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class PredictionView:
    """A trial's network, and what it takes."""

    sweep_id: int
    sweep_name: str
    number: int
    dataset: DatasetPanel
    is_kept: bool
    """Whether the network is there to be asked."""

    @property
    def address(self) -> str:
        """The call that answers."""
        return f"/api/v1/sweeps/{self.sweep_id}/trials/{self.number}/predict"

    @property
    def side(self) -> int:
        """Pixels of an image from left to right, and from top to bottom."""
        return math.isqrt(self.dataset.dataset.features)

    @property
    def scale(self) -> int:
        """The number of white in its data as they are published."""
        return _SCALES.get(self.dataset.dataset.name, 255)


@dataclass(frozen=True)
class RowPredictionView:
    """A trial's network that reads rows of a table, and the columns that it takes."""

    sweep_id: int
    sweep_name: str
    number: int
    encoding: Encoding
    truth_columns: frozenset[str]
    is_kept: bool

    @property
    def address(self) -> str:
        """The call that answers."""
        return f"/api/v1/sweeps/{self.sweep_id}/trials/{self.number}/predict"


@router.get("/sweeps/{sweep_id}/trials/{number}/predict")
def show_prediction(sweep_id: SweepId, number: TrialNumber, request: Request, session: DatabaseSession) -> Response:
    """The page of one trial's network."""
    sweep = queries.summary(session, sweep_id)
    is_kept = _is_kept(session, sweep_id, number)
    dataset_id = sweep_row.get(session, sweep_id).dataset_id
    if dataset_id is not None:
        encoding, truths = datasets.encoding(session, dataset_id), datasets.truth_columns(session, dataset_id)
        row_view = RowPredictionView(sweep.id, sweep.name, number, encoding, truths, is_kept)
        return render(request, "row_prediction.html", row_view)
    panel = DatasetPanel(datasets.get(session, sweep.dataset))
    return render(request, "prediction.html", PredictionView(sweep.id, sweep.name, number, panel, is_kept))


def _is_kept(session: Session, sweep_id: int, number: int) -> bool:
    """Raises NotFoundError where there is no such trial."""
    try:
        trained_models.find(session, sweep_id, number)
    except ConflictError:
        return False
    return True
