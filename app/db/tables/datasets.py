"""Data sets of the users' own, in pieces."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Identity, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base
from app.domain.datasets import DATASETS, DatasetInfo


class StoredDataset(Base):
    """A data set of the users' own; what is in it lies in pieces, and never changes."""

    __tablename__ = "datasets"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    content_hash: Mapped[str] = mapped_column(unique=True, doc="SHA-256 of its pieces, one after the other.")
    size: Mapped[int] = mapped_column(doc="Bytes of its pieces together.")
    facts: Mapped[dict[str, Any]] = mapped_column(doc="The fields of app.domain.datasets.DatasetInfo, but for two.")
    description: Mapped[dict[str, Any]] = mapped_column(
        JSON,
        deferred=True,
        doc="What was made of each column of its file, and how rows become numbers: app.domain.tables.",
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def info(self) -> DatasetInfo:
        """What is known of it, as of one that is built in."""
        return DatasetInfo(name=self.name, content_hash=self.content_hash, **self.facts)


def info_of(name: str, stored_dataset: StoredDataset | None) -> DatasetInfo:
    """What is known of a sweep's data set, which is built in where it is not stored."""
    return DATASETS[name] if stored_dataset is None else stored_dataset.info


class DatasetPiece(Base):
    """A piece of what is stored of a data set: a row is written and read in one go, so it must not be too large."""

    __tablename__ = "dataset_pieces"

    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]
