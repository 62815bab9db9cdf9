"""What an export says to those who read it with other programs."""

import csv
import io
import json

import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.files.exports import FORMATS, open_sweep
from app.files.exports.fields import EPOCH, TRIAL
from app.web.api.exports import file_pieces
from tests.support.queue_examples import create_grid, create_sweep
from tests.support.sweeps.export_examples import document, export, rich_sweep

OPEN = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
""")


def open_transactions(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(OPEN).scalar_one())


def test_csv_has_a_row_a_trial(client: TestClient, engine: Engine) -> None:
    """A column a hyperparameter and a column a figure of each run."""
    sweep_id = rich_sweep(engine)
    answer = export(client, sweep_id, "csv", epochs=False)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    trials = document(client, sweep_id)["trials"]
    assert [int(row["number"]) for row in rows] == [trial["number"] for trial in trials]
    best, trial = next((row, trial) for row, trial in zip(rows, trials, strict=True) if trial["state"] == "complete")
    assert best["params.hidden_layers"] == "[16, 1, 16]"
    assert best["params.batch_norm"] == "true"
    assert float(best["value"]) == trial["value"]
    assert [float(best[f"runs.{run}.value"]) for run in (1, 2)] == [run["value"] for run in trial["runs"]]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def test_a_row_an_epoch_has_the_parameters(client: TestClient, engine: Engine) -> None:
    """Its trial's number and parameters stand in each, so that curves can be drawn by them."""
    sweep_id = rich_sweep(engine)
    content = export(client, sweep_id, "csv").content.decode()
    rows = [row for row in csv.DictReader(io.StringIO(content, newline="")) if row["epoch"]]
    points = [
        (str(trial["number"]), str(seed), str(epoch), str(loss))
        for trial in document(client, sweep_id)["trials"]
        for seed, epoch, loss in zip(*(trial["epochs"][name] for name in ("seed", "epoch", "train_loss")), strict=True)
    ]
    assert [(row["number"], row["seed"], row["epoch"], row["train_loss"]) for row in rows] == points
    assert len(rows) == 8
    assert {row["params.activation"] for row in rows} == {"relu"}


def test_no_cell_is_a_formula(client: TestClient, engine: Engine) -> None:
    """What a spreadsheet would compute begins with an apostrophe; numbers are not texts."""
    sweep_id = rich_sweep(engine)
    content = export(client, sweep_id, "csv").content.decode()
    cells = [cell for row in csv.reader(io.StringIO(content, newline="")) for cell in row]
    suspicious = [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [float(cell) for cell in suspicious] == [0.0, 0.0]  # -0.0, of the pruned trial and its run
    assert "'+diverged at epoch 1" in cells
    assert "'-parameters > 5" in cells


def test_parquet_has_typed_columns(client: TestClient, engine: Engine) -> None:
    """Numbers are numbers, times are times, and what has no value is null."""
    sweep_id = rich_sweep(engine)
    table = pyarrow.parquet.read_table(io.BytesIO(export(client, sweep_id, "parquet", epochs=False).content))
    types = {field.name: str(field.type) for field in table.schema}
    assert types["params.learning_rate"] == "double"
    assert types["params.batch_norm"] == "bool"
    assert types["number"] == "int64"
    assert types["started_at"] == "timestamp[us, tz=UTC]"
    assert table["value"].null_count == table.num_rows - 2
    assert json.loads(table.schema.metadata[b"perceptune.sweep"])["sweep"]["id"] == sweep_id


def test_the_name_of_the_file_is_the_sweeps(client: TestClient, engine: Engine) -> None:
    """In ASCII for old programs, and as it is for the others; no name can break out of the header."""
    answer = export(client, create_sweep(engine, name='a "b"\r\nSet-Cookie: c=ü/..'), "json")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="a-b-Set-Cookie-c.json"; '
        "filename*=UTF-8''a%20%22b%22%0D%0ASet-Cookie%3A%20c%3D%C3%BC%2F...json"
    )
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("ending", FORMATS)
def test_an_unknown_sweep_is_404(client: TestClient, ending: str) -> None:
    """Before a file begins."""
    answer = client.get(f"/api/v1/sweeps/7/export.{ending}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no sweep 7.")


@pytest.mark.parametrize("ending", FORMATS)
def test_an_export_is_of_one_moment(engine: Engine, ending: str) -> None:
    """What is written meanwhile is not in it."""
    sweep_id = create_grid(engine, *range(1, 50))
    with open_sweep(engine, sweep_id, epochs=True) as record:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM sweeps"))
        content = b"".join(FORMATS[ending].write(record))
    assert len(FORMATS[ending].read(io.BytesIO(content))["trials"]) == 49


def test_who_goes_away_leaves_no_transaction_behind(engine: Engine) -> None:
    """An export that is not read to its end gives its connection back."""
    sweep_id = create_grid(engine, *range(1, 800))
    pieces = file_pieces(engine, sweep_id, "json", True)
    assert next(pieces).startswith(b'{"format": "perceptune.sweep"')
    assert open_transactions(engine) == 1
    del pieces
    assert open_transactions(engine) == 0


def test_the_tables_columns_have_one_meaning() -> None:
    """No column of an epoch has the name of a trial's: they stand side by side."""
    assert not TRIAL.keys() & EPOCH.keys()
