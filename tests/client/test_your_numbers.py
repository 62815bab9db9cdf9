"""A table with a number as its target, as docs/regression.md says, beside scikit-learn on the same rows."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from app.cli import app
from app.domain.tables.options import TableOptions
from app.files.tables import reading
from app.files.tables.dataset import make
from perceptune import Client, Sweep
from tests.client.test_documents import blocks_of
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "regression.md").read_text(encoding="utf-8")


def test_what_the_document_says_runs(
    trained_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a table to numbers in its unit, as near to the truth as least squares and networks of scikit-learn."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)
    monkeypatch.chdir(tmp_path)
    first_program, second_program = blocks_of(DOCUMENT, "python")
    variables: dict[str, Any] = {}
    exec(first_program, variables)
    outputs = []
    commands = [line for line in "".join(blocks_of(DOCUMENT, "sh")).splitlines() if line.startswith("perceptune data")]
    for line in commands:
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"
        outputs.append(result.stdout)
    assert "Numbers in points: 0 up to 50: " in outputs[0]
    assert "Stored as patients" not in outputs[0]
    exec(second_program, variables)
    assert capsys.readouterr().out.endswith("] points\n")
    with Client(trained_server) as client:
        sweep = client.get(variables["sweep"].id)
        assert sweep.data.objective.metric == "val_r2"
        check_against_scikit_learn(sweep, Path("patients.csv"))
        check_predictions(client, sweep, variables["frame"])
    shown_sweep = CliRunner().invoke(app, ["show", str(sweep.id)]).stdout
    assert f"R² {sweep.best.test_r2:.4f}, mean absolute error {sweep.best.test_mae:,.2f} points" in shown_sweep


def check_against_scikit_learn(sweep: Sweep, path: Path) -> None:
    """The test score of the best is that of others that were fitted to the same rows, but for noise."""
    assert sweep.best is not None
    assert sweep.best.test_r2 is not None
    assert sweep.best.test_mae is not None
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    table_options = TableOptions(target="progress")
    split = make(reading.read(str(path), table_options), table_options).split
    assert split is not None
    (train_x, train_y), (test_x, test_y) = (
        (rows[part][:, :-1], rows[part][:, -1]) for part in (split.train, split.test)
    )
    options: dict[str, Any] = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.01, "max_iter": 500}
    network = MLPRegressor(**options, early_stopping=True, random_state=0)
    for estimator in (LinearRegression(), make_pipeline(StandardScaler(), network)):
        predictions = estimator.fit(train_x, train_y).predict(test_x)
        assert sweep.best.test_r2 > r2_score(test_y, predictions) - 0.1
        assert sweep.best.test_mae < mean_absolute_error(test_y, predictions) + 4


def check_predictions(client: Client, sweep: Sweep, frame: Any) -> None:
    """Model and server give the same numbers, in the unit of the column."""
    rows = frame.drop(columns="progress").head(5)
    body = {"rows": json.loads(rows.to_json(orient="records"))}
    assert sweep.best is not None
    answer = client._transport._http.post(f"/sweeps/{sweep.id}/trials/{sweep.best.number}/predict", json=body).json()
    assert (answer["unit"], answer["quantity"], answer["classes"]) == ("points", "progress", [])
    numbers = [prediction["number"] for prediction in answer["predictions"]]
    assert numbers == pytest.approx(sweep.model().numbers(rows).tolist(), rel=1e-4)
    assert np.corrcoef(sweep.model().numbers(frame), frame["progress"])[0, 1] > 0.5
    page = client._transport._http.get(f"{client.url}/sweeps/{sweep.id}", headers={"Accept": "text/html"}).text
    assert "Test R² of it" in page
    assert "points" in page
