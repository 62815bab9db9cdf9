"""The HTTP contract, against the real application and a real database."""

import json

import pytest
from fastapi.testclient import TestClient

from app.exercises.registry import EXERCISES

BODY = {
    "name": "width",
    "dataset": "digits",
    "space": {"hidden_units": [4, 8], "learning_rate": {"low": 0.01, "high": 1.0, "log": True}, "epochs": 2},
    "sampler": "random",
    "n_trials": 5,
    "seeds": 2,
}


def test_a_posted_sweep_has_all_its_trials_waiting(client: TestClient) -> None:
    """201, a Location, and as many waiting trials as the budget says."""
    answer = client.post("/api/v1/sweeps", json=BODY)
    assert answer.status_code == 201
    sweep = answer.json()
    assert answer.headers["Location"] == f"/api/v1/sweeps/{sweep['id']}"
    assert sweep["state"] == "queued"
    assert sweep["counts"] == {
        "waiting": 5,
        "running": 0,
        "complete": 0,
        "pruned": 0,
        "failed": 0,
        "cancelled": 0,
        "infeasible": 0,
    }
    assert {name: sweep[name] for name in BODY} == BODY
    assert client.get(answer.headers["Location"]).json() == sweep


def test_a_grid_has_every_cell_once(client: TestClient) -> None:
    """The trials of a grid have their parameters from the start."""
    space = {"hidden_units": [4, 8], "depth": {"low": 0, "high": 2}, "epochs": 2}
    answer = client.post("/api/v1/sweeps", json={"name": "g", "dataset": "digits", "space": space, "sampler": "grid"})
    trials = client.get(f"{answer.headers['Location']}/trials").json()["items"]
    cells = {(trial["params"]["hidden_units"], trial["params"]["depth"]) for trial in trials}
    assert len(trials) == 6
    assert cells == {(units, depth) for units in (4, 8) for depth in (0, 1, 2)}


ACCURACY = {"metric": "val_accuracy", "direction": "maximize"}
TWO = [ACCURACY, {"metric": "parameters", "direction": "minimize"}]


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"space": {"hiden_units": 3}}, ["space", "hiden_units"]),
        ({"space": {"learning_rate": {"low": 0, "high": 1, "log": True}}}, ["space", "learning_rate", "low"]),
        ({"space": {"learning_rate": {"low": 1.0, "high": 0.1}}}, ["space", "learning_rate"]),
        ({"space": {"learning_rate": {"low": 0.1}}}, ["space", "learning_rate", "high"]),
        ({"space": {"activation": ["relu", "rellu"]}}, ["space", "activation", 1]),
        ({"space": {"hidden_units": []}}, ["space", "hidden_units"]),
        ({"space": {"hidden_units": 8.5}}, ["space", "hidden_units"]),
        ({"space": {"hidden_layers": [4, 4], "depth": 2}}, ["space", "depth"]),
        ({"space": {"hidden_units": 60_000, "depth": 8}}, ["space"]),
        ({"space": {"hidden_layers": [[60_000], [29_000, 29_000]]}}, ["space"]),
        ({"space": {"hidden_units": 60_000, "batch_size": 65_536}, "seeds": 100}, ["space"]),
        ({"space": {"hidden_units": 10**400}}, ["space", "hidden_units"]),
        ({"name": "  "}, ["name"]),
        ({"seeds": "2"}, ["seeds"]),
        ({"sampler": {"name": "tpe", "n_startup_trials": -1}}, ["sampler", "n_startup_trials"]),
        (
            {"space": {"learning_rate": {"low": 0.1, "high": 1.0}}, "sampler": "grid", "n_trials": None},
            ["space", "learning_rate"],
        ),
        (
            {"space": {"hidden_units": {"low": 1, "high": 1000}, "epochs": {"low": 1, "high": 200}}, "sampler": "grid"},
            ["space"],
        ),
        ({"n_trials": None}, ["n_trials"]),
        ({"n_trials": 0}, ["n_trials"]),
        ({"dataset": "imagenet"}, ["dataset"]),
        ({"sampler": "tpee"}, ["sampler"]),
        ({"unknown": 1}, ["unknown"]),
        ({"pruner": "medium"}, ["pruner"]),
        ({"pruner": {"name": "median", "n_startup": 3}}, ["pruner", "n_startup"]),
        ({"pruner": {"name": "threshold"}}, ["pruner"]),
        ({"pruner": {"name": "threshold", "lower": "0.5"}}, ["pruner", "lower"]),
        (
            {"pruner": {"name": "patient", "wrapped": {"name": "percentile", "percentile": 101}}},
            ["pruner", "wrapped", "percentile"],
        ),
        ({"pruner": "wilcoxon", "seeds": 3}, ["seeds"]),
        ({"pruner": {"name": "wilcoxon", "p_threshold": 1e-40}, "seeds": 3}, ["pruner", "p_threshold"]),
        ({"objectives": [{"metric": "val_loss", "direction": "minimize"}]}, ["objectives"]),
        ({"objectives": [{"metric": "seconds", "direction": "minimize"}, ACCURACY]}, ["objectives", 0, "metric"]),
        ({"objectives": [ACCURACY, ACCURACY]}, ["objectives", 1, "metric"]),
        ({"objectives": TWO, "objective": {"metric": "val_loss", "direction": "minimize"}}, ["objective"]),
        ({"objectives": TWO, "pruner": "median"}, ["pruner"]),
        ({"stop": {"target": "0.9"}}, ["stop", "target"]),
        ({"stop": {"failures": 0}}, ["stop", "failures"]),
        ({"best_by": "luck"}, ["best_by"]),
        ({"seeds": 0}, ["seeds"]),
    ],
)
def test_a_bad_body_is_refused_with_the_path_of_the_field(
    refusing: TestClient, change: dict[str, object], loc: list[object]
) -> None:
    """422 as problem+json; nothing is stored."""
    answer = refusing.post("/api/v1/sweeps", json=BODY | change)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "errors", "request_id"} == set(problem)
    assert loc in [error["loc"] for error in problem["errors"]]
    assert refusing.get("/api/v1/sweeps").json() == {"items": [], "next": None}


def test_an_idempotency_key_gives_the_same_sweep(client: TestClient) -> None:
    """The second post stores nothing; another body under the key is 409."""
    first = client.post("/api/v1/sweeps", json=BODY, headers={"Idempotency-Key": "k"}).json()
    again = client.post("/api/v1/sweeps", json=BODY, headers={"Idempotency-Key": "k"})
    conflict = client.post("/api/v1/sweeps", json=BODY | {"seeds": 1}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (201, first["id"])
    assert conflict.status_code == 409
    assert len(client.get("/api/v1/sweeps").json()["items"]) == 1


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        (["pause"], "paused"),
        (["pause", "pause"], "paused"),
        (["pause", "resume"], "queued"),
        (["resume"], "queued"),
        (["stop"], "cancelled"),
        (["stop", "stop"], "cancelled"),
        (["cancel"], "cancelled"),
        (["cancel", "cancel"], "cancelled"),
        (["pause", "cancel"], "cancelled"),
    ],
)
def test_the_lifecycle_calls_lead_where_they_should(client: TestClient, calls: list[str], state: str) -> None:
    """Each call answers 200 with the sweep in its new state."""
    place = client.post("/api/v1/sweeps", json=BODY).headers["Location"]
    answers = [client.post(f"{place}/{call}") for call in calls]
    assert [answer.status_code for answer in answers] == [200] * len(calls)
    assert answers[-1].json()["state"] == state
    if state == "cancelled":
        assert answers[-1].json()["counts"]["cancelled"] == 5


def test_what_the_state_does_not_allow_is_409_with_both_states(client: TestClient) -> None:
    """An ended sweep can't be paused."""
    place = client.post("/api/v1/sweeps", json=BODY).headers["Location"]
    client.post(f"{place}/cancel")
    answer = client.post(f"{place}/pause")
    assert answer.status_code == 409
    assert "cancelled" in answer.json()["detail"]
    assert "paused" in answer.json()["detail"]


def test_a_deleted_sweep_is_gone(client: TestClient) -> None:
    """204, then 404."""
    place = client.post("/api/v1/sweeps", json=BODY).headers["Location"]
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404
    assert client.delete(place).status_code == 404


def test_lists_are_paged(client: TestClient) -> None:
    """`next` leads through all items once."""
    for index in range(5):
        client.post("/api/v1/sweeps", json=BODY | {"name": str(index)})
    names, after = [], None
    while True:
        page = client.get("/api/v1/sweeps", params={"limit": 2} | ({"after": after} if after else {})).json()
        names += [sweep["name"] for sweep in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert names == ["4", "3", "2", "1", "0"]


def test_charts_of_a_fresh_sweep_are_valid_and_say_that_they_are_empty(client: TestClient) -> None:
    """Each chart answers with data and layout, and 304 while nothing changes."""
    place = client.post("/api/v1/sweeps", json=BODY).headers["Location"]
    for chart in client.get(f"{place}/charts").json()["items"]:
        answer = client.get(chart["url"])
        assert answer.status_code == 200
        assert {"data", "layout"} <= set(answer.json())
        assert "No " in json.dumps(answer.json()["layout"])
        assert client.get(chart["url"], headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert client.get(f"{place}/charts/effect?x=nothing").status_code == 422
    assert client.get(f"{place}/charts/history?where=hidden_units<9&top=20&metric=best").status_code == 200
    wrong_lens = client.get(f"{place}/charts/history?metric=first")
    assert (wrong_lens.status_code, wrong_lens.json()["errors"][0]["loc"]) == (422, ["query", "metric"])
    assert client.get(f"{place}/charts/nothing").status_code == 404
    assert "<html" in client.get(f"{place}/charts/effect?x=hidden_units&format=html").text
    for format, kind, begin in (("png", "image/png", b"\x89PNG"), ("svg", "image/svg+xml", b"<?xml")):
        image = client.get(f"{place}/charts/effect?x=hidden_units&format={format}")
        assert (image.headers["content-type"], image.content[: len(begin)]) == (kind, begin)


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1/sweeps/1", "/api/v1/sweeps/0", "/api/v1/sweeps/x", "/api/v1/sweeps/1/trials"]
)
def test_errors_are_problems(refusing: TestClient, path: str) -> None:
    """Whatever is wrong, the answer has the same form."""
    answer = refusing.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code


def test_a_body_that_is_no_json_is_refused(refusing: TestClient) -> None:
    """422, not a traceback."""
    answer = refusing.post("/api/v1/sweeps", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["title"]) == (422, "Invalid request")


def test_an_exercise_shows_its_latest_run(client: TestClient) -> None:
    """Null before the first one; a run has the sweeps that it posted, and an answer that is not final."""
    assert client.get("/api/v1/exercises/1").json()["latest_run"] is None
    assert client.get("/api/v1/exercises/1/report.html").status_code == 404
    answer = client.post("/api/v1/exercises/1/runs", json={"preset": "quick"})
    run = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/exercises/1/runs/{run['id']}")
    assert set(run) == {"id", "preset", "state", "progress", "sweeps", "answer"}
    assert (run["preset"], run["state"], run["progress"], run["answer"]["final"]) == ("quick", "queued", 0, False)
    assert run["sweeps"] == client.get("/api/v1/sweeps").json()["items"][::-1]
    assert client.get(answer.headers["Location"]).json() == run
    exercise = client.get("/api/v1/exercises/1").json()
    assert exercise["latest_run"] == run
    for chart in exercise["charts"]:
        figure = client.get(chart["url"])
        assert {"data", "layout"} <= set(figure.json())
        assert client.get(chart["url"], headers={"If-None-Match": figure.headers["ETag"]}).status_code == 304


def test_probes_and_lists_answer(client: TestClient) -> None:
    """Probes, data sets, workers, exercises."""
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    assert [dataset["name"] for dataset in client.get("/api/v1/datasets").json()["items"]] == [
        "fashion_mnist",
        "digits",
        "diabetes",
    ]
    assert client.get("/api/v1/workers").json()["items"] == []
    assert [exercise["number"] for exercise in client.get("/api/v1/exercises").json()["items"]] == list(EXERCISES)
    assert client.get("/api/v1/exercises/10").status_code == 422
    assert client.get("/api/v1/sweeps/1/events").status_code == 404


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"webhook": {"url": "ftp://example.org", "secret": "x" * 16}},
            {
                "loc": ["webhook", "url"],
                "msg": "must be an address like https://example.org/hook, in ASCII, without user and password",
            },
        ),
        (
            {"objectives": [ACCURACY, {"metric": "accuracy", "direction": "maximize"}]},
            {
                "loc": ["objectives", 1, "metric"],
                "msg": "must be 'val_accuracy', 'val_r2', 'val_loss', 'val_mae', 'train_accuracy', 'train_r2', "
                "'train_loss', 'train_mae', 'parameters' or 'seconds', "
                'not "accuracy"; did you mean val_accuracy?',
            },
        ),
    ],
)
def test_a_wrong_field_is_told_once_and_plainly(
    client: TestClient, change: dict[str, object], error: dict[str, object]
) -> None:
    """One sentence a field that says what would be right, without pydantic's own words."""
    answer = client.post("/api/v1/sweeps", json=BODY | change)
    assert answer.json()["errors"] == [error]
    place = client.post("/api/v1/sweeps", json=BODY).headers["Location"]
    clone = client.post(f"{place}/clone", json=change)
    assert (clone.status_code, clone.json()["errors"]) == (422, [error])
