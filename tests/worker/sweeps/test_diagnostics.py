"""Diagnostics on a real worker: what is measured, when, and that nothing else changes by it."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from app.db.engine import transaction
from app.db.tables import Diagnostics, Epoch, Trial
from app.domain.states import SweepState
from app.queue import retraining
from tests.support.queue_examples import create_sweep, sweep_of, trials_of
from tests.support.sweeps.export_examples import document
from tests.support.waiting import wait_until

SPACE = {"hidden_layers": [[16], [16, 1, 8]], "activation": ["relu", "tanh"], "learning_rate": 0.1, "epochs": 4}
GRID = {"space": SPACE, "sampler": "grid", "n_trials": None, "seeds": 2}


def done(engine: Engine, sweep: int) -> list[Trial]:
    wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed)
    return trials_of(engine, sweep)


def rows(engine: Engine, table: type[Epoch | Diagnostics], sweep: int, *left_out: str) -> list[dict[str, Any]]:
    """Of a sweep's trials, by number, without what differs from sweep to sweep."""
    names = [column.name for column in table.__table__.columns if column.name not in {"trial_id", *left_out}]
    query = select(Trial.number, *(getattr(table, name) for name in names)).join(Trial)
    with transaction(engine) as session:
        found_rows = session.execute(
            query.where(Trial.sweep_id == sweep).order_by(Trial.number, table.seed, table.epoch)
        )
        return [row._asdict() for row in found_rows]


@pytest.mark.usefixtures("worker")
def test_they_are_recorded_and_change_nothing_else(engine: Engine, client: TestClient) -> None:
    """Every run before its first step and after each epoch; curves and values are those without, bit for bit."""
    plain, measured = create_sweep(engine, **GRID), create_sweep(engine, **GRID, diagnostics=True)
    plain_trials, measured_trials = done(engine, plain), done(engine, measured)
    assert rows(engine, Epoch, measured, "seconds") == rows(engine, Epoch, plain, "seconds")
    assert [trial.value for trial in measured_trials] == [trial.value for trial in plain_trials]
    assert rows(engine, Diagnostics, plain) == []
    recorded = rows(engine, Diagnostics, measured)
    assert [(row["number"], row["seed"], row["epoch"]) for row in recorded] == [
        (number, seed, epoch) for number in range(4) for seed in (0, 1) for epoch in range(5)
    ]
    assert {(row["number"], row["bottleneck"] is None) for row in recorded} == {(n, n < 2) for n in range(4)}
    _check_api(client, measured, recorded)
    _check_export(client, engine, measured)
    _train_again(engine, measured_trials[3])
    assert rows(engine, Diagnostics, measured) == recorded


def _check_api(client: TestClient, sweep: int, recorded: list[dict[str, Any]]) -> None:
    """The API pages through what was recorded, and lists the chart."""
    path = f"/api/v1/sweeps/{sweep}"
    first = client.get(f"{path}/trials/3/diagnostics", params={"limit": 6}).json()
    second = client.get(f"{path}/trials/3/diagnostics", params={"limit": 6, "after": first["next"]}).json()
    items = [{"number": 3, "seed": item.pop("run"), **item} for item in first["items"] + second["items"]]
    assert items == [row for row in recorded if row["number"] == 3]
    assert client.get(f"{path}/trials/9/diagnostics").status_code == 404
    assert "diagnostics" in [item["name"] for item in client.get(f"{path}/charts").json()["items"]]
    for measure in ("dead", "activations", "gradients", "classes", "outputs", "bottleneck"):
        assert client.get(f"{path}/charts/diagnostics", params={"measure": measure}).json()["data"]
    page = client.get(f"/sweeps/{sweep}", headers={"Accept": "text/html"}).text
    for measure in ("dead", "gradients", "outputs", "bottleneck"):
        assert f"charts/diagnostics?measure={measure}" in page


def _check_export(client: TestClient, engine: Engine, sweep: int) -> None:
    """The JSON file holds them, and gives them back; without its epochs it has none."""
    whole = client.get(f"/api/v1/sweeps/{sweep}/export.json").json()
    assert whole["counts"]["diagnostics"] == 40
    copy = client.post("/api/v1/sweeps/import", content=json.dumps(whole).encode())
    assert copy.status_code == 201, copy.text
    assert rows(engine, Diagnostics, copy.json()["id"]) == rows(engine, Diagnostics, sweep)
    assert document(client, copy.json()["id"]) == document(client, sweep)
    trial = whole["trials"][3]["diagnostics"]
    for wrong, where in (
        ({"dead_share": [[2.0, 0.0, 0.0]] * 10}, ["trials", 3, "diagnostics", 0, "dead_share", 0]),
        ({"gradient_rms": [[0.0]] * 10}, ["trials", 3, "diagnostics", 0]),
        ({"bottleneck": [[[0.0] * 5]] * 10}, ["trials", 3, "diagnostics", 0, "bottleneck"]),
        ({"seed": [0] * 10}, ["trials", 3, "diagnostics"]),
        ({"epoch": []}, ["trials", 3, "diagnostics"]),
    ):
        whole["trials"][3]["diagnostics"] = trial | wrong
        answer = client.post("/api/v1/sweeps/import", content=json.dumps(whole).encode())
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == where


def _train_again(engine: Engine, trial: Trial) -> None:
    """Has a trial trained again for its weights."""
    with transaction(engine) as session:
        retraining.request(session, session.get_one(Trial, trial.id))
    wait_until(lambda: trials_of(engine, trial.sweep_id)[trial.number].retrain_at is None)


@pytest.mark.usefixtures("worker")
def test_trials_in_legs_have_each_row_once(engine: Engine) -> None:
    """What goes on from a checkpoint is measured where it goes on, with the figures of an undisturbed run."""
    space = SPACE | {"epochs": 9}
    pruner = {"name": "successive_halving", "min_resource": 1, "reduction_factor": 3}
    whole = create_sweep(engine, **GRID | {"space": space}, diagnostics=True)
    halved = create_sweep(engine, **GRID | {"space": space}, diagnostics=True, pruner=pruner)
    done(engine, whole)
    trials = done(engine, halved)
    assert len({trial.epochs_done for trial in trials}) > 1
    expected_rows = {(row["number"], row["seed"], row["epoch"]): row for row in rows(engine, Diagnostics, whole)}
    recorded = rows(engine, Diagnostics, halved)
    for trial in trials:
        epochs = [row["epoch"] for row in recorded if (row["number"], row["seed"]) == (trial.number, 1)]
        assert epochs == list(range(trial.epochs_done // 2 + 1))
    for row in recorded:
        expected = expected_rows[row["number"], row["seed"], row["epoch"]]
        assert row["gradient_rms"] == pytest.approx(expected["gradient_rms"], rel=1e-3, abs=1e-6)
        assert row["activation_rms"] == pytest.approx(expected["activation_rms"], rel=1e-3, abs=1e-6)
