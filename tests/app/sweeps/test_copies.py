"""Cloning a sweep, and what a preview foretells, over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text

from app.db.engine import transaction
from app.db.tables import Sweep
from app.schemas import SweepCreate, SweepOut
from tests.support.queue_examples import (
    BODY,
    claim,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    record,
    states,
    success,
)

RICH = BODY | {
    "name": "rich",
    "space": {"hidden_units": {"low": 1, "high": 64}, "learning_rate": {"low": 0.01, "high": 1.0, "log": True}},
    "sampler": {"name": "tpe", "n_startup_trials": 3},
    "pruner": "median",
    "seeds": 3,
    "seed": 7,
    "split": "book",
    "objective": {"metric": "val_loss", "direction": "minimize"},
    "stop": {"failures": 3},
    "keep_models": "all",
    "diagnostics": True,
    "notes": "words",
    "tags": ["a", "b"],
    "priority": 5,
    "device": "cuda",
}


def clone(client: TestClient, sweep: int, key: str | None = None, **changes: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post(f"/api/v1/sweeps/{sweep}/clone", json=changes, headers=headers)
    return answer.status_code, answer.json()


def preview(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/sweeps/preview", json=BODY | changes)
    assert answer.status_code == 200
    answer_body: dict[str, Any] = answer.json()
    return answer_body


def test_whatever_can_be_posted_is_shown() -> None:
    """A clone is made from what is shown, so no field of a body may be missing there."""
    assert {*SweepCreate.model_fields} <= {*SweepOut.model_fields}


def test_a_clone_is_the_same_but_for_what_was_changed(client: TestClient) -> None:
    """Every field of the body is copied, the changes are made, and all its trials wait."""
    posted = client.post("/api/v1/sweeps", json=RICH)
    assert posted.status_code == 201, posted.text
    status, copy = clone(client, posted.json()["id"], name="another", seed=8)
    assert status == 201
    bodies = [{name: body[name] for name in SweepCreate.model_fields} for body in (posted.json(), copy)]
    assert bodies[1] == bodies[0] | {"name": "another", "seed": 8}
    assert (copy["id"], copy["state"], copy["counts"]["waiting"]) == (2, "queued", 4)


def test_a_clone_of_a_grid_has_the_cells_of_its_own_space(client: TestClient, engine: Engine) -> None:
    """The number of trials follows the space, also where the sampler becomes grid."""
    sweep = create_grid(engine, 4, 8)
    assert clone(client, sweep)[1]["n_trials"] == 2
    assert clone(client, sweep, space={"hidden_units": [1, 2, 3]})[1]["n_trials"] == 3
    assert clone(client, create_sweep(engine), sampler="grid")[1]["n_trials"] == 64
    assert clone(client, sweep, sampler="random", n_trials=5)[1]["n_trials"] == 5


def test_a_clone_has_the_budget_and_space_that_the_sweep_has_now(client: TestClient, engine: Engine) -> None:
    """Not those that were once posted."""
    sweep = create_sweep(engine)
    space = {"hidden_units": {"low": 1, "high": 128}, "epochs": 2}
    client.patch(f"/api/v1/sweeps/{sweep}", json={"n_trials": 6, "space": space})
    copy = clone(client, sweep)[1]
    assert (copy["n_trials"], copy["space"]) == (6, space)


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"seeds": "2"}, ["seeds"]),
        ({"state": "running"}, ["state"]),
        ({"space": {"hidden_unitz": 1}}, ["space", "hidden_unitz"]),
        ({"sampler": "grid", "n_trials": 3}, ["n_trials"]),
        ({"name": None}, ["name"]),
    ],
)
def test_a_wrong_change_makes_no_clone(
    client: TestClient, engine: Engine, changes: dict[str, Any], loc: list[object]
) -> None:
    """422 with the path of the field, as for a new sweep."""
    status, problem = clone(client, create_sweep(engine), **changes)
    assert (status, problem["errors"][0]["loc"]) == (422, loc)
    assert len(client.get("/api/v1/sweeps").json()["items"]) == 1


def test_a_key_makes_one_clone(client: TestClient, engine: Engine) -> None:
    """The same key and changes give the same sweep, other changes 409; an unknown sweep is 404."""
    sweep = create_sweep(engine)
    first = clone(client, sweep, "k", seed=1)
    assert clone(client, sweep, "k", seed=1)[1]["id"] == first[1]["id"]
    assert clone(client, sweep, "k", seed=2)[0] == 409
    assert clone(client, 99)[0] == 404


def test_a_preview_counts_and_stores_nothing(client: TestClient, engine: Engine) -> None:
    """Cells of a grid, trainings, the largest model's parameters and about its memory."""
    space = {"hidden_units": [4, 100], "depth": [1, 2], "epochs": 2}
    estimate = preview(client, space=space, sampler="grid", n_trials=None, seeds=3)
    parameters = (64 * 100 + 100) + (100 * 100 + 100) + (100 * 10 + 10)  # digits: 64 inputs, 10 classes
    assert {name: estimate[name] for name in ("n_trials", "cells", "trainings", "parameters")} == {
        "n_trials": 4,
        "cells": 4,
        "trainings": 12,
        "parameters": parameters,
    }
    assert estimate["memory"] >= 3 * 4 * 2 * parameters
    assert preview(client)["cells"] is None
    with transaction(engine) as session:
        assert session.scalars(select(func.count()).select_from(Sweep)).one() == 0


def test_a_preview_refuses_what_could_not_be_posted(client: TestClient) -> None:
    """The same 422 as the post itself."""
    body = BODY | {"space": {"hidden_units": 60_000, "depth": 8}}
    answers = [client.post(path, json=body) for path in ("/api/v1/sweeps/preview", "/api/v1/sweeps")]
    assert [answer.status_code for answer in answers] == [422, 422]
    problems = [answer.json() for answer in answers]
    assert problems[0] | {"request_id": problems[1]["request_id"]} == problems[1]


def test_a_preview_says_why_it_knows_no_time(client: TestClient, engine: Engine) -> None:
    """Without a worker, and without a measurement of one, there is no number but a reason."""
    assert preview(client)["estimated_seconds"] is None
    assert preview(client)["estimate"].startswith("No worker is connected")
    new_worker(engine)
    assert preview(client)["estimated_seconds"] is None
    assert "have trained for 5 seconds" in preview(client)["estimate"]


def test_a_preview_estimates_the_time_from_what_was_measured(client: TestClient, engine: Engine) -> None:
    """The same sweep again takes as long as it took; with a second worker of the kind half of that."""
    sweep, worker = create_grid(engine, 8, 8 + 1), new_worker(engine)
    claimed = claim(engine, worker)
    record(engine, sweep, [trial.lease for trial in claimed], epoch=2)
    finish(engine, sweep, worker, [success(trial.lease) for trial in claimed])
    assert states(engine, sweep) == ["complete", "complete"]
    same = {"space": {"hidden_units": [8, 9], "epochs": 2}, "sampler": "grid", "n_trials": None}
    for seconds in (4, 10):  # both in training for the same ones
        assert preview(client, **same)["estimated_seconds"] is None  # the first four tell nothing
        with transaction(engine) as session:
            session.execute(text(f"UPDATE trials SET started_at = finished_at - interval '{seconds} s'"))
    estimate = preview(client, **same)
    assert estimate["estimated_seconds"] == pytest.approx(10, rel=0.01)
    assert "2 trials" in estimate["estimate"]
    new_worker(engine)
    assert preview(client, **same)["estimated_seconds"] == pytest.approx(5, rel=0.01)
    longer = preview(client, space={"hidden_units": [8, 9], "epochs": 20}, sampler="grid", n_trials=None)
    assert longer["estimated_seconds"] == pytest.approx(50, rel=0.01)
