"""Bodies of sweeps that time: what is filled in, and what is refused with a sentence that says what would be right."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.support.queue_examples import claim, new_worker

MATMUL: dict[str, Any] = {"name": "a", "task": "time_matmul", "space": {"size": [8, 9]}, "sampler": "grid"}
TRAINING: dict[str, Any] = {"name": "a", "task": "time_training", "space": {}, "sampler": "grid"}

REFUSED: list[tuple[dict[str, Any], list[str], str]] = [
    ({"task": "time_everything"}, ["task"], "time_matmul"),
    ({"space": {"hidden_units": 8}}, ["space", "hidden_units"], "is no hyperparameter of time_matmul; there are size"),
    ({"space": {"size": 0}}, ["space", "size"], "must be at least 1"),
    ({"space": {"dtype": "float16"}}, ["space", "dtype"], "must be one of float32, tf32, bfloat16"),
    ({"objective": {"metric": "val_accuracy"}}, ["objective", "metric"], "must be one of gflops, seconds for"),
    ({"objectives": [{"metric": "val_loss", "direction": "minimize"}] * 2}, ["objectives"], "can't be several"),
    ({"pruner": "median"}, ["pruner"], "has nothing to stop"),
    ({"constraints": ["size < 9"]}, ["constraints"], "are for networks that are trained"),
    ({"keep_models": "all"}, ["keep_models"], "has nothing to keep"),
    ({"diagnostics": True}, ["diagnostics"], "has nothing to measure"),
    ({"seeds": {"first": 1, "survivors": 2}}, ["seeds"], "must be a number for time_matmul"),
    ({"warm_start": [1], "sampler": "random", "n_trials": 1}, ["warm_start"], "is for networks that are trained"),
    ({"split": "book"}, ["split"], "which validates nothing"),
    ({"dataset": "digits"}, ["dataset"], "which takes no data"),
]


@pytest.mark.parametrize(("changes", "loc", "words"), REFUSED)
def test_what_a_timing_can_not_do_is_refused(
    refusing: TestClient, changes: dict[str, Any], loc: list[str], words: str
) -> None:
    """422 with the field's path; nothing is stored."""
    for path in ("/api/v1/sweeps", "/api/v1/sweeps/preview"):
        answer = refusing.post(path, json=MATMUL | changes)
        assert answer.status_code == 422, answer.text
        errors = {tuple(error["loc"]): error["msg"] for error in answer.json()["errors"]}
        assert words in errors[tuple(loc)]
    assert refusing.get("/api/v1/sweeps").json()["items"] == []


def test_a_network_has_no_metric_of_a_timing(client: TestClient) -> None:
    """Nor a hyperparameter of one."""
    body = {"name": "a", "space": {"hidden_units": 8}, "sampler": "grid"}
    answer = client.post("/api/v1/sweeps", json=body | {"objective": {"metric": "gflops"}})
    assert "must be one of val_accuracy" in answer.json()["errors"][0]["msg"]
    answer = client.post("/api/v1/sweeps", json=body | {"space": {"implementation": "fused"}})
    assert answer.json()["errors"][0]["loc"] == ["space", "implementation"]


@pytest.mark.parametrize(
    ("body", "metric", "direction"),
    [
        (MATMUL, "gflops", "maximize"),
        (MATMUL | {"objective": {"metric": "seconds"}}, "seconds", "minimize"),
        (MATMUL | {"objective": {"direction": "minimize"}}, "gflops", "minimize"),
        (TRAINING, "seconds_per_epoch", "minimize"),
        (TRAINING | {"objective": {"metric": "examples_per_second"}}, "examples_per_second", "maximize"),
    ],
)
def test_the_objective_is_that_of_the_task(
    client: TestClient, body: dict[str, Any], metric: str, direction: str
) -> None:
    """What is left out is the task's first metric, and the direction in which the metric is better."""
    answer = client.post("/api/v1/sweeps", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["objective"] == {"metric": metric, "direction": direction}


def test_a_claim_of_a_timing_is_one_trial(client: TestClient, engine: Engine) -> None:
    """However few workers there are: it runs alone."""
    client.post("/api/v1/sweeps", json=MATMUL)
    worker = new_worker(engine)
    assert len(claim(engine, worker)) == 1
    assert len(claim(engine, worker)) == 1


def test_a_timing_can_grow(client: TestClient) -> None:
    """Its space becomes wider as that of a training does, and only by hyperparameters that it has."""
    path = client.post("/api/v1/sweeps", json=MATMUL).headers["location"]
    answer = client.patch(path, json={"space": {"size": [8, 9, 10], "dtype": ["float32", "bfloat16"]}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["n_trials"] == 6
    trials = client.get(f"{path}/trials").json()["items"]
    assert trials[0]["params"] == {"size": 8, "dtype": "float32"}
    answer = client.patch(path, json={"space": {"size": [8, 9, 10], "dtype": ["float32", "bfloat16"], "depth": 1}})
    assert answer.json()["errors"][0]["loc"] == ["space", "depth"]


def test_the_form_has_the_task_of_a_duplicate(client: TestClient) -> None:
    """What it has no field for is there as JSON, and what it posts times again."""
    path = client.post("/api/v1/sweeps", json=MATMUL | {"seeds": 3}).headers["location"]
    page = client.get(f"/sweeps/new?like={path.rpartition('/')[2]}").text
    assert "time_matmul" in page
    form = {"name": "b", "sampler": "grid", "seeds": "3", "more": '{"task": "time_matmul", "space": {"size": [8]}}'}
    posted = client.post("/sweeps/new", data=form, follow_redirects=False)
    assert posted.status_code == 303
    assert client.get(f"/api/v1{posted.headers['location']}").json()["task"] == "time_matmul"


def test_a_timing_has_a_time_left(client: TestClient, engine: Engine) -> None:
    """Before anything is measured it is what the preview says: every trial after the other."""
    new_worker(engine)
    preview = client.post("/api/v1/sweeps/preview", json=MATMUL | {"seeds": 100}).json()
    sweep = client.post("/api/v1/sweeps", json=MATMUL | {"seeds": 100}).json()
    assert sweep["eta_by"] == "work"
    assert sweep["eta_seconds"] == pytest.approx(preview["estimated_seconds"], rel=0.1)


def test_networks_that_train_together_have_to_fit(client: TestClient) -> None:
    """Where they are fused; the others train one at a time."""
    space = {"hidden_units": 5000, "depth": 2, "networks": 256}
    answer = client.post("/api/v1/sweeps", json=TRAINING | {"space": space | {"implementation": ["concise", "fused"]}})
    assert "a trial whose 256 networks take up to" in answer.json()["errors"][0]["msg"]
    answer = client.post("/api/v1/sweeps", json=TRAINING | {"space": space | {"implementation": "concise"}})
    assert answer.status_code == 201, answer.text
