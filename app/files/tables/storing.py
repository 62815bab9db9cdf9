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

    table_options = TableOptions.model_validate(options)
    dataset = make(read(path, table_options), table_options)
    facts = facts_of(dataset, "preview", "", table_options.unit) if dataset.encoding is not None else {}
    return {
        **_description(dataset),
        "names": list(dataset.table.names),
        "target": dataset.target_name,
        "task": dataset.task,
        **{name: facts[name] for name in _SHOWN_FACTS if name in facts},
    }


def store_file(
    path: str, options: Mapping[str, Any], name: str, source: str, database_url: str, *, reuse: bool = False
) -> dict[str, Any]:
    """Stores a file's data set under this name: its `name`, and whether it `is_new`; the same again changes nothing.

    `reuse`: the same data under another name are taken as they are. Raises InvalidError, and ConflictError where the
    name or, without that, the data are stored already.
    """
    _check_name(name)
    from app.files.tables.dataset import facts_of, file_of, make
    from app.files.tables.reading import read

    table_options = TableOptions.model_validate(options)
    dataset = make(read(path, table_options), table_options)
    if dataset.encoding is None:
        listing = ", ".join(dataset.table.names[:20])
        raise refusal(f"name the column that is the target; there are {listing}", field="target")
    content = file_of(dataset)
    facts = facts_of(dataset, name, source, table_options.unit)
    description = _description(dataset) | {"encoding": dataset.encoding.model_dump(), "options": dict(options)}
    engine = connect(database_url, "import", pool_size=1, statement_seconds=LIMITS.seconds)
    try:
        with transaction(engine) as session:
            stored_name = _stored_name(session, name, hashlib.sha256(content).hexdigest(), reuse=reuse)
            if stored_name is not None:
                return {"name": stored_name, "is_new": False}
            datasets.store(session, name, content, facts, description)
    except IntegrityError:  # at the same moment
        raise ConflictError(f"Another call is storing {name!r}, or the same data: look at what there is.") from None
    finally:
        engine.dispose()
    return {"name": name, "is_new": True}


_SHOWN_FACTS = ("features", "train", "held_out", "test", "labels", "unit", "ranges", "class_counts")


def _description(dataset: TableDataset) -> dict[str, Any]:
    """What is shown of a table: its columns, and what was done with them."""
    columns, notes = list(dataset.columns), list(dataset.table.notes)
    if len(columns) > MAX_DESCRIBED:
        notes.append(f"The first {MAX_DESCRIBED} of {len(columns):,} columns are listed.")
    return {"rows": dataset.table.rows, "columns": columns[:MAX_DESCRIBED], "notes": notes}


def _check_name(name: str) -> None:
    """Raises ConflictError for the name of a data set that is built in."""
    if name in DATASETS:
        raise ConflictError(
            f"{name} is built in: choose another name.",
            [FieldError(("name",), "is that of a data set that is built in")],
        )


def _stored_name(session: Session, name: str, content_hash: str, *, reuse: bool) -> str | None:
    """The name under which exactly this is stored, None where it is not. Raises ConflictError for half of it."""
    stored_dataset = session.scalar(select(StoredDataset).where(StoredDataset.content_hash == content_hash))
    if stored_dataset is not None:
        if stored_dataset.name == name or reuse:
            return stored_dataset.name
        raise ConflictError(f"This is stored already, as {stored_dataset.name}: sweeps can be on that.")
    if session.scalar(select(StoredDataset.id).where(StoredDataset.name == name)) is not None:
        msg = "is that of another data set"
        raise ConflictError(f"There is another data set {name}: choose another name.", [FieldError(("name",), msg)])
    return None
