"""Sweeps that time, door to door: a real worker measures, and the API, files and pages say what was measured."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app import queue
from app.config import Settings
from app.db.engine import connect, transaction
from app.domain.states import WorkerState
from app.queue.machines import is_shared
from app.search.assignment import assign_params
from app.web.app import create_app
from tests.conftest import new_database
from tests.support.queue_examples import (
    ENDLESS,
    LEASE_SECONDS,
    claim,
    complete,
    create_sweep,
    create_timing,
    new_worker,
    setup_of,
    trials_of,
)
from tests.support.waiting import wait_until
from tests.support.worker_contexts import context_on
from tests.support.worker_processes import environment, worker_process
from worker.tasks import timing
from worker.tasks.threads import cores
from worker.tasks.timing import TimedTrial

TRAINING = {
    "name": "epochs",
    "task": "time_training",
    "dataset": "digits",
    "space": {
        "implementation": ["scratch", "concise", "fused"],
        "networks": {"value": 4, "when": {"implementation": ["fused"]}},
        "hidden_units": [4, 8],
        "examples": 512,
    },
    "sampler": "grid",
    "seeds": 3,
}
MATMUL = {"name": "products", "task": "time_matmul", "space": {"size": [64, 65]}, "sampler": "grid", "seeds": 2}
MEMORY = {
    "name": "memory",
    "task": "time_memory",
    "space": {"operation": ["copy", "scale", "add", "triad"], "array_mib": 1},
    "sampler": "grid",
}


@pytest.fixture(scope="module")
def api(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API of a server with one worker of its own."""
    home = tmp_path_factory.mktemp("home")
    with new_database(postgres, template) as url, worker_process(environment(url, home), home / "log") as process:
        settings = Settings(home=home, DATABASE_URL=url, port=0, workers=0, device="cpu", lease_seconds=5)
        with TestClient(create_app(settings), base_url="http://localhost") as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert "Traceback" not in (home / "log").read_text()


def ended(api: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    """The sweep of this body, once it is over."""
    answer = api.post("/api/v1/sweeps", json=body)
    assert answer.status_code == 201, answer.text
    path = answer.headers["location"]
    wait_until(lambda: api.get(path).json()["finished_at"] is not None)
    sweep: dict[str, Any] = api.get(path).json()
    return sweep


def shared(engine: Engine, worker: UUID) -> bool:
    with transaction(engine) as session:
        return is_shared(session, worker)


def trials(api: TestClient, sweep: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(f"/api/v1/sweeps/{sweep['id']}/trials").json()["items"]
    return items


@pytest.fixture(scope="module")
def products(api: TestClient) -> dict[str, Any]:
    """A sweep of matrix products that is over."""
    return ended(api, MATMUL)


def test_epochs_are_timed(api: TestClient) -> None:
    """Each implementation has its repeats in seconds, the least is the best, and who measured where is noted."""
    sweep = ended(api, TRAINING)
    assert sweep["objective"] == {"metric": "seconds_per_epoch", "direction": "minimize"}
    assert sweep["epochs"] == {"done": 18, "total": 18}
    timed = trials(api, sweep)
    assert [len(trial["runs"]) for trial in timed] == [3] * 6
    assert all(0 < run["value"] <= run["seconds"] < 10 for trial in timed for run in trial["runs"])
    assert sweep["best"]["value"] == min(trial["value"] for trial in timed)
    assert all(trial["circumstances"]["alone"] for trial in timed)
    assert {trial["circumstances"]["threads"] for trial in timed} == {1}
    assert all(0 < trial["circumstances"]["processor_share"] < 1.2 for trial in timed)
    assert all(0 <= trial["circumstances"]["others_share"] <= 1.2 for trial in timed)
    assert sweep["test_scores"] == []


def test_speed_is_operations_over_seconds(api: TestClient, products: dict[str, Any]) -> None:
    """As GFLOP/s the product of size n is 2 n³ in its seconds, and as seconds the same within what machines vary."""
    seconds = ended(api, MATMUL | {"objective": {"metric": "seconds"}})
    assert products["objective"] == {"metric": "gflops", "direction": "maximize"}
    assert seconds["objective"] == {"metric": "seconds", "direction": "minimize"}
    for fast, short in zip(trials(api, products), trials(api, seconds), strict=True):
        size = fast["params"]["size"]
        assert 0.01 < fast["value"] < 10_000
        assert 0.02 < fast["value"] * short["value"] * 1e9 / (2 * size**3) < 50  # another second on a busy machine


def test_memory_is_timed(api: TestClient) -> None:
    """Each operation in GB/s; the arrays are as large as was asked, and 0 threads are one for each core."""
    timed = trials(api, ended(api, MEMORY))
    assert {trial["state"] for trial in timed} == {"complete"}
    assert all(0.01 < trial["value"] < 10_000 for trial in timed)
    assert {trial["circumstances"]["array_bytes"] for trial in timed} == {2**20}
    on_all_cores = trials(api, ended(api, MEMORY | {"space": {"array_mib": 1, "threads": 0}}))
    assert on_all_cores[0]["circumstances"]["threads"] == cores()


def test_what_is_not_there_is_said(api: TestClient) -> None:
    """A trial for a GPU, a type or threads that a machine lacks fails once, with the reason, and not three times."""
    space = {"size": 8, "device": ["cpu", "gpu"], "dtype": "tf32", "threads": [1, 1024]}
    timed = trials(api, ended(api, MATMUL | {"space": space}))
    assert {trial["state"] for trial in timed} == {"failed"}
    assert {trial["attempt"] for trial in timed} == {1}
    errors = " ".join(trial["error"] for trial in timed)
    assert "there is no GPU that this worker may use" in errors
    assert "tf32 is a type of NVIDIA's GPUs" in errors
    threads = trials(api, ended(api, MATMUL | {"space": {"size": 8, "threads": 1024}}))
    assert threads[0]["error"].startswith("1024 threads were asked for")


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_timing_comes_back_from_a_file(api: TestClient, products: dict[str, Any], ending: str) -> None:
    """With its task, its repeats, and what it was measured under."""
    file = api.get(f"/api/v1/sweeps/{products['id']}/export.{ending}").content
    copy = api.post("/api/v1/sweeps/import", content=file)
    assert copy.status_code == 201, copy.text
    assert copy.json()["task"] == "time_matmul"
    assert trials(api, copy.json()) == trials(api, products)


def test_circumstances_of_strangers_are_checked(api: TestClient, products: dict[str, Any]) -> None:
    """A file whose facts could not be shown is refused, by the name of the field."""
    document = json.loads(api.get(f"/api/v1/sweeps/{products['id']}/export.json").content)
    document["trials"][0]["circumstances"]["cache_bytes"] = "much"
    answer = api.post("/api/v1/sweeps/import", json=document)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["trials", 0, "circumstances", "cache_bytes"]


def test_pages_and_charts_have_units(api: TestClient, products: dict[str, Any]) -> None:
    """GFLOP/s wherever a value stands; nothing of images, epochs or learning curves."""
    page = api.get(f"/sweeps/{products['id']}").text
    assert "Best configuration (2 runs), speed of the product" in page
    assert "GFLOP/s" in page
    assert "repeats per trial" in page
    panel = api.get(f"/sweeps/{products['id']}/trials/0", headers={"HX-Request": "true"}).text
    assert "with no other trial on its machine" in panel
    for word in ("Test accuracy", "test images", "validated on", "Learning curves", "learning curves", "epoch"):
        assert word not in page
    charts = f"/api/v1/sweeps/{products['id']}/charts"
    names = [chart["name"] for chart in api.get(charts).json()["items"]]
    assert {"effect", "history", "regret"} <= {*names}
    assert not {"curves", "diagnostics"} & {*names}
    assert {name: api.get(f"{charts}/{name}").status_code for name in names} == dict.fromkeys(names, 200)
    regret = api.get(f"{charts}/regret").json()
    assert regret["layout"]["yaxis"]["title"]["text"] == "Speed of the product (GFLOP/s)"
    assert "it has no learning curves" in api.get(f"{charts}/curves").text
    effect = api.get(f"{charts}/effect?x=size").json()
    assert effect["layout"]["yaxis"]["title"]["text"] == "Speed of the product (GFLOP/s)"
    assert effect["layout"]["title"]["text"] == "Speed of the product by size"
    assert effect["layout"]["title"]["subtitle"]["text"] == "2 repeats"
    assert all("%{y:.4f}" not in trace.get("hovertemplate", "") for trace in effect["data"])
    assert "GFLOP/s" in api.get("/").text


def test_a_timing_is_previewed(api: TestClient) -> None:
    """Seconds by a rough model: twice as many repeats take twice as long, and a larger matrix longer."""
    preview = api.post("/api/v1/sweeps/preview", json=MATMUL).json()
    assert preview["estimated_seconds"] > 0
    assert (preview["n_trials"], preview["trainings"], preview["parameters"]) == (2, 4, 0)
    twice = api.post("/api/v1/sweeps/preview", json=MATMUL | {"seeds": 4}).json()
    assert twice["estimated_seconds"] == pytest.approx(2 * preview["estimated_seconds"])
    larger = api.post("/api/v1/sweeps/preview", json=MATMUL | {"space": {"size": [4096, 65]}}).json()
    assert larger["estimated_seconds"] > 2 * preview["estimated_seconds"]


def test_a_timing_has_no_model(api: TestClient, products: dict[str, Any]) -> None:
    """To ask for one, or to train longer, is a conflict that says why."""
    answer = api.get(f"/api/v1/sweeps/{products['id']}/trials/0/model")
    assert answer.status_code == 409
    assert "measures speed" in answer.json()["detail"]
    answer = api.post(f"/api/v1/sweeps/{products['id']}/trials/0/continue", json={"epochs": 30})
    assert answer.status_code == 409
    assert "trains nothing" in answer.json()["detail"]


def test_a_timing_can_be_copied(api: TestClient, products: dict[str, Any]) -> None:
    """A clone times again, and the form shows all that it does."""
    clone = api.post(f"/api/v1/sweeps/{products['id']}/clone", json={"name": "again", "seeds": 1})
    assert clone.status_code == 201, clone.text
    assert clone.json()["task"] == "time_matmul"
    assert "time_matmul" in api.get(f"/sweeps/new?like={products['id']}").text


def test_what_trains_makes_room(postgres: str, template: str, tmp_path: Path) -> None:
    """A worker whose machine is wanted ends its leg with what it has trained, and goes on once the machine is free."""
    log = tmp_path / "log"
    with new_database(postgres, template) as url, worker_process(environment(url, tmp_path), log):
        engine = connect(url)
        sweep = create_sweep(engine, space=ENDLESS, n_trials=1)
        wait_until(lambda: trials_of(engine, sweep)[0].epochs_done > 0)
        own = new_worker(engine, host=socket.gethostname())
        products = create_timing(engine, 1)
        claimed = claim(engine, own)
        assert shared(engine, own)
        wait_until(lambda: not shared(engine, own))
        trial = trials_of(engine, sweep)[0]
        assert (trial.state, trial.epochs_done) == ("waiting", trial.epochs_trained)
        assert trial.epochs_trained > 0
        complete(engine, products, own, claimed)
        wait_until(lambda: trials_of(engine, sweep)[0].epochs_done > trial.epochs_done)
        engine.dispose()


def test_who_waited_in_vain_is_not_alone(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial is timed beside others in the end, and says so; the next one has the machine to itself."""
    monkeypatch.setattr(timing, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(timing, "LOOK_SECONDS", 0.01)
    sweep, neighbour = create_timing(engine, 2), new_worker(engine)
    settings = Settings(home=tmp_path, lease_seconds=LEASE_SECONDS)
    context = context_on(engine, settings, new_worker(engine))
    for state in (WorkerState.training, WorkerState.idle):
        with transaction(engine) as session:
            queue.set_worker_state(session, neighbour, state)
        (trial,) = assign_params(engine, setup_of(engine, sweep), claim(engine, context.broker.worker_id))
        context.held_leases.take([trial.lease])
        TimedTrial(context, setup_of(engine, sweep), trial, None).run()
    assert [(trial.circumstances or {})["alone"] for trial in trials_of(engine, sweep)] == [False, True]
