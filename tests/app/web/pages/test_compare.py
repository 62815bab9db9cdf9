"""Sweeps side by side: what differs, how far their best are apart, and that unlikes are not compared."""

import math
import re
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.lifecycle import sweep_row

BODY: dict[str, Any] = {
    "name": "first",
    "dataset": "digits",
    "space": {"hidden_units": {"low": 4, "high": 32}, "epochs": 2},
    "sampler": "random",
    "n_trials": 3,
    "seeds": 2,
}


def post(client: TestClient, **changes: Any) -> int:
    answer = client.post("/api/v1/sweeps", json=BODY | changes)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def complete(engine: Engine, sweep_id: int, *values: tuple[float, float]) -> None:
    """Completes the first trials of the sweep, of two runs each, with these means and spreads, a second apart."""
    statement = text("""
        UPDATE trials SET state = 'complete', value = :value, std = :std, params = CAST(:params AS json), cost = 1,
                          configuration = :params, epochs_done = 4, epochs_total = 4, started_at = now(),
                          finished_at = now() + :number * interval '1 second'
        WHERE sweep_id = :sweep AND number = :number
    """)
    with transaction(engine) as session:
        for number, (value, std) in enumerate(values):
            params = f'{{"hidden_units": {8 + number}, "epochs": 2}}'
            row = {"sweep": sweep_id, "number": number, "value": value, "std": std, "params": params}
            session.execute(statement, row)
        sweep_row.mark_changed(session, sweep_id)


def compared(client: TestClient, *ids: int) -> dict[str, Any]:
    answer = client.get("/api/v1/compare", params={"sweeps": ",".join(map(str, ids))})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def differences(comparison: dict[str, Any]) -> dict[str, list[str]]:
    return {row["field"]: row["values"] for row in comparison["setup"] if row["differs"]}


def test_differences_of_setup_are_told_field_by_field(client: TestClient) -> None:
    """A hyperparameter that a space leaves out has its usual value, so it differs only where it is another one."""
    first = post(client)
    space = {"hidden_units": {"low": 4, "high": 64}, "epochs": 2, "activation": "relu", "learning_rate": [0.1, 1]}
    second = post(client, name="second", space=space, sampler={"name": "tpe", "n_startup_trials": 3}, seeds=3)
    comparison = compared(client, second, first)
    assert [sweep["id"] for sweep in comparison["sweeps"]] == [second, first]
    assert differences(comparison) == {
        "sampler": ["tpe, n_startup_trials 3", "random"],
        "seeds": ["3", "2"],
        "space.hidden_units": ["4 to 64", "4 to 32"],
        "space.learning_rate": ["0.1, 1", "0.1"],
    }
    assert comparison["not_comparable"] == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "fashion_mnist"}, "They differ in data set (digits and fashion_mnist)"),
        ({"split": "book"}, "They differ in split (holdout and book)"),
        (
            {"objective": {"metric": "val_loss", "direction": "minimize"}},
            "They differ in metric or direction (val_accuracy, maximize and val_loss, minimize)",
        ),
    ],
)
def test_unlikes_are_not_compared(client: TestClient, engine: Engine, changes: dict[str, Any], reason: str) -> None:
    """No difference of values and no common chart, only each value by itself, and the reason."""
    first, second = post(client), post(client, name="second", **changes)
    complete(engine, first, (0.8, 0.01))
    complete(engine, second, (0.7, 0.01))
    comparison = compared(client, first, second)
    assert comparison["gaps"] == []
    assert [text.startswith(reason) for text in comparison["not_comparable"]] == [True]
    page = unescape(client.get(f"/compare?sweeps={first},{second}").text)
    assert reason in page
    assert ("0.8000 ± 0.0100" in page, "0.7000 ± 0.0100" in page) == (True, True)
    assert ("behind" in page, "best of these" in page, "data-src" in page) == (False, False, False)
    figure = client.get("/api/v1/compare/charts/regret", params={"sweeps": f"{first},{second}"}).json()
    assert figure["data"] == []
    assert "can't be compared" in figure["layout"]["annotations"][0]["text"]


def test_the_best_are_told_with_what_is_known_of_their_difference(client: TestClient, engine: Engine) -> None:
    """The standard error of the difference comes from the spread over the runs of both."""
    first, second = post(client), post(client, name="second")
    complete(engine, first, (0.8, 0.02))
    complete(engine, second, (0.7, 0.01), (0.75, 0.01))
    gaps = compared(client, first, second)["gaps"]
    assert gaps[0] == {"sweep": first, "behind": 0.0, "standard_error": None}
    assert gaps[1]["behind"] == pytest.approx(0.05)
    assert gaps[1]["standard_error"] == pytest.approx(math.sqrt(0.02**2 / 2 + 0.01**2 / 2))
    page = " ".join(client.get(f"/compare?sweeps={first},{second}").text.split())
    assert "0.0500 behind, standard error 0.0158" in page
    assert "<small>val_accuracy, 2 runs of" in page
    third = post(client, space=BODY["space"] | {"depth": [1, 2]})
    complete(engine, third, (0.6, 0.01))
    page = " ".join(client.get(f"/compare?sweeps={first},{third}&all=true").text.split())
    assert "<code>hidden_units</code></th> <td>8</td> <td>8</td>" in page
    assert "first is queued: its best may still change." in page


def test_the_chart_has_a_line_for_each_sweep(client: TestClient, engine: Engine) -> None:
    """Against seconds or epochs, each new best a step, and on to where the sweep is."""
    first, second = post(client), post(client, name="<b>second</b>")
    complete(engine, first, (0.5, 0.01), (0.8, 0.01), (0.7, 0.01))
    complete(engine, second, (0.6, 0.01))
    query = {"sweeps": f"{first},{second}", "x": "epochs"}
    answer = client.get("/api/v1/compare/charts/regret", params=query)
    lines = answer.json()["data"]
    assert [line["name"] for line in lines] == [f"#{first} first", f"#{second} &lt;b&gt;second&lt;/b&gt;"]
    assert [list(line["x"]) for line in lines] == [[4, 8, 12], [4, 4]]
    assert "trial 1 of" in lines[0]["text"][1]
    again = client.get("/api/v1/compare/charts/regret", params=query, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_the_values_of_all_configurations_are_compared(client: TestClient, engine: Engine) -> None:
    """A line for each sweep: which share of its configurations is at least as good as each value."""
    first, second = post(client), post(client, name="<b>second</b>")
    complete(engine, first, (0.5, 0.01), (0.8, 0.01), (0.7, 0.01))
    complete(engine, second, (0.6, 0.01))
    query = {"sweeps": f"{first},{second}"}
    answer = client.get("/api/v1/compare/charts/edf", params=query)
    lines = answer.json()["data"]
    assert [line["name"] for line in lines] == [f"#{first} first (3)", f"#{second} &lt;b&gt;second&lt;/b&gt; (1)"]
    assert [line["text"] for line in lines] == [["0.8000", "0.7000", "0.5000"], ["0.6000"]]
    assert [list(line["y"]) for line in lines] == [pytest.approx([1 / 3, 2 / 3, 1], abs=1e-5), [1]]
    assert f"/api/v1/compare/charts/edf?sweeps={first},{second}" in client.get("/compare", params=query).text
    again = client.get("/api/v1/compare/charts/edf", params=query, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    other = post(client, name="other data", dataset="fashion_mnist")
    unlike = client.get("/api/v1/compare/charts/edf", params={"sweeps": f"{first},{other}"}).json()
    assert unlike["data"] == []


def test_the_page_shows_differences_and_on_demand_all(client: TestClient) -> None:
    """Both are addresses, and a sweep can be left out where two others remain."""
    ids = [post(client, name=f"number {number}", seeds=number) for number in (1, 2, 3)]
    page = client.get(f"/compare?sweeps={ids[0]},{ids[1]},{ids[2]}").text
    assert re.findall(r'<th scope="row"><code>(\w+)</code>', page) == ["seeds"]
    assert f'href="/compare?sweeps={ids[0]},{ids[2]}"' in page
    all_rows = client.get(unescape(re.findall(r'href="(/compare\?[^"]+all=true)"', page)[0])).text
    assert {"dataset", "learning_rate", "seeds"} <= set(re.findall(r"<code>(\w+)</code>", all_rows))
    same = client.get(f"/compare?sweeps={ids[0]},{post(client, seeds=1)}").text
    assert "Their setups are the same." in same


@pytest.mark.parametrize("sweeps", ["", "1", "1,1", "1,x", "1,,2", "0,1", "1,2,3,4,5,6,7,8,9", "1,٣"])
@pytest.mark.parametrize("path", ["/api/v1/compare", "/compare"])
def test_what_can_t_be_compared_is_refused(refusing: TestClient, path: str, sweeps: str) -> None:
    """422 says what would be right."""
    answer = refusing.get(path, params={"sweeps": sweeps})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"loc": ["query", "sweeps"], "msg": "must be the numbers of 2 to 8 sweeps, as in 3,5"}
    ]


def test_a_sweep_that_is_not_there_is_named(client: TestClient) -> None:
    """404, on the page too."""
    first = post(client)
    for path in ("/api/v1/compare", "/compare", "/api/v1/compare/charts/regret"):
        answer = client.get(path, params={"sweeps": f"{first},99"})
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no sweep 99.")
