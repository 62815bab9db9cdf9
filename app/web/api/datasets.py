"""The data sets that a sweep can name."""

from fastapi import APIRouter

from app import schemas
from app.domain.datasets import DATASETS

router = APIRouter(prefix="/api/v1/datasets", tags=["system"])


@router.get("")
def list_datasets() -> schemas.Page[schemas.DatasetOut]:
    """The data sets that a sweep can name."""
    return schemas.Page(items=[schemas.DatasetOut.model_validate(facts) for facts in DATASETS.values()])
