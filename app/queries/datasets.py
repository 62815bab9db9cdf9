"""Reads data sets: what is known of each, and which sweeps use it."""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from app import schemas
from app.db import datasets
from app.db.tables import StoredDataset, Sweep
from app.domain.tasks import TASKS

MAX_NAMED = 5  # sweeps of a data set


class SweepName(NamedTuple):
    """A sweep as a list names it."""

    id: int
    name: str


class Usage(NamedTuple):
    """The sweeps that use a data set."""

    total: int
    latest: list[SweepName]


def get_dataset(session: Session, name: str) -> schemas.DatasetDetail:
    """A data set with what was done with the columns of its file. Raises NotFoundError."""
    info = datasets.get(session, name)
    facts = schemas.DatasetOut.model_validate(info).model_dump()
    query = select(StoredDataset).where(StoredDataset.name == name).options(undefer(StoredDataset.description))
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        return schemas.DatasetDetail(
            **facts, bytes=None, rows=None, target_column=None, columns=[], notes=[], created_at=None
        )
    fields = {key: row.description[key] for key in ("rows", "columns", "notes")}
    target_column = row.description["encoding"]["target"]
    return schemas.DatasetDetail(
        **facts, **fields, bytes=row.size, target_column=target_column, created_at=row.created_at
    )


def dataset_usage(session: Session) -> dict[str, Usage]:
    """The sweeps by data set that see its examples: how many there are, and the latest of them."""
    place = func.row_number().over(partition_by=Sweep.dataset, order_by=Sweep.id.desc()).label("place")
    total = func.count().over(partition_by=Sweep.dataset).label("total")
    taking_data = [name for name, task in TASKS.items() if task.takes_data]
    ranked = select(Sweep.dataset, Sweep.id, Sweep.name, place, total).where(Sweep.task.in_(taking_data)).subquery()
    usage: dict[str, Usage] = {}
    for row in session.execute(select(ranked).where(ranked.c.place <= MAX_NAMED).order_by(ranked.c.id.desc())):
        usage.setdefault(row.dataset, Usage(row.total, [])).latest.append(SweepName(row.id, row.name))
    return usage
