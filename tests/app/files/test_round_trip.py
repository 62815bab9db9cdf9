"""What is exported can be imported, in each format, without losing anything."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.db import engine as engines
from app.files import imports
from tests.support.queue_examples import claim, create_grid, finish, new_worker, success
from tests.support.sweeps.export_examples import SPACE, document, export, queued_again, rich_sweep

ENDINGS = ("json", "csv", "parquet")


def restored(client: TestClient, body: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/sweeps/import", content=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/sweeps/{answer.json()['id']}"
    sweep: dict[str, Any] = answer.json()
    return sweep


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_sweep_comes_back_as_it_was(client: TestClient, engine: Engine, ending: str) -> None:
    """Every column of every trial, run and epoch, floats to their last bit; what had not ended waits, paused."""
    sweep_id = rich_sweep(engine)
    before = document(client, sweep_id)
    copy = restored(client, export(client, sweep_id, ending).content)
    assert copy["id"] != sweep_id
    assert copy["imported_from"] == sweep_id
    assert json.dumps(document(client, copy["id"])) == json.dumps(queued_again(before))


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ended_sweep_comes_back_ended(client: TestClient, engine: Engine, ending: str) -> None:
    """The copy's export is the original's, byte for byte but for its number and the time; nothing waits."""
    sweep_id = create_grid(engine, 1, 2, 3)
    worker_id = new_worker(engine)
    while trials := claim(engine, worker_id):
        finish(engine, sweep_id, worker_id, [success(trial.lease) for trial in trials])
    copy = restored(client, export(client, sweep_id, ending).content)
    assert copy["state"] == "completed"
    assert json.dumps(document(client, copy["id"])) == json.dumps(document(client, sweep_id))


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_pruned_or_infeasible_comes_back(client: TestClient, engine: Engine, ending: str) -> None:
    """As the queue writes it: a pruned trial's runs have values, an infeasible one has no epochs."""
    sweep_id = create_grid(engine, 1, 2, 3, constraints=["hidden_units < 3"])
    worker_id = new_worker(engine)
    first, second = claim(engine, worker_id)
    finish(
        engine, sweep_id, worker_id, [success(first.lease), replace(success(second.lease), pruning_reason="too poor")]
    )
    copy = restored(client, export(client, sweep_id, ending).content)
    assert {state: count for state, count in copy["counts"].items() if count} == {
        "complete": 1,
        "pruned": 1,
        "infeasible": 1,
    }
    assert json.dumps(document(client, copy["id"])) == json.dumps(document(client, sweep_id))


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_epochs_the_trials_come_back(client: TestClient, engine: Engine, ending: str) -> None:
    """An export without curves is whole in itself."""
    sweep_id = rich_sweep(engine)
    before = document(client, sweep_id)
    copy = restored(client, export(client, sweep_id, ending, epochs=False).content)
    after = document(client, copy["id"])
    for trial in before["trials"]:
        trial["epochs"] = {name: [] for name in trial["epochs"]}
    before["counts"]["epochs"] = 0
    assert json.dumps(after) == json.dumps(queued_again(before))


def test_the_copy_can_be_trained(client: TestClient, engine: Engine) -> None:
    """Resumed, its waiting trials are claimed with the parameters that they had."""
    sweep_id = rich_sweep(engine)
    params_by_number = {trial["number"]: trial["params"] for trial in document(client, sweep_id)["trials"]}
    copy = restored(client, export(client, sweep_id, "csv").content)["id"]
    for call in (f"{sweep_id}/cancel", f"{copy}/resume"):
        assert client.post(f"/api/v1/sweeps/{call}").status_code == 200
    worker_id = new_worker(engine)
    claimed = [trial for _ in range(20) for trial in claim(engine, worker_id)]
    assert len(claimed) == 8
    assert {trial.number: trial.params for trial in claimed}.items() <= params_by_number.items()
    assert all(trial.params and trial.params.keys() == SPACE.keys() for trial in claimed)


def test_a_file_whose_check_takes_long_comes_back(
    client: TestClient, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,000 trials it takes longer than a transaction of others may be idle."""
    path, check = tmp_path / "sweep.json", imports._check_together
    path.write_bytes(export(client, rich_sweep(engine)).content)

    def check_slowly(*arguments: Any) -> None:
        time.sleep(1.0)
        check(*arguments)

    monkeypatch.setattr(engines, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(imports, "_check_together", check_slowly)
    assert imports.restore_file(str(path), engine.url.render_as_string(hide_password=False))
