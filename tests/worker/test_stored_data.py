"""Stored data sets on a worker's machine: fetched once, checked each time, and split as they were stored."""

import os
import time
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error
from sqlalchemy import Engine, update

from app.config import Settings
from app.db import datasets
from app.db.engine import transaction
from app.db.tables import DatasetPiece
from app.domain.configuration import MLPConfig
from app.domain.datasets import SPLITS, DatasetInfo
from app.domain.runs import Run
from app.files.tables.dataset import facts_of, file_of
from tests.app.files.tables.test_bad_files import npz, table_of
from tests.app.files.tables.test_datasets import CSV
from tests.support.worker_contexts import context_on
from worker import stored_data
from worker.data.datasets import DatasetError, check_fits, load_stored
from worker.mlp.evaluation import score
from worker.mlp.initializers import Parameters
from worker.mlp.reference.concise import train_concise
from worker.mlp.training import train
from worker.mlp.weights import in_own_units

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
    context = context_on(engine, settings)
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


def test_what_was_not_used_for_long_makes_room(
    engine: Engine, settings: Settings, info: DatasetInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set that is fetched stays, however large; downloads go once nobody goes on with them."""
    assert info.content_hash is not None
    monkeypatch.setattr(stored_data, "MAX_BYTES", 2_500)
    folder = stored_data.folder(settings.home)
    folder.mkdir(parents=True)
    ages = {"old.safetensors": 300, "older.safetensors": 400, "new.safetensors": 200, ".part-a": 100, ".part-b": 4_000}
    for name, age in ages.items():
        (folder / name).write_bytes(b"x" * 1_000)
        os.utime(folder / name, (time.time() - age,) * 2)
    path = stored_data.fetch(context_on(engine, settings), info.content_hash)
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        [path.name, "new.safetensors", "old.safetensors", ".part-a"]
    )
    assert path.stat().st_size > 2_500


def test_its_splits_are_those_of_the_data_sets_that_are_built_in(
    engine: Engine, settings: Settings, info: DatasetInfo
) -> None:
    """`holdout` validates on what is held out, `book` trains on it too and validates on the test rows."""
    assert info.content_hash is not None
    path = stored_data.fetch(context_on(engine, settings), info.content_hash)
    holdout, book = (load_stored(path, info, split, CPU) for split in ("holdout", "book"))
    assert [len(holdout.train_y), len(holdout.val_y), len(holdout.test_y)] == [38, 10, 12]
    assert [len(book.train_y), len(book.val_y)] == [48, 12]
    assert torch.equal(book.train_x, torch.cat([holdout.train_x, holdout.val_x]))
    assert torch.equal(book.val_x, holdout.test_x)
    assert holdout.train_x.shape[1] == info.features
    assert torch.bincount(holdout.val_y).tolist() == list(info.class_counts["held_out"])


def test_numbers_are_standardized_by_the_rows_to_train_on_and_told_in_their_own_unit(tmp_path: Path) -> None:
    """Fused training is that of torch.nn on them; the model's file and the test rows have prices as they are."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 3))
    prices = 250_000 + 50_000 * np.tanh(x @ [1.0, -0.5, 0.25]) + generator.normal(scale=5_000, size=120)
    table = table_of(npz(x=x, y=prices), tmp_path)
    facts = facts_of(table, "houses", "", "EUR")
    path = tmp_path / "houses.safetensors"
    path.write_bytes(file_of(table))
    info = DatasetInfo(name="houses", content_hash="0", **facts)
    data = load_stored(path, info, "holdout", CPU, torch.float64)
    assert data.scaling is not None
    assert table.split is not None
    assert data.test_y.tolist() == pytest.approx(prices[table.split.test], rel=1e-12)
    assert (data.train_y.mean().item(), data.train_y.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-9)
    assert data.val_y * data.scaling.target_std + data.scaling.target_mean == pytest.approx(
        prices[table.split.held_out]
    )
    for split in SPLITS:  # a device that computes nothing: not every one has the float64 that standardizing needs
        elsewhere = load_stored(path, info, split, torch.device("meta"))
        assert {(part.device.type, part.dtype) for part in elsewhere[1:7]} == {("meta", torch.float32)}
    assert elsewhere.scaling == load_stored(path, info, "book", CPU).scaling
    book = load_stored(path, info, "book", CPU, torch.float64)
    assert torch.cat([book.train_y]).mean().item() == pytest.approx(0, abs=1e-9)
    assert len(book.train_y) == 96

    run = Run(0, MLPConfig((8,), 0.05, 12, 16), 0)
    layers: dict[Hashable, Parameters] = {}
    fused = [
        results[0] for results in train([run], data.training_split(), dtype=torch.float64, final_parameters=layers)
    ]
    alone = list(train_concise(run, data.training_split(), torch.float64))
    assert [(point.val_loss, point.val_r2) for point in fused] == [
        pytest.approx((point.val_loss, point.val_r2), rel=1e-9, abs=1e-9) for point in alone
    ]
    test_score = score(run.config, in_own_units(layers[0], data.scaling), data.test_x, data.test_y)
    line = LinearRegression().fit(data.train_x, data.train_y * data.scaling.target_std + data.scaling.target_mean)
    assert test_score.mae is not None
    assert test_score.mae < 1.1 * mean_absolute_error(data.test_y, line.predict(data.test_x))


def test_what_the_device_can_not_hold_is_refused_with_its_size(info: DatasetInfo) -> None:
    """All rows, and with the split `book` those to train on once more."""
    rows = {"holdout": info.train + info.test, "book": 2 * info.train + info.test}
    for split, count in rows.items():
        size = 4 * info.features * count
        check_fits(info, split, size)
        with pytest.raises(DatasetError, match=f"mine takes .* MiB of memory with the split {split}, and .* MiB free"):
            check_fits(info, split, size - 1)
