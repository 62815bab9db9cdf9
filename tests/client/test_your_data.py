"""What docs/your-data.md says, run as it stands; and data that are not whole."""

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.files.model_file import read_info
from perceptune import Client, NotFoundError
from perceptune.data_files import file_of
from tests.client.test_documents import blocks_of
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")


def test_what_the_document_says_runs(trained_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python and its commands in their order, on one server, to a prediction of rows as they are."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)
    monkeypatch.chdir(tmp_path)
    first_program, second_program = blocks_of(DOCUMENT, "python")
    variables: dict[str, Any] = {}
    exec(first_program, variables)
    (yaml,) = blocks_of(DOCUMENT, "yaml")
    Path("iris.yaml").write_text(yaml)
    outputs = []
    for line in "".join(blocks_of(DOCUMENT, "sh")).splitlines():
        _, *arguments = shlex.split(line)
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{line}: {result.output}"
        outputs.append(result.stdout)
    assert "Rows: 96 to train on, 24 to validate on, 30 to test on; 4 features" in outputs[0]
    assert "my_iris" not in outputs[0]
    assert "my_iris" in outputs[2]
    assert "completed" in outputs[3]
    exec(second_program, variables)
    variables["client"].close()
    with Client(trained_server) as client:
        assert_models_agree(client, variables["frame"])
        assert CliRunner().invoke(app, ["data", "rm", "my_iris"]).exit_code == 1
        sweep = next(sweep for sweep in client.sweeps() if sweep.data.dataset == "my_iris")
        sweep.delete()
    assert CliRunner().invoke(app, ["data", "rm", "my_iris"]).stdout == "my_iris is deleted.\n"


def assert_models_agree(client: Client, frame: pd.DataFrame) -> None:
    """The client's model and the server's answer say the same of raw rows, and are mostly right."""
    sweep = next(sweep for sweep in client.sweeps() if sweep.data.dataset == "my_iris")
    model, rows = sweep.model(), frame.sample(30, random_state=1)
    assert read_info(model.content).encoding is not None
    assert sweep.best is not None
    body = {"rows": json.loads(rows.drop(columns="species").to_json(orient="records"))}
    answer = client._transport._http.post(f"/sweeps/{sweep.id}/trials/{sweep.best.number}/predict", json=body).json()
    probabilities = [row["probabilities"] for row in answer["predictions"]]
    assert np.allclose(probabilities, model.probabilities(rows), atol=1e-5)
    assert np.mean(np.array(model.predict(rows)) == rows["species"]) > 0.8


def test_the_same_data_have_the_same_name() -> None:
    """Frames and arrays are called by their hash, files by their name."""
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])
    assert file_of((x, y)).name == file_of({"x": x, "y": y}).name
    assert file_of((x, y)).name != file_of((x + 1, y)).name
    frame = pd.DataFrame({"a": x[:, 0], "y": y})
    assert file_of(frame).name == file_of(frame.copy()).name
    with pytest.raises(TypeError, match="not a int"):
        file_of(3)


def test_tables_of_scikit_learn_are_there_by_their_names() -> None:
    """Offline, with the names of columns and classes."""
    file = file_of("sklearn:wine")
    heading, first_row, *rows = file.content.decode().splitlines()
    assert (file.name, len(rows) + 1) == ("wine", 178)
    assert (heading[:8], heading[-7:], first_row.split(",")[-1]) == ("alcohol,", ",target", "class_0")
    with pytest.raises(ValueError, match="there are breast_cancer, iris, wine"):
        file_of("sklearn:vine")


def test_a_bad_table_is_told_at_the_terminal(
    trained_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored of it."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)
    path = tmp_path / "Bad Table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["age", "kind"], *([place, "ab"[place % 2]] for place in range(8)), ["old", "a"]])
    result = CliRunner().invoke(app, ["data", "add", str(path), "--target", "kind"])
    assert result.exit_code == 1
    assert "Row 9, column 'age': 'old' is no number" in str(result.exception)
    with Client(trained_server) as client, pytest.raises(NotFoundError):
        client.dataset("bad_table")
