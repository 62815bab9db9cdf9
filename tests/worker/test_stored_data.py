"""Stored data sets on a worker's machine: fetched once, checked each time, and split as they were stored."""

from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine, update

from app.config import Settings
from app.db import datasets
from app.db.engine import transaction
from app.db.tables import DatasetPiece
from app.domain.datasets import DatasetInfo
from app.files.tables.dataset import facts_of, file_of
from tests.app.files.tables.test_bad_files import table_of
from tests.app.files.tables.test_datasets import CSV
from worker import stored_data
from worker.context import Context
from worker.data.datasets import DatasetError, load_stored

CPU = torch.device("cpu")


@pytest.fixture
def info(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetInfo:
    """A stored data set in many pieces."""
    monkeypatch.setattr(datasets, "PIECE_BYTES", 1000)
    dataset = table_of(CSV, tmp_path, target="kind")
    with transaction(engine) as session:
        datasets.store(session, "mine", file_of(dataset), facts_of(dataset, "mine", "mine.csv"), {})
    with transaction(engine) as session:
        return datasets.get(session, "mine")


def test_it_is_fetched_once_and_again_where_its_file_was_altered(
    engine: Engine, settings: Settings, info: DatasetInfo
) -> None:
    """What is whole on this machine asks no database; what is not is fetched anew."""
    assert info.content_hash is not None
    context = Context(settings, engine, CPU)
    path = stored_data.fetch(context, info.content_hash)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    assert stored_data.fetch(context, info.content_hash).read_bytes() == content
    with transaction(engine) as session:
        session.execute(update(DatasetPiece).where(DatasetPiece.number == 1).values(content=b"altered"))
    assert stored_data.fetch(context, info.content_hash) == path
    path.unlink()
    with pytest.raises(DatasetError, match="is not whole in the database"):
        stored_data.fetch(context, info.content_hash)
    assert [*path.parent.iterdir()] == []


def test_its_splits_are_those_of_the_data_sets_that_are_built_in(
    engine: Engine, settings: Settings, info: DatasetInfo
) -> None:
    """`holdout` validates on what is held out, `book` trains on it too and validates on the test rows."""
    assert info.content_hash is not None
    path = stored_data.fetch(Context(settings, engine, CPU), info.content_hash)
    holdout, book = (load_stored(path, info, split, CPU) for split in ("holdout", "book"))
    assert [len(holdout.train_y), len(holdout.val_y), len(holdout.test_y)] == [38, 10, 12]
    assert [len(book.train_y), len(book.val_y)] == [48, 12]
    assert torch.equal(book.train_x, torch.cat([holdout.train_x, holdout.val_x]))
    assert torch.equal(book.val_x, holdout.test_x)
    assert holdout.train_x.shape[1] == info.features
    assert torch.bincount(holdout.val_y).tolist() == list(info.class_counts["held_out"])
