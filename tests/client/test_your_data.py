"""What docs/your-data.md says, run as it stands; and data that are not whole."""

import csv
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from sklearn.utils import Bunch
from typer.testing import CliRunner

from app.cli import app
from app.files.model_file import read_info
from perceptune import AsyncClient, Client, NotFoundError, progress, transport
from perceptune.data_files import file_of
from tests.client.test_documents import blocks_of
from tests.support.own_loop import finished
from tests.support.paths import ROOT
from tests.support.web.sent_files import sent_bytes

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
        # which the file was stored as
        assert client.add_dataset(variables["frame"], target="species").name == "my_iris"
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
    heading, first_row, *rows = sent_bytes(file).decode().splitlines()
    assert (file.name, len(rows) + 1) == ("wine", 178)
    assert (heading[:8], heading[-7:], first_row.split(",")[-1]) == ("alcohol,", ",target", "class_0")
    assert file_of(load_wine()).content == file.content
    with pytest.raises(ValueError, match="there are sklearn:breast_cancer, "):
        file_of("sklearn:vine")


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_table_with_several_targets_is_refused(as_frame: bool) -> None:
    """A model tells one, and which is not known."""
    with pytest.raises(ValueError, match=r"The data have 3 targets, and one is told: pass \(x, y\), or a frame"):
        file_of(load_linnerud(as_frame=as_frame))


def test_a_large_file_is_sent_piece_by_piece(idle_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never in memory at once, by a thread or in asyncio, and how much of it is sent can be shown."""
    path = tmp_path / "numbers.csv"
    path.write_text("x,y\n" + "".join(f"{place}.5,{'ab'[place % 2]}\n" for place in range(20_000)))
    size = path.stat().st_size
    monkeypatch.setattr(transport, "PIECE_BYTES", size // 3 + 1)
    monkeypatch.setattr(progress, "LARGE_FILE", size)
    monkeypatch.setattr(Path, "read_bytes", None)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    async def preview() -> int:
        async with AsyncClient(idle_server) as client:
            return (await client.preview_dataset(path, progress=True)).rows

    with Client(idle_server) as client:
        rows = client.preview_dataset(path, progress=True).rows
    assert (rows, finished(preview())) == (20_000, 20_000)
    lines = stream.getvalue().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["33 % of 0 MiB sent", "66 % of 0 MiB sent", "being read"] * 2
    with pytest.raises(OSError, match="No such file"):
        file_of(tmp_path / "none.csv")


def test_what_scikit_learn_loads_is_data(trained_server: str) -> None:
    """With the names of columns and classes, as arrays and as frames, of classes and of numbers, and of OpenML."""
    with Client(trained_server) as client:
        wine = client.preview_dataset(load_wine(as_frame=True))
        assert (wine.labels, wine.columns[0].name, wine.features) == (["class_0", "class_1", "class_2"], "alcohol", 13)
        assert client.preview_dataset(load_wine()).columns == wine.columns
        diabetes = client.preview_dataset(load_diabetes())
        assert (diabetes.task, diabetes.target, diabetes.columns[0].name) == ("regression", "target", "age")
        frame = pd.DataFrame({"size": [*range(5), 7] * 5, "hue": pd.Categorical(["red", "blue"] * 15)})
        kinds = pd.Series(pd.Categorical(["a", "b", "b"] * 10), name="kind")
        described = {"frame": frame.assign(kind=kinds), "DESCR": "", "target_names": ["kind"]}  # as fetch_openml does
        preview = client.preview_dataset(Bunch(data=frame, target=kinds, feature_names=["size", "hue"], **described))
        assert (preview.labels, [column.name for column in preview.columns]) == (["a", "b"], ["size", "hue", "target"])


@pytest.mark.parametrize(
    "options", [["--target", "kind"], ["--target", "age", "--task", "regression", "--unit", "a\x1b[2J"]]
)
def test_a_table_tells_a_terminal_nothing(
    trained_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """What would clear the screen is written out, whether a class is called so or a unit."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        rows = ([place % 9, "ab"[place % 2] + "\x1b[2J"] for place in range(40))
        csv.writer(file).writerows([["age", "kind"], *rows])
    result = CliRunner().invoke(app, ["data", "add", str(path), "--dry-run", *options])
    assert result.exit_code == 0, result.output
    assert r"\x1b[2J" in result.stdout
    assert "\x1b" not in result.stdout


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
    assert "Data row 9, column 'age': 'old' is no number" in str(result.exception)
    with Client(trained_server) as client, pytest.raises(NotFoundError):
        client.dataset("bad_table")
