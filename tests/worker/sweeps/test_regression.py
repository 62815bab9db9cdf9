"""A sweep on numbers through a real worker: its metrics, test score, pages and predictions."""

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sqlalchemy import Engine

from app.domain.states import SweepState
from app.files.network import Network as NumpyNetwork
from perceptune import Model
from tests.support.queue_examples import create_sweep, runs_of, sweep_of
from tests.support.waiting import wait_until
from worker.data.datasets import Dataset, load
from worker.predict.network import Network

pytestmark = pytest.mark.usefixtures("worker")

SPACE = {"hidden_units": [8, 16], "learning_rate": [0.03, 0.06], "weight_decay": 0.03, "epochs": 25, "batch_size": 32}
BODY: dict[str, Any] = {
    "dataset": "diabetes",
    "space": SPACE,
    "sampler": "grid",
    "n_trials": None,
    "seeds": 2,
    "diagnostics": True,
}
OF_NUMBERS = {"train_r2", "train_mae", "val_r2", "val_mae"}
OF_CLASSES = {"train_accuracy", "val_accuracy"}


def scored(engine: Engine) -> int:
    sweep = create_sweep(engine, **BODY)
    wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed and sweep_of(engine, sweep).scored)
    return sweep


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load("diabetes", "holdout", home=tmp_path, device=torch.device("cpu"))


def test_a_sweep_on_numbers_from_its_body_to_its_predictions(engine: Engine, client: TestClient, data: Dataset) -> None:
    """As good as least squares on the same examples, within 0.06 of R²; and nothing speaks of what classes have."""
    sweep = scored(engine)
    answer = client.get(f"/api/v1/sweeps/{sweep}").json()
    best, (look,) = answer["best"], answer["test_scores"]
    assert answer["objective"] == {"metric": "val_r2", "direction": "maximize"}
    line = LinearRegression().fit(data.train_x, data.train_y)
    assert best["value"] > r2_score(data.val_y, line.predict(data.val_x)) - 0.06
    assert data.scaling is not None
    test_x = (data.test_x - torch.tensor(data.scaling.feature_means)) / torch.tensor(data.scaling.feature_stds)
    lines = line.predict(test_x) * data.scaling.target_std + data.scaling.target_mean
    assert best["test_r2"] > r2_score(data.test_y, lines) - 0.06
    assert best["test_mae"] < mean_absolute_error(data.test_y, lines) + 3
    assert (best["test_accuracy"], look["test_accuracy"]) == (None, None)
    assert (look["test_r2"], look["test_mae"]) == (best["test_r2"], best["test_mae"])
    trial = client.get(f"/api/v1/sweeps/{sweep}/trials/{best['number']}").json()
    assert {name for name, value in trial["metrics"].items() if value is None} == OF_CLASSES
    assert trial["metrics"]["val_r2"] == pytest.approx(trial["value"])
    epochs = client.get(f"/api/v1/sweeps/{sweep}/trials/{best['number']}/epochs").json()["items"]
    assert len(epochs) == 2 * 25
    assert all(point[name] is not None for point in epochs for name in OF_NUMBERS | {"train_loss", "val_loss"})
    _check_models(client, sweep, best["number"], data, [run.test_mae for run in runs_of(engine, sweep)])
    _check_pages(client, sweep)


def _check_models(
    client: TestClient, sweep: int, number: int, data: Dataset, test_errors: Sequence[float | None]
) -> None:
    """Server, client and `predict` tell the same numbers of rows in their own units, as wrong as was scored."""
    path = f"/api/v1/sweeps/{sweep}/trials/{number}"
    content = client.get(f"{path}/model?run=0").content
    rows = data.test_x.numpy()
    numbers = Network(content).numbers(rows)
    assert min(abs(mean_absolute_error(data.test_y, numbers) - error) for error in test_errors if error) < 0.001
    assert Model(content).numbers(rows) == pytest.approx(numbers, rel=1e-4)
    assert NumpyNetwork(content).numbers(rows) == pytest.approx(numbers, rel=1e-4)
    with pytest.raises(ValueError, match="ask it for `numbers`"):
        Model(content).predict(rows)
    answer = client.post(f"{path}/predict", json={"rows": rows[:3].tolist(), "run": 0}).json()
    assert [item["number"] for item in answer["predictions"]] == pytest.approx(numbers[:3].tolist(), rel=1e-4)
    for rows_sent, said in (([[1, 2]], "has 2 numbers"), ([["x"] * 10], "must be a number, not x")):
        refused = client.post(f"{path}/predict", json={"rows": rows_sent})
        assert (refused.status_code, said in refused.json()["errors"][0]["msg"]) == (422, True)
    assert (answer["classes"], answer["unit"], answer["quantity"]) == ([], "points", "disease progression")
    assert all((item["label"], item["probabilities"]) == (None, []) for item in answer["predictions"])


def _check_pages(client: TestClient, sweep: int) -> None:
    """Every page and chart of it is there, in words of a regression."""
    pages = ["", "?tab=curves", "?tab=compare&selected=0,1", "?tab=setup", "?tab=events", "?trial=0"]
    text = " ".join(unescape(client.get(f"/sweeps/{sweep}{page}").text) for page in pages)
    text += client.get(f"/sweeps/{sweep}/trials/0/predict").text
    assert re.findall(r".{40}(?:accuracy|nats|images).{40}", text, re.IGNORECASE) == []
    for words in ("validation R²", "Test R² of it", "mean absolute error", "points", "test examples"):
        assert words in text
    charts = ["effect", "history?robust=true", "parallel_coordinates", "diagnostics?measure=outputs"]
    charts += [f"curves?measure={name}" for name in ("r2", "loss", "mae")]
    for chart in charts:
        figure = client.get(f"/api/v1/sweeps/{sweep}/charts/{chart}")
        assert figure.status_code == 200, figure.text
        assert re.findall(r".{20}(?:accuracy|nats|images).{20}", figure.text, re.IGNORECASE) == []
    refused = client.get(f"/api/v1/sweeps/{sweep}/charts/curves?measure=accuracy")
    assert (refused.status_code, "must be r2, loss or mae" in refused.json()["detail"]) == (422, True)
