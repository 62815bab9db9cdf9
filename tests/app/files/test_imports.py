"""A file that lost something, or was changed into what can't be, is refused with a sentence; nothing is stored."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx2
import pyarrow
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.config import Settings
from app.db.engine import connect
from app.web.api import imports as import_routes
from app.web.app import create_app
from tests.conftest import new_database
from tests.support.sweeps.export_examples import document, export, rich_sweep

Change = Callable[[dict[str, Any]], object]


class Strict(NamedTuple):
    """A server whose database stays empty, for files that it is to refuse, and good ones to make them of."""

    client: TestClient
    exports: dict[str, bytes]  # by ending


@pytest.fixture(scope="module")
def strict(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    """One for all that is refused, of which it keeps nothing."""
    with new_database(postgres, template) as url:
        engine = connect(url)
        settings = Settings(home=tmp_path_factory.mktemp("home"), DATABASE_URL=url, port=0, workers=0, device="cpu")
        with TestClient(create_app(settings), base_url="http://localhost") as client:
            sweep = rich_sweep(engine)
            exports = {ending: export(client, sweep, ending).content for ending in ("json", "csv", "parquet")}
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM sweeps"))
            yield Strict(client, exports)
        engine.dispose()


@pytest.fixture
def whole(strict: Strict) -> dict[str, Any]:
    """An export as JSON."""
    document: dict[str, Any] = json.loads(strict.exports["json"])
    return document


def post(client: TestClient, body: bytes) -> httpx2.Response:
    return client.post("/api/v1/sweeps/import", content=body)


def refusal(client: TestClient, body: bytes) -> tuple[list[Any], str]:
    """Where and what is wrong; nothing is there after it."""
    answer = post(client, body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert client.get("/api/v1/sweeps").json()["items"] == []
    return error["loc"], error["msg"]


def complete(whole: dict[str, Any]) -> dict[str, Any]:
    trial: dict[str, Any] = next(trial for trial in whole["trials"] if trial["state"] == "complete")
    return trial


WRONG: list[tuple[str, Change, list[Any], str]] = [
    ("format", lambda d: d.update(format="other"), ["format"], "must be 'perceptune.sweep'"),
    ("version", lambda d: d.update(version=2), ["version"], "must be 1"),
    ("no sweep", lambda d: d.pop("sweep"), ["sweep"], "must be an object"),
    ("no trials", lambda d: d.update(trials=[]), ["trials"], "must be a list of 1 to"),
    ("a trial less", lambda d: d["trials"].pop(), ["counts", "trials"], "is 12, but the file holds 11"),
    ("a run less", lambda d: complete(d)["runs"].pop(), ["trials", 2, "value"], "but the mean over its runs is"),
    ("no counts", lambda d: d.pop("counts"), ["counts"], "is missing"),
    ("a space", lambda d: d["sweep"].update(space={"lr": 1}), ["space", "lr"], "is no hyperparameter"),
    ("a sampler", lambda d: d["sweep"].update(sampler={"name": "x"}), ["sweep", "sampler"], "does not match"),
    ("a state", lambda d: d["sweep"].update(state="gone"), ["sweep", "state"], "must be one of queued, running"),
    ("ended", lambda d: d["sweep"].update(state="completed"), ["sweep", "finished_at"], "if and only if"),
    ("a column", lambda d: d["sweep"].update(more=1), ["sweep", "more"], "is unknown; leave it out"),
    ("no name", lambda d: d["sweep"].pop("name"), ["sweep", "name"], "is missing"),
    ("a NUL", lambda d: d["sweep"].update(name="a\0"), ["sweep", "name"], "must be text without the character U+0000"),
    ("half a pair", lambda d: d["sweep"].update(notes="\ud800"), ["sweep", "notes"], "must be text without"),
    ("a zone", lambda d: d["sweep"].update(created_at="2026-01-01"), ["sweep", "created_at"], "must be a time like"),
    ("a number", lambda d: d["trials"][1].update(number=0), ["trials"], "must have a number of their own each"),
    ("no value", lambda d: complete(d).update(value=None), ["trials", 2, "value"], "is missing: the trial is complete"),
    ("a value", lambda d: d["trials"][4].update(value=1.0), ["trials", 4, "value"], "must be null: only complete"),
    ("no digit", lambda d: complete(d).update(value=0.3), ["trials", 2, "value"], "but the mean over its runs is"),
    ("params", lambda d: complete(d)["params"].update(epochs=0), ["trials", 2, "params", "epochs"], "must be at least"),
    ("lost params", lambda d: complete(d).update(params=None), ["trials", 2, "params"], "is missing"),
    ("an end", lambda d: complete(d).update(finished_at=None), ["trials", 2, "finished_at"], "if and only if"),
    ("huge", lambda d: complete(d).update(attempt=10**30), ["trials", 2, "attempt"], "must be a whole number"),
    ("attempts", lambda d: complete(d)["history"][0].pop("worker"), ["trials", 2, "history", 0, "worker"], "required"),
    (
        "lost when",
        lambda d: complete(d)["history"][0].update(ended_at=5),
        ["trials", 2, "history", 0, "ended_at"],
        "a time",
    ),
    ("epochs", lambda d: complete(d).update(epochs_total=2**40), ["trials", 2, "epochs_total"], "must be below"),
    ("a huge cost", lambda d: complete(d).update(cost=1e308), ["trials", 2, "cost"], "must be a number between"),
    ("the last seed", lambda d: complete(d).update(first_seed=2**31 - 1), ["trials", 2, "first_seed"], "below 2 ** 30"),
    ("the last number", lambda d: complete(d).update(number=2**31 - 1), ["trials", 2, "number"], "below 2 ** 30"),
    ("a last attempt", lambda d: complete(d).update(attempt=2**31 - 1), ["trials", 2, "attempt"], "at most 1,000"),
    (
        "outside the space",
        lambda d: complete(d)["params"].update(learning_rate=0.3),
        ["trials", 2, "params", "learning_rate"],
        "is outside the sweep's space: 1, 0.1, 1e-07",
    ),
    (
        "not in the space",
        lambda d: complete(d)["params"].update(dropout=0.5),
        ["trials", 2, "params", "dropout"],
        "is outside the sweep's space: not part of it",
    ),
    (
        "a value that is missing",
        lambda d: complete(d)["params"].pop("hidden_layers"),
        ["trials", 2, "params"],
        "are outside the sweep's space",
    ),
    (
        "a note",
        lambda d: complete(d).update(note="x" * 1001),
        ["trials", 2, "note"],
        "must have at most 1,000 characters",
    ),
    ("a first seed", lambda d: complete(d).update(first_seed=-1), ["trials", 2, "first_seed"], "must be 0 or more"),
    ("objectives", lambda d: complete(d)["other_values"].pop(), ["trials", 2, "other_values"], "must hold 2"),
    ("lost objectives", lambda d: complete(d).update(other_values=None), ["trials", 2, "other_values"], "must hold 2"),
    ("devices", lambda d: d["sweep"].update(environment={"devices": 5}), ["sweep", "environment", "devices"], "a list"),
    (
        "products",
        lambda d: d["sweep"].update(environment={"products": "half"}),
        ["sweep", "environment", "products"],
        "must be one of float32, TF32, bfloat16",
    ),
    ("a version", lambda d: d["sweep"].update(environment={"torch": 2}), ["sweep", "environment", "torch"], "be text"),
    (
        "a look",
        lambda d: d["sweep"].update(test_scores=[{"at": None, "number": 0, "runs": 1, "test_accuracy": 2.0}]),
        ["sweep", "test_scores", 0, "test_accuracy"],
        "must be less than or equal to 1",
    ),
    (
        "a long reason",
        lambda d: d["sweep"].update(stop_reason="x" * 200_000),
        ["sweep", "stop_reason"],
        "must have at most 200,000 characters",
    ),
    (
        "words beside a fact",
        lambda d: d["sweep"].update(environment={str(n): "x" * 200 for n in range(1_000)}),
        ["sweep", "environment"],
        "must have at most 200,000 characters",
    ),
    (
        "a look with more",
        lambda d: d["sweep"].update(test_scores=[{"at": None, "number": 0, "runs": 1, "more": "x" * 200_000}]),
        ["sweep", "test_scores"],
        "must have at most 200,000 characters",
    ),
    (
        "a long history",
        lambda d: complete(d)["history"][0].update(reason="x" * 50_000),
        ["trials", 2],
        "must have at most 50,000 characters in error, reason, history, devices and the errors of runs",
    ),
    (
        "very many runs",
        lambda d: complete(d).update(runs=[complete(d)["runs"][0] | {"seed": seed} for seed in range(101)]),
        ["trials", 2, "runs"],
        "must be those of at most 100 runs, not of 101",
    ),
    (
        "very many curves",
        lambda d: complete(d).update(
            epochs={
                name: [*range(101)] if name == "seed" else column[:1] * 101
                for name, column in complete(d)["epochs"].items()
            }
        ),
        ["trials", 2, "epochs"],
        "must be those of at most 100 runs, not of 101",
    ),
    ("history", lambda d: complete(d).update(history={}), ["trials", 2, "history"], "must be a JSON object, or a list"),
    ("a seed", lambda d: complete(d)["runs"][1].update(seed=0), ["trials", 2, "runs"], "must have a seed of their own"),
    ("a curve", lambda d: complete(d)["epochs"]["epoch"].pop(), ["trials", 2, "epochs"], "lists of the same length"),
    ("an epoch", lambda d: complete(d)["epochs"].update(epoch=[1] * 4), ["trials", 2, "epochs"], "of a run twice"),
    (
        "a figure",
        lambda d: complete(d)["epochs"]["val_accuracy"].__setitem__(3, "x"),
        ["trials", 2, "epochs", 3, "val_accuracy"],
        "must be a number between",
    ),
]


@pytest.mark.parametrize(("change", "loc", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_can_not_be_is_refused(
    strict: Strict, whole: dict[str, Any], change: Change, loc: list[Any], words: str
) -> None:
    """The field is named, and what would be right."""
    change(whole)
    error_loc, msg = refusal(strict.client, json.dumps(whole).encode())
    assert error_loc == loc
    assert words in msg


def test_what_can_be_is_shown(client: TestClient, whole: dict[str, Any]) -> None:
    """Trials that cost nothing, and ones that ended before they began, because a clock was put back."""
    for trial in whole["trials"]:
        trial |= {} if trial["cost"] is None else {"cost": 0.0}
        trial |= {} if trial["finished_at"] is None else {"started_at": "2100-01-01T00:00:00+00:00"}
    sweep = post(client, json.dumps(whole).encode()).json()
    assert sweep["progress"] == 0.0  # by the cost of what waits, which is computed
    assert client.post(f"/api/v1/sweeps/{sweep['id']}/resume").json()["state"] == "running"
    assert client.get(f"/api/v1/sweeps/{sweep['id']}").json()["eta_seconds"] is None


def test_the_size_of_a_trial_that_waits_is_computed(client: TestClient, whole: dict[str, Any]) -> None:
    """Workers share trials by it: one that a file claims could keep them from claiming any."""
    honest = json.dumps(whole)
    for trial in whole["trials"]:
        trial |= {} if trial["cost"] is None else {"cost": 1e150, "epochs_total": 2**31 - 1, "configuration": "x"}
    sweep = post(client, json.dumps(whole).encode()).json()["id"]
    same_sweep = post(client, honest.encode()).json()["id"]
    stored, expected = ({t["number"]: t for t in document(client, id)["trials"]} for id in (sweep, same_sweep))
    for number, trial in stored.items():
        assert trial["configuration"] == expected[number]["configuration"]
        assert trial["state"] != "waiting" or trial == expected[number]


def lines(content: bytes) -> list[str]:
    return content.decode().splitlines(keepends=True)


CSV: list[tuple[str, Callable[[bytes], bytes], list[Any], str]] = [
    ("a row", lambda c: "".join(lines(c)[:-1]).encode(), ["counts", "trials"], "is 12, but the file holds 11"),
    ("a column", lambda c: c.replace(b",history,", b",story,", 1), ["story"], "is no column of an export"),
    ("the facts", lambda c: c.replace(b",sweep\r\n", b",\r\n", 1), ["sweep"], "has lost this column"),
    ("a cell", lambda c: c + b"1,2\r\n", ["rows", 20], "has 2 cells for"),
    (
        "a parameter",
        lambda c: c.replace(b"1e-07,", b"1e-06,", 1),
        ["rows", 16, "params.learning_rate"],
        "is 1e-06, but",
    ),
    ("no text", lambda c: b"\xff" + c, [], "is no CSV in UTF-8"),
]


@pytest.mark.parametrize(("change", "loc", "words"), [case[1:] for case in CSV], ids=[case[0] for case in CSV])
def test_a_csv_that_lost_something_is_refused(
    strict: Strict, change: Callable[[bytes], bytes], loc: list[Any], words: str
) -> None:
    """A row, a column, a cell: what is missing, and where."""
    error_loc, msg = refusal(strict.client, change(strict.exports["csv"]))
    assert error_loc == loc
    assert words in msg


def test_a_csv_that_a_spreadsheet_saved_is_taken(client: TestClient, strict: Strict) -> None:
    """With a byte order mark and other ends of lines, and sorted differently."""
    content = strict.exports["csv"].decode().replace("\r\n", "\n")
    first, *rows = content.splitlines(keepends=True)
    body = "\ufeff" + first + "".join(reversed(rows))
    assert post(client, body.encode()).status_code == 201


def test_a_parquet_without_its_metadata_is_refused(strict: Strict) -> None:
    """As another program would write it, and one that was cut off."""
    content = strict.exports["parquet"]
    table = pyarrow.parquet.read_table(io.BytesIO(content)).replace_schema_metadata({})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    assert refusal(strict.client, file.getvalue())[0] == ["schema", "perceptune.sweep"]
    assert "is no Parquet that can be read" in refusal(strict.client, content[:-9])[1]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"PAR1", b"a,b\r\n", b"\0", b'{"a": ' * 100_000, b"[1" * 9])
def test_what_is_no_export_is_refused(strict: Strict, body: bytes) -> None:
    """Whatever it is."""
    refusal(strict.client, body)


def test_what_is_too_large_is_413(strict: Strict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it says its length before or not, with a sentence; other calls keep their own limit."""
    client = strict.client
    monkeypatch.setattr(import_routes, "MAX_IMPORT_BYTES", 5 * 2**20)
    for content in (b"x" * 6 * 2**20, iter([b"x" * 2**20] * 6)):
        answer = client.post("/api/v1/sweeps/import", content=content)
        assert answer.status_code == 413
        assert answer.json()["detail"].startswith("An import may have at most 5 MiB: ")
    assert client.post("/api/v1/sweeps/import", content=b"x" * (5 * 2**20 - 1)).status_code == 422
    assert client.post("/api/v1/sweeps", content=b"x" * 5 * 2**20).status_code == 413


def test_a_form_imports_too(client: TestClient, strict: Strict) -> None:
    """As the page sends it: it leads to the sweep; without a file it is a sentence."""
    upload = {"file": ("sweep.csv", strict.exports["csv"])}
    answer = client.post("/sweeps/import", files=upload, follow_redirects=False)
    assert answer.status_code == 303
    assert client.get(answer.headers["location"]).status_code == 200
    assert client.post("/sweeps/import", data={"other": "x"}).json()["errors"][0]["loc"] == ["file"]


def test_a_file_of_before_there_was_regression_is_as_good(client: TestClient, whole: dict[str, Any]) -> None:
    """Its epochs and runs lack what only numbers have, which is null then."""
    figures = ("train_r2", "train_mae", "val_r2", "val_mae")
    for trial in whole["trials"]:
        trial["epochs"] = {name: column for name, column in trial["epochs"].items() if name not in figures}
        trial["runs"] = [
            {name: run[name] for name in run if name not in ("test_r2", "test_mae")} for run in trial["runs"]
        ]
    answer = post(client, json.dumps(whole).encode())
    assert answer.status_code == 201, answer.text
    copy = document(client, answer.json()["id"])
    columns = [trial["epochs"][name] for trial in copy["trials"] for name in figures]
    assert {value for column in columns for value in column} == {None}
    assert any(len(column) > 0 for column in columns)
