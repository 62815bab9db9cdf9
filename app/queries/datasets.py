"""Reads which sweeps use each data set."""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.tables import Sweep
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
