"""Shows and stores the data set in an uploaded file; in a child process, for the file is a stranger's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import datasets
from app.db.engine import connect, transaction
from app.db.tables import StoredDataset
from app.domain.datasets import DATASETS
from app.domain.tables.options import TableOptions
from app.errors import ConflictError, FieldError
from app.files.child import Limits
from app.files.tables.table import refusal

if TYPE_CHECKING:
    from app.files.tables.dataset import TableDataset

LIMITS = Limits(memory_bytes=4 * 2**30, advice="send fewer rows or columns, or numbers as Parquet or .npz")
MAX_DESCRIBED = 500  # columns


def preview_file(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What would become of a file: schemas.DatasetPreview. Raises InvalidError."""
    from app.files.tables.dataset import facts_of, make  # late: pyarrow takes 70 MB
    from app.files.tables.reading import read

    dataset = make(read(path), TableOptions.model_validate(options))
    facts = facts_of(dataset, "preview", "") if dataset.encoding is not None else {}
    return {
        **_description(dataset),
        "names": list(dataset.table.names),
        "target": dataset.target_name,
        **{name: facts[name] for name in _SHOWN_FACTS if name in facts},
    }


def store_file(path: str, options: Mapping[str, Any], name: str, source: str, database_url: str) -> bool:
    """Stores a file's data set under this name, and says whether it is new: the same once more changes nothing.

    Raises InvalidError, and ConflictError where the name or the data are stored already.
    """
    _check_name(name)
    from app.files.tables.dataset import facts_of, file_of, make
    from app.files.tables.reading import read

    table_options = TableOptions.model_validate(options)
    dataset = make(read(path), table_options)
    if dataset.encoding is None:
        listing = ", ".join(dataset.table.names[:20])
        raise refusal(f"name the column that is the target; there are {listing}", field="target")
    content = file_of(dataset)
    description = _description(dataset) | {"encoding": dataset.encoding.model_dump(), "options": dict(options)}
    engine = connect(database_url, "import", pool_size=1, statement_seconds=LIMITS.seconds)
    try:
        with transaction(engine) as session:
            if _is_stored(session, name, hashlib.sha256(content).hexdigest()):
                return False
            datasets.store(session, name, content, facts_of(dataset, name, source), description)
    except IntegrityError:  # at the same moment
        raise ConflictError(f"Another call is storing {name!r}, or the same data: look at what there is.") from None
    finally:
        engine.dispose()
    return True


_SHOWN_FACTS = ("features", "train", "held_out", "test", "labels", "class_counts")


def _description(dataset: TableDataset) -> dict[str, Any]:
    """What is shown of a table: its columns, and what was done with them."""
    columns, notes = list(dataset.columns), list(dataset.table.notes)
    if len(columns) > MAX_DESCRIBED:
        notes.append(f"The first {MAX_DESCRIBED} of {len(columns):,} columns are listed.")
    return {"rows": dataset.table.rows, "columns": columns[:MAX_DESCRIBED], "notes": notes}


def _check_name(name: str) -> None:
    """Raises ConflictError for the name of a data set that is built in."""
    if name in DATASETS:
        raise ConflictError(f"{name} is built in: choose another name.", [FieldError(("name",), "is that of another")])


def _is_stored(session: Session, name: str, content_hash: str) -> bool:
    """Whether exactly this is stored already. Raises ConflictError where one of the two is, with something else."""
    same = (StoredDataset.name == name) | (StoredDataset.content_hash == content_hash)
    for row in session.scalars(select(StoredDataset).where(same)):
        if row.name == name and row.content_hash == content_hash:
            return True
        if row.content_hash == content_hash:
            raise ConflictError(f"This is stored already, as {row.name}: sweeps can be on that.")
        msg = "is that of another data set"
        raise ConflictError(f"There is another data set {name}: choose another name.", [FieldError(("name",), msg)])
    return False
