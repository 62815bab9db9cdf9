"""The list of sweeps: what its address can ask for, and what is done to several sweeps at once."""

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.lifecycle import sweep_row
from app.queries.sweep_search import SweepFilter, search
from app.web.pages.sweep_list.filters import SWEEPS_A_PAGE

BODY: dict[str, Any] = {"name": "example", "dataset": "digits", "space": {"hidden_units": [8, 16], "epochs": 2}}
GRID = BODY | {"sampler": "grid"}
TIMING = {"name": "products", "task": "time_matmul", "space": {"size": [64, 65]}, "sampler": "grid"}


def post(client: TestClient, **changes: Any) -> int:
    answer = client.post("/api/v1/sweeps", json=GRID | changes)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def listed(client: TestClient, **query: Any) -> list[int]:
    """The numbers of the sweeps on the page of this query string."""
    page = client.get("/", params=query)
    assert page.status_code == 200, page.text
    return [int(number) for number in re.findall(r'<tr id="sweep-(\d+)">', page.text)]


def states(client: TestClient, ids: Sequence[int]) -> list[str]:
    return [client.get(f"/api/v1/sweeps/{number}").json()["state"] for number in ids]


def give_values(engine: Engine, values: dict[int, float]) -> None:
    """Completes the first trial of each sweep with this value."""
    with transaction(engine) as session:
        for sweep_id, value in values.items():
            statement = """
                UPDATE trials SET state = 'complete', value = :value, started_at = now(), finished_at = now(),
                                  epochs_done = 2, epochs_total = 2
                WHERE sweep_id = :sweep AND number = 0
            """
            session.execute(text(statement), {"sweep": sweep_id, "value": value})
            sweep_row.mark_changed(session, sweep_id)


def test_sweeps_are_searched_by_every_word(client: TestClient) -> None:
    """Words of the name, the tags and the notes, in any case, or the number; signs of SQL mean themselves."""
    first = post(client, name="Learning rates", tags=["night"], notes="why it diverges")
    second = post(client, name="rates 100%", tags=["day_1"])
    assert listed(client, q="RATES") == [second, first]
    assert listed(client, q="rates night") == [first]
    assert listed(client, q="diverges") == [first]
    assert listed(client, q=f"#{second}") == [second]
    assert listed(client, q="0%") == [second]
    assert listed(client, q="y_1") == [second]
    assert listed(client, q="d%y") == []
    assert "No sweep is like this." in client.get("/", params={"q": "nothing"}).text


def test_filters_narrow_the_list_and_states_are_counted(client: TestClient) -> None:
    """State, tag, task and data set; the counts of the states are of what the other filters leave."""
    training = post(client, tags=["a"])
    paused = post(client, tags=["a"])
    timing = int(client.post("/api/v1/sweeps", json=TIMING).json()["id"])
    client.post(f"/api/v1/sweeps/{paused}/pause")
    assert listed(client, state="paused") == [paused]
    assert listed(client, task="time_matmul") == [timing]
    assert listed(client, tag="a", state="queued") == [training]
    page = client.get("/", params={"tag": "a", "state": "paused"}).text
    chips = re.findall(r'<a href="(/[^"]*)"(?: aria-current="true")?>(\w+) <span>(\d+)</span></a>', unescape(page))
    assert [(label, count) for _, label, count in chips] == [("all", "2"), ("queued", "1"), ("paused", "1")]
    assert {label: address for address, label, _ in chips}["queued"] == "/?state=queued&tag=a"


def test_the_address_is_without_what_is_as_usual(client: TestClient) -> None:
    """A form sends every field; the address that can be shared has those that say something."""
    post(client)
    answer = client.get("/?q=&tag=&state=&order_by=-created&dataset=digits")
    assert answer.headers["HX-Replace-Url"] == "/?dataset=digits"
    assert 'data-address="/?dataset=digits"' in answer.text


def test_sweeps_are_sorted_by_each_column(client: TestClient, engine: Engine) -> None:
    """The better value comes first within a metric, and what has none comes last both ways."""
    high, low, without = post(client, name="b"), post(client, name="C"), post(client, name="a")
    loss = {"objective": {"metric": "val_loss", "direction": "minimize"}}
    good_loss, bad_loss = post(client, name="d", **loss), post(client, name="e", **loss)
    give_values(engine, {high: 0.9, low: 0.2, good_loss: 0.3, bad_loss: 0.5})
    assert listed(client, order_by="-best") == [high, low, good_loss, bad_loss, without]
    assert listed(client, order_by="best") == [low, high, bad_loss, good_loss, without]
    assert listed(client, order_by="name") == [without, high, low, good_loss, bad_loss]
    assert listed(client, order_by="created") == [high, low, without, good_loss, bad_loss]
    assert listed(client, order_by="-progress")[-1] == without
    assert listed(client, order_by="progress")[0] == without
    client.post(f"/api/v1/sweeps/{low}/pause")
    assert listed(client, order_by="-state")[0] == low
    assert set(listed(client, order_by="time")) == {high, low, without, good_loss, bad_loss}
    assert client.get("/", params={"order_by": "colour"}).status_code == 422


def test_the_value_has_its_metric_under_it(client: TestClient, engine: Engine) -> None:
    """Also where it is no accuracy."""
    sweep = post(client, objective={"metric": "val_loss", "direction": "minimize"})
    give_values(engine, {sweep: 0.25})
    page = " ".join(client.get("/").text.split())
    assert '<strong>0.2500</strong> <small>validation loss<span class="best-runs">, 1 run</span>' in page


def test_pages_hold_every_sweep_once(client: TestClient, engine: Engine) -> None:
    """Of thousands of sweeps each is on one page, in each order, and a page says where it is."""
    with transaction(engine) as session:
        session.execute(
            text("""
                INSERT INTO sweeps (name, task, dataset, split, space, sampler, seeds, seed, metric, direction)
                SELECT 'number ' || n % 7, 'train_mlp', 'digits', 'holdout', '{"epochs": 1}', '{"name": "grid"}', 1, 0,
                       'val_accuracy', 'maximize'
                FROM generate_series(1, 60) AS n
            """)
        )
        session.execute(text("INSERT INTO trials (sweep_id, number, state) SELECT id, 0, 'waiting' FROM sweeps"))
    for order_by in ("-created", "name", "-state", "progress", "best", "time"):
        with transaction(engine) as session:
            pages = [search(session, SweepFilter(), order_by, limit=SWEEPS_A_PAGE, skip=skip) for skip in (0, 25, 50)]
        ids = [sweep.id for page in pages for sweep in page.sweeps]
        assert (len(ids), len(set(ids)), {page.total for page in pages}) == (60, 60, {60}), order_by
    last_page = client.get("/?page=3").text
    assert "51 to 60 of 60" in last_page
    assert 'href="/?page=2"' in last_page
    assert "There is no page 9." in client.get("/?page=9").text


def test_each_sweep_tells_what_became_of_it(client: TestClient) -> None:
    """Those that can be paused are, another was so already, and one refuses and says why; undo changes one back."""
    first, paused, cancelled = post(client, name="first"), post(client, name="second"), post(client, name="third")
    client.post(f"/api/v1/sweeps/{paused}/pause")
    client.post(f"/api/v1/sweeps/{cancelled}/cancel")
    ids = [first, paused, cancelled, 999]
    page = unescape(client.post("/sweeps/bulk", data={"call": "pause", "sweep": ids}).text)
    assert states(client, ids[:3]) == ["paused", "paused", "cancelled"]
    assert "Paused 1 sweep:" in page
    assert re.search(r"So already: <a [^>]+>second</a>", page)
    assert f"third: Sweep {cancelled} is cancelled: it can't become paused." in page
    assert "There is no sweep 999." in page
    undo = page[page.index("<form") :]
    assert re.findall(r'name="sweep" value="(\d+)"', undo) == [str(first)]
    assert 'value="resume">Undo' in undo


def test_a_cancel_is_taken_back(client: TestClient) -> None:
    """What it dropped waits again."""
    ids = [post(client), post(client)]
    client.post("/sweeps/bulk", data={"call": "cancel", "sweep": ids})
    assert states(client, ids) == ["cancelled", "cancelled"]
    client.post("/sweeps/bulk", data={"call": "continue", "sweep": ids})
    assert states(client, ids) == ["queued", "queued"]


def test_several_sweeps_are_tagged(client: TestClient) -> None:
    """Each gets the tag beside its own, and undo takes it from those that did not have it."""
    first, second = post(client, tags=["a"]), post(client, tags=["night"])
    page = client.post("/sweeps/bulk", data={"call": "tag", "tag": " night ", "sweep": [first, second]}).text
    assert client.get(f"/api/v1/sweeps/{first}").json()["tags"] == ["a", "night"]
    assert "Tagged 1 sweep:" in page
    client.post("/sweeps/bulk", data={"call": "untag", "tag": "night", "sweep": [first]})
    assert client.get(f"/api/v1/sweeps/{first}").json()["tags"] == ["a"]
    full = post(client, tags=[f"t{number}" for number in range(20)])
    page = client.post("/sweeps/bulk", data={"call": "tag", "tag": "night", "sweep": [full]}).text
    assert "has 20 tags, as many as a sweep may have" in page


@pytest.mark.parametrize("tag", [None, "", "  ", "a,b", "x" * 51])
def test_a_tag_that_can_t_be_is_refused(client: TestClient, tag: str | None) -> None:
    """422 names the field, and no sweep is changed."""
    sweep = post(client)
    data = {"call": "tag", "sweep": [sweep]} | ({} if tag is None else {"tag": tag})
    answer = client.post("/sweeps/bulk", data=data)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["tag"]
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["tags"] == []


def test_what_it_would_do_is_said_first(client: TestClient) -> None:
    """How many trials are dropped, and which sweeps are left as they are."""
    first, second, cancelled = post(client, name="first"), post(client, name="second"), post(client, name="third")
    client.post(f"/api/v1/sweeps/{cancelled}/cancel")
    query: dict[str, Any] = {"call": "stop", "sweep": [first, second, cancelled]}
    page = " ".join(client.get("/sweeps/bulk/ask", params=query).text.split())
    assert "Stop 2 sweeps?" in page
    assert "4 waiting trials are dropped. Undo takes dropped trials up again." in page
    assert f"#{cancelled} third is cancelled" in page
    assert re.findall(r'name="sweep" value="(\d+)"', page) == [str(first), str(second)]
    assert states(client, [first, second]) == ["queued", "queued"]


def test_several_sweeps_are_deleted(client: TestClient) -> None:
    """For good: no undo is offered."""
    ids = [post(client), post(client)]
    assert (
        "4 trials and all that was measured"
        in client.get("/sweeps/bulk/ask", params={"call": "delete", "sweep": ids}).text
    )
    page = client.post("/sweeps/bulk", data={"call": "delete", "sweep": ids}).text
    assert ("Deleted 2 sweeps" in page, "Undo" in page) == (True, False)
    assert listed(client) == []


def test_too_many_sweeps_at_once_are_refused(client: TestClient) -> None:
    """500 are the most."""
    answer = client.post("/sweeps/bulk", data={"call": "pause", "sweep": [*range(1, 502)]})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["sweep"])
