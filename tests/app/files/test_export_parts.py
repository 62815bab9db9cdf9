"""Files of a part of a sweep: what a lens leaves, with words about what it leaves out."""

import csv
import io
import json
from typing import Any

import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.support.queue_examples import claim, complete, create_grid, new_worker
from tests.support.sweeps.measured_sweeps import a_sweep, a_sweep_with_epochs


def exported(client: TestClient, sweep: int, query: str) -> dict[str, Any]:
    """The same trials from all three formats: numbers, and what the file says of its part."""
    path = f"/api/v1/sweeps/{sweep}/export"
    document = client.get(f"{path}.json?{query}").json()
    rows = list(csv.DictReader(io.StringIO(client.get(f"{path}.csv?{query}").text, newline="")))
    table = pyarrow.parquet.read_table(io.BytesIO(client.get(f"{path}.parquet?{query}").content))
    numbers = [trial["number"] for trial in document["trials"]]
    assert numbers == [int(row["number"]) for row in rows if row["number"]] == table["number"].to_pylist()
    header = json.loads((table.schema.metadata or {})[b"perceptune.sweep"])
    assert header["part"] == json.loads(rows[0]["sweep"])["part"] == document["part"]
    assert document["counts"]["trials"] == len(numbers)
    return {"numbers": numbers, **document["part"]}


@pytest.mark.parametrize(
    ("query", "numbers", "left_out"),
    [
        ("where=hidden_units<3", [0, 1], ["1 trial without hidden_units < 3"]),
        ("state=failed", [2], ["2 trials in other states"]),
        ("top=50", [1], ["2 trials not among the best"]),
        ("where=hidden_units<3&trials=0,2", [0], ["1 trial without hidden_units < 3", "1 trial not selected"]),
        ("where=hidden_units>7", [], ["3 trials without hidden_units > 7"]),
    ],
)
def test_a_file_of_what_a_lens_leaves_says_what_it_left_out(
    client: TestClient, engine: Engine, query: str, numbers: list[int], left_out: list[str]
) -> None:
    """In its header, with the lens itself and how many trials there are."""
    sweep = a_sweep(engine, [[0.5, 0.52], [0.9, 0.92], [0.1, None]])
    part = exported(client, sweep, query)
    assert (part["numbers"], part["trials"], part["of"]) == (numbers, len(numbers), 3)
    assert part["left_out"] == left_out
    assert part["query"] == dict(item.split("=", 1) for item in query.split("&"))


def test_excluded_trials_are_left_out_where_they_are_not_wanted(client: TestClient, engine: Engine) -> None:
    sweep = a_sweep(engine, [[0.5], [0.9]])
    client.post(f"/api/v1/sweeps/{sweep}/trials/1/exclude")
    part = exported(client, sweep, "include_excluded=false")
    assert (part["numbers"], part["left_out"]) == ([0], ["1 excluded trial"])
    whole = client.get(f"/api/v1/sweeps/{sweep}/export.json").json()
    assert ("part" in whole, len(whole["trials"])) == (False, 2)


def test_infeasible_draws_are_among_those_of_which_a_file_holds_a_part(client: TestClient, engine: Engine) -> None:
    """What it holds and what it left out are all trials together."""
    sweep = create_grid(engine, 1, 2, 3, constraints=["hidden_units < 3"])
    worker = new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    part = exported(client, sweep, "where=hidden_units<2")
    assert part["left_out"] == ["1 trial without hidden_units < 2", "1 infeasible draw"]
    assert (part["trials"], part["of"]) == (1, 3)


def test_values_through_the_lens_stand_beside_the_plain_ones(client: TestClient, engine: Engine) -> None:
    """A value stays what the trial came to; trials meant for fewer epochs are left out, and said to be."""
    sweep = a_sweep_with_epochs(engine)
    part = exported(client, sweep, "metric=at_epoch=3")
    assert (part["numbers"], part["left_out"]) == ([0], ["1 without such an epoch"])
    (trial,) = client.get(f"/api/v1/sweeps/{sweep}/export.json?metric=at_epoch=3").json()["trials"]
    assert (trial["value"], trial["lens_value"]) == (pytest.approx(0.65), pytest.approx(0.55))
    content = client.get(f"/api/v1/sweeps/{sweep}/export.csv?metric=at_epoch=3&epochs=true").text
    first, *further = csv.DictReader(io.StringIO(content, newline=""))
    assert float(first["lens_value"]) == pytest.approx(0.55)
    assert [(row["lens_value"], row["epoch"]) for row in further] == [("", f"{n}") for n in (2, 3, 4, 1, 2)]


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_part_is_not_imported_as_a_whole(client: TestClient, engine: Engine, ending: str) -> None:
    """It would be another sweep than the one that was exported; nor is a file of all trials that had options."""
    sweep = a_sweep(engine, [[0.5], [0.9]])
    for query, holds in (
        ("trials=0", "trials and holds 1 of 2"),
        ("include_excluded=false", "excluded and holds 2 of 2"),
    ):
        content = client.get(f"/api/v1/sweeps/{sweep}/export.{ending}?{query}").content
        refused = client.post("/api/v1/sweeps/import", content=content)
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["loc"]) == (422, ["part"])
        assert f"{holds} trials: import one that was exported whole, without options" in error["msg"]


@pytest.mark.parametrize(
    ("query", "loc", "msg"),
    [
        ("where=depth", "where", "must be like depth=1"),
        ("top=200", "top", "at most 100"),
        ("state=infeasible", "state", "without a lens"),
        ("metric=first", "metric", "must be last, best"),
    ],
)
def test_a_wrong_lens_is_refused_before_the_file_begins(
    client: TestClient, engine: Engine, query: str, loc: str, msg: str
) -> None:
    sweep = a_sweep(engine, [[0.5], [0.9]])
    for ending in ("csv", "json", "parquet"):
        refused = client.get(f"/api/v1/sweeps/{sweep}/export.{ending}?{query}")
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["loc"], msg in error["msg"]) == (422, ["query", loc], True)


def test_the_page_offers_files_of_what_is_in_sight(client: TestClient, engine: Engine) -> None:
    """Beside the lens, and only where it leaves something out."""
    path = f"/sweeps/{a_sweep(engine, [[0.5], [0.9]])}"
    assert "As a file" not in client.get(path).text
    page = client.get(f"{path}?where=hidden_units%3D2&excluded=hidden&robust=true").text
    assert f'href="/api/v1{path}/export.csv?where=hidden_units%3D2&amp;include_excluded=false" download' in page
