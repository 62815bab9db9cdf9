"""The catalogue of data sets: those that are built in, and those that are stored."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import DatasetPiece, StoredDataset, Sweep
from app.domain.datasets import DATASETS, PUBLISHED, DatasetInfo
from app.domain.nearest import did_you_mean
from app.domain.tables.encoding import Encoding
from app.errors import ConflictError, FieldError, InvalidError, NotFoundError

MAX_NAMED = 10  # sweeps that keep a data set from being deleted
PIECE_BYTES = 8 * 2**20  # docs/adr/0014-data-sets-in-the-database.md


def stored(session: Session, name: str) -> StoredDataset | None:
    """The stored data set of this name, which can't be deleted before this transaction ends."""
    query = select(StoredDataset).where(StoredDataset.name == name)
    return session.scalar(query.with_for_update(read=True, key_share=True))


def get(session: Session, name: str) -> DatasetInfo:
    """What is known of the data set of this name. Raises NotFoundError."""
    infos = catalogue(session)
    if name not in infos:
        raise NotFoundError(f"There is no data set {name!r}{did_you_mean(name, infos) or '.'}")
    return infos[name]


def get_named(session: Session, name: str) -> DatasetInfo:
    """The same of one that a body names. Raises InvalidError."""
    infos = catalogue(session)
    if name not in infos:
        advice = did_you_mean(name, infos) or "; `perceptune data add` stores one of your own"
        if name in PUBLISHED:
            advice = f"; `perceptune data add {PUBLISHED[name]}` stores it"
        msg = f"must be one of {', '.join(infos)}, not {name!r}{advice}"
        raise InvalidError("There is no such data set.", [FieldError(("dataset",), msg)])
    return infos[name]


def catalogue(session: Session) -> dict[str, DatasetInfo]:
    """Every data set by its name: first those that are built in, then the stored ones in the order of their names."""
    rows = session.scalars(select(StoredDataset).order_by(StoredDataset.name))
    return DATASETS | {row.name: row.info for row in rows}


def encoding(session: Session, dataset_id: int) -> Encoding:
    """How rows of a stored data set become the numbers that networks read."""
    description = session.scalars(select(StoredDataset.description).where(StoredDataset.id == dataset_id)).one()
    return Encoding.model_validate(description["encoding"])


def truth_columns(session: Session, dataset_id: int) -> frozenset[str]:
    """The columns of a stored data set that are true or false in each row."""
    description = session.scalars(select(StoredDataset.description).where(StoredDataset.id == dataset_id)).one()
    return frozenset(column["name"] for column in description["columns"] if column["type"] == "true or false")


def store(
    session: Session, name: str, content: bytes, facts: Mapping[str, Any], description: Mapping[str, Any]
) -> None:
    """Writes a new data set in pieces. Its name and its content must not be stored yet."""
    row = StoredDataset(
        name=name,
        content_hash=hashlib.sha256(content).hexdigest(),
        size=len(content),
        facts=facts,
        description=description,
    )
    session.add(row)
    session.flush()
    for number, start in enumerate(range(0, len(content), PIECE_BYTES)):
        session.add(DatasetPiece(dataset_id=row.id, number=number, content=content[start : start + PIECE_BYTES]))
        session.flush()
        session.expunge_all()  # a written piece need not stay in memory


def delete(session: Session, name: str) -> None:
    """Deletes a stored data set. Raises NotFoundError, and ConflictError where a sweep is on it or it is built in."""
    get(session, name)
    row = session.scalar(select(StoredDataset).where(StoredDataset.name == name).with_for_update())
    if row is None:
        raise ConflictError(f"{name} is built in: it can't be deleted.")
    sweep_ids = session.scalars(select(Sweep.id).where(Sweep.dataset_id == row.id).order_by(Sweep.id)).all()
    if sweep_ids:
        listing = ", ".join(map(str, sweep_ids[:MAX_NAMED])) + (" and more" if len(sweep_ids) > MAX_NAMED else "")
        subject = f"Sweep {listing} is" if len(sweep_ids) == 1 else f"Sweeps {listing} are"
        raise ConflictError(f"{subject} on {name}: a data set can be deleted once no sweep is on it.")
    session.delete(row)


def piece(session: Session, content_hash: str, number: int) -> bytes | None:
    """A piece of what is stored of a data set; None behind the last one, and where it is not stored."""
    of_dataset = select(DatasetPiece.content).join(StoredDataset, StoredDataset.id == DatasetPiece.dataset_id)
    return session.scalar(of_dataset.where(StoredDataset.content_hash == content_hash, DatasetPiece.number == number))
