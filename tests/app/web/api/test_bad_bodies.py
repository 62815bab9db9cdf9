"""Bodies that are wrong in very many places, or very deeply: a short answer, at once."""

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app import queries
from app.access import keys
from app.web import uploads
from app.web.api import charts, health
from app.web.pages.new_sweep import form
from tests.support.queue_examples import create_sweep

BODY: dict[str, Any] = {"name": "a", "n_trials": 2, "space": {"hidden_units": [8]}}
DEPTHS = [50, 900, 2_000, 100_000]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{{"name": {}}}',
        '{{"name": "a", "n_trials": 2, "space": {{"hidden_units": {}}}}}',
        '{{"name": "a", "n_trials": 2, "space": {{"hidden_layers": {}}}}}',
        '{{"name": "a", "n_trials": 2, "space": {{}}, "sampler": {}}}',
    ],
)
def test_what_is_nested_too_deeply_is_422(refusing: TestClient, body: str, depth: int) -> None:
    """At any place of a body."""
    content = body.format(nested(depth))
    answer = refusing.post("/api/v1/sweeps", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert len(answer.text) < 5_000


@pytest.mark.parametrize(
    ("body", "why"),
    [(b'{"name": "\xff"}', "it is not UTF-8"), (b"1" * 5_000, "a number of it has thousands of digits")],
)
def test_what_is_no_json_is_told_why(refusing: TestClient, body: bytes, why: str) -> None:
    """Also where Python itself gives up on it."""
    answer = refusing.post("/api/v1/sweeps", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["msg"]) == (422, f"the body is no JSON: {why}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n_trails", "is unknown; did you mean n_trials?"),
        ("stop_rules", "is unknown; did you mean stop?"),
        ("x", "is unknown; leave it out"),
    ],
)
def test_an_unknown_field_is_told_which_was_meant(refusing: TestClient, name: str, words: str) -> None:
    """By its likeness, or because the one that was meant begins it."""
    (error,) = refusing.post("/api/v1/sweeps", json=BODY | {name: 1}).json()["errors"]
    assert error == {"loc": [name], "msg": words}


def test_a_missing_direction_is_told_what_it_can_be(refusing: TestClient) -> None:
    """The field's name alone does not say which words it takes."""
    body = BODY | {"objectives": [{"metric": "val_accuracy"}, {"metric": "parameters", "direction": "minimize"}]}
    (error,) = refusing.post("/api/v1/sweeps", json=body).json()["errors"]
    assert error == {"loc": ["objectives", 0, "direction"], "msg": "is missing: write 'maximize' or 'minimize'"}


def test_the_first_wrong_fields_are_named(refusing: TestClient) -> None:
    """Twenty of them, and how many there are."""
    problem = refusing.post("/api/v1/sweeps", json=BODY | {"space": {f"x{n}": 1 for n in range(50)}}).json()
    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith("These are the first 20 of 50.")


@pytest.mark.parametrize("field", ["body", "space"])
def test_very_many_unknown_fields_are_one_error(refusing: TestClient, field: str) -> None:
    """Of the object that has them, so that they take no memory."""
    many = {f"x{n}": 1 for n in range(200_000)}
    answer = refusing.post("/api/v1/sweeps", json=BODY | ({"space": many} if field == "space" else many))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert "200,00" in error["msg"]
    assert error["loc"] == (["space"] if field == "space" else [])


def test_every_list_in_a_body_has_a_limit(client: TestClient) -> None:
    """Of a longer one nothing is checked: to word what is wrong with each of its values takes seconds, and memory."""
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    bodies = {name: schema for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    unlimited = {f"{name}.{field}" for name, body in bodies.items() for field in unlimited_lists(body["properties"])}
    assert unlimited == set()
    answer = client.post("/api/v1/exercises/1/runs/1/tries", json={"value": ["a"] * 200_000})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 4


def unlimited_lists(properties: dict[str, Any]) -> list[str]:
    """The fields that take a list of any length."""
    kinds = {name: [field, *field.get("anyOf", [])] for name, field in properties.items()}
    return [name for name, choices in kinds.items() if any(map(is_unlimited, choices))]


def is_unlimited(schema: dict[str, Any]) -> bool:
    """Whether this is a list of any length."""
    return schema.get("type") == "array" and not {"maxItems", "prefixItems"} & set(schema)


def test_a_chart_of_another_version_is_another_chart(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a browser kept is drawn anew after an upgrade."""
    path = f"/api/v1/sweeps/{create_sweep(engine)}/charts/history"
    tag = {"If-None-Match": client.get(path).headers["etag"]}
    assert client.get(path, headers=tag).status_code == 304
    monkeypatch.setattr(charts, "version", lambda _: "9.9")
    assert client.get(path, headers=tag).status_code == 200


def test_readiness_is_looked_at_once_a_second(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks between has the answer of before."""
    monkeypatch.setattr(health, "HOLDS_SECONDS", 3600.0)
    assert client.get("/readyz").status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'other'"))
    assert client.get("/readyz").status_code == 200
    monkeypatch.setattr(health, "HOLDS_SECONDS", 0.0)
    assert client.get("/readyz").status_code == 503


def test_a_body_that_is_announced_too_large_is_no_bug(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """Also where no body was expected: 413, and nothing in the log."""
    answer = client.request("OPTIONS", "/workers", headers={"Content-Length": "99999999999"})
    assert answer.status_code == 413
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_field_that_wants_an_object_says_so(refusing: TestClient) -> None:
    """Of the field, not of the whole body and how it was sent."""
    body = {"name": "x", "dataset": "digits", "space": {"epochs": 1}, "sampler": "random", "n_trials": 1}
    errors = refusing.post("/api/v1/sweeps", json=body | {"warm_start": "1"}).json()["errors"]
    assert errors == [{"loc": ["warm_start"], "msg": 'must be a JSON object, not "1"'}]
    errors = refusing.post("/api/v1/sweeps", json="1").json()["errors"]
    assert "the body must be a JSON object" in errors[0]["msg"]


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("GET", "sweeps/x", None, 'must be a whole number, not "x"'),
        ("GET", "sweeps/{}/export.csv?trials=a", None, "must be numbers of trials with commas between them"),
        ("POST", "workers/abc/drain", None, 'must be an id like 0f8fad5b-d9cb-469f-a165-70867728950e, not "abc"'),
        ("POST", "sweeps", BODY | {"tags": ["a,b"]}, "must be a word without commas"),
        ("POST", "sweeps", BODY | {"tags": [3]}, "must be a text, not 3"),
        ("POST", "sweeps", BODY | {"n_trials": 2.5}, "must be a whole number, not 2.5"),
        ("POST", "sweeps", BODY | {"name": ""}, "must have at least 1 character"),
        ("POST", "sweeps", BODY | {"objectives": []}, "must have at least 2 entries, not 0"),
        ("POST", "keys", {"name": "a\nb", "role": "read"}, "must be one line without control characters"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(
    client: TestClient, engine: Engine, method: str, path: str, body: object, sentence: str
) -> None:
    """Of paths, queries and bodies alike."""
    answer = client.request(method, f"/api/v1/{path.format(create_sweep(engine))}", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["msg"]) == (422, sentence)


def test_a_full_folder_for_uploads_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for an upload, or for what tempfile tries a folder with: 503, and when to try again."""
    content, headers = b" " * 2**20, {"Content-Type": "application/json"}
    monkeypatch.setattr(uploads, "NamedTemporaryFile", lambda prefix: open("/dev/full", "wb"))  # noqa: ARG005, SIM115
    answer = client.post("/api/v1/sweeps/import", content=content, headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The server's folder for uploads is full" in answer.json()["detail"]
    monkeypatch.undo()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    assert client.post("/api/v1/sweeps/import", content=content, headers=headers).status_code == 503


def test_brackets_that_can_be_read_but_not_written_are_422(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How many that are depends on how deep the call is: of few depths the one is read, and the other fails.

    The log says where, since what calls itself for ever looks the same.
    """

    def fail(_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(form, "form_from_json", fail)
    answer = client.post("/sweeps/new/fields", data={"body": "{}"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "What was sent is nested too deeply.")
    assert "nested too deeply for fail, test_bad_bodies.py" in caplog.text


def test_no_number_is_a_bug_of_the_server(client: TestClient, engine: Engine) -> None:
    """In addresses and forms such as no column holds, in parameters such as no float does."""
    sweep, digits = create_sweep(engine), "9" * 400
    answers = [
        client.get(f"/sweeps/{sweep}/trials/new?like={digits[:20]}", headers={"HX-Request": "true"}),
        client.post(f"/exercises/1/runs/{digits[:20]}/tries", data={"value": "1"}),
        client.post(f"/sweeps/{sweep}/trials", data={"p-hidden_units": digits}),
        client.post(
            f"/api/v1/sweeps/{sweep}/trials",
            content=f'{{"params": {{"hidden_units": {digits}}}}}',
            headers={"Content-Type": "application/json"},
        ),
    ]
    assert [answer.status_code for answer in answers] == [422] * 4


@pytest.mark.parametrize("name", ["x", "y", "color", "order_by", "trial", "where"])
def test_no_word_of_an_address_is_a_thousandfold_in_its_page(client: TestClient, engine: Engine, name: str) -> None:
    """A sweep's page has a hundred links, each with what its own address says."""
    answer = client.get(f"/sweeps/{create_sweep(engine)}?{name}={'a' * 50_000}")
    assert answer.status_code == 422


def test_a_transaction_that_postgres_has_ended_is_503(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the time to wait, whether its last words come or the connection is closed already."""

    def idle(session: Session, _: int) -> None:
        session.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '1ms', true)"))
        time.sleep(0.2)
        session.execute(text("SELECT 1"))

    monkeypatch.setattr(queries, "summary", idle)
    answer = client.get("/api/v1/sweeps/1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_no_query_is_a_bug_of_the_server(client: TestClient, engine: Engine) -> None:
    """Numbers that no column holds and texts that Postgres has not, in each parameter that pages and lists take."""
    sweep = create_sweep(engine)
    paths = ["/", "/sweeps/1", "/sweeps/1/log", "/sweeps/new", "/compare", "/docs", "/api/v1/sweeps", "/api/v1/compare"]
    paths += [f"/api/v1/sweeps/{sweep}/{rest}" for rest in ("trials", "log", "deliveries", "charts/effect")]
    names = ["q", "tag", "task", "dataset", "after", "page", "limit", "sweeps", "x", "state", "order_by", "numbers"]
    queries = [f"{path}?{name}={value}" for path in paths for name in names for value in ("%00", str(2**70), "-1")]
    assert {query for query in queries if client.get(query).status_code >= 500} == set()


@pytest.mark.parametrize(
    ("state", "status"),
    [("40P01", 503), ("53100", 503), ("57P03", 503), ("58030", 503), ("54001", 500), ("55000", 500), ("XX000", 500)],
)
@pytest.mark.parametrize("place", ["a route", "the gate"])
def test_what_the_database_may_do_later_is_503(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, place: str, state: str, status: int
) -> None:
    """What it will not do the next time either is a bug, wherever it is asked for."""

    def fail(session: Session, *_: object) -> None:
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"))

    monkeypatch.setattr(*((queries, "summary") if place == "a route" else (keys, "any_key")), fail)
    client.app.state.gate.ring.forget()  # type: ignore[attr-defined]
    answer = client.get("/api/v1/sweeps/1")
    assert (answer.status_code, "Retry-After" in answer.headers) == (status, status == 503)
    assert answer.json()["detail"] != "This is a bug of the server; its log says more." or status == 500


def test_a_page_of_curves_has_so_many_points(client: TestClient, engine: Engine) -> None:
    """Several may be asked for at once, and each is in memory."""
    path = f"/api/v1/sweeps/{create_sweep(engine)}/trials/0/epochs"
    assert [client.get(path, params={"limit": limit}).status_code for limit in (10_000, 10_001)] == [200, 422]
