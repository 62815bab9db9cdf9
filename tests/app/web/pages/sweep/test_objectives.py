"""The further objectives of a sweep: charts, table and files look at it by any of them."""

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.lifecycle import sweep_row
from tests.support.queue_examples import create_sweep
from tests.support.sweeps.measured_sweeps import a_sweep_with_epochs, end

FURTHER = [{"metric": "val_loss", "direction": "minimize"}, {"metric": "parameters", "direction": "minimize"}]


def with_objectives(engine: Engine, sweep: int) -> int:
    """The sweep, with these beside its own."""
    with transaction(engine) as session:
        statement = text("UPDATE sweeps SET objectives = :further WHERE id = :sweep")
        session.execute(statement, {"further": json.dumps(FURTHER), "sweep": sweep})
        session.execute(text("UPDATE trials SET other_values = ARRAY[0.5, 100]"))
        sweep_row.mark_changed(session, sweep)
    return sweep


@pytest.fixture
def path(engine: Engine) -> str:
    """Trial 0 has a loss of 0.35, trial 1 one of 0.6; both have networks of one size."""
    return f"/sweeps/{with_objectives(engine, a_sweep_with_epochs(engine))}"


def figure(client: TestClient, path: str, chart: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1{path}/charts/{chart}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("objective", "values", "title"),
    [
        ("val_accuracy", [0.65, 0.4], "Validation accuracy by trial"),
        ("val_loss", [0.35, 0.6], "Validation loss by trial"),
        ("parameters", [19210, 19210], "Weights and biases by trial"),
    ],
)
def test_the_history_is_of_any_objective(
    client: TestClient, path: str, objective: str, values: list[float], title: str
) -> None:
    """With its own best one: of a loss the lowest."""
    history = figure(client, path, f"history?objective={objective}")
    traces = {trace["name"]: trace for trace in history["data"]}
    assert traces["trial"]["y"] == pytest.approx(values)
    assert history["layout"]["title"]["text"] == title
    best = next(trace for name, trace in traces.items() if name.startswith("best configuration"))
    assert (best["x"], best["y"]) == ([0], pytest.approx([values[0]]))


@pytest.mark.parametrize("chart", ["effect?x=epochs", "slice?", "edf?", "regret?", "rank?"])
def test_each_chart_of_values_is_of_any_objective(client: TestClient, path: str, chart: str) -> None:
    """It says which in its title, and for another epoch too."""
    title = figure(client, path, f"{chart}&objective=val_loss")["layout"]["title"]["text"]
    assert "alidation loss" in title
    assert figure(client, path, f"{chart}&objective=val_loss&metric=best")["layout"]["title"]["text"] == title


def test_an_objective_is_one_of_the_sweep_s(client: TestClient, path: str) -> None:
    """And charts of curves, or of metrics that they name themselves, have no use for it."""

    def said(chart: str) -> str:
        answer = client.get(f"/api/v1{path}/charts/{chart}")
        assert answer.status_code == 422
        return str(answer.json()["errors"][0]["msg"])

    assert said("history?objective=seconds") == "must be val_accuracy or val_loss or parameters, not 'seconds'"
    for chart in ("curves?objective=val_loss", "pareto?objective=val_loss", "scatter?objective=val_loss"):
        assert said(chart).endswith("leave it out")


def test_the_page_is_of_any_objective(client: TestClient, path: str) -> None:
    """A field chooses it; the table, the charts that take it and the file of what is in sight follow."""
    assert 'name="objective"' in client.get(path).text
    page = client.get(f"{path}?objective=val_loss").text
    assert re.search(r'<option value="val_loss" selected>validation loss</option>', page)
    values = re.findall(r'<td class="numeric row-value">\s*([\d.]+)', page)
    assert values == ["0.3500", "0.6000"]  # the best first
    addresses = re.findall(r'data-src="/api/v1/sweeps/\d+/charts/([^"]+)"', page)
    of_objective = {address.split("?")[0] for address in addresses if "objective=val_loss" in address}
    assert {"effect", "history"} <= of_objective
    assert not of_objective & {"curves", "all_curves", "pareto", "timeline"}
    assert re.search(r'export\.csv\?objective=val_loss"', page)
    header, *rows = client.get(f"/api/v1{path}/export.csv?objective=val_loss").text.splitlines()[-3:]
    lens_value = header.split(",").index("lens_value")
    assert [float(row.split(",")[lens_value]) for row in rows] == pytest.approx([0.35, 0.6])


def test_a_sweep_of_one_objective_has_nothing_to_choose(client: TestClient, engine: Engine) -> None:
    """The field is not there."""
    assert 'name="objective"' not in client.get(f"/sweeps/{a_sweep_with_epochs(engine)}").text


def test_what_matters_is_told_for_each_objective(client: TestClient, engine: Engine) -> None:
    """Of the size of networks it is the width, whatever the accuracy hangs on."""
    space = {"hidden_units": [1, 2, 3, 4, 5, 6], "learning_rate": [0.1, 0.2, 0.3, 0.4], "epochs": 1}
    sweep = create_sweep(engine, space=space, sampler="grid", n_trials=None)
    end(engine, sweep, [[0.2 * rate + 0.001 * width] for width in range(6) for rate in range(4)])
    with transaction(engine) as session:
        further = json.dumps([FURTHER[1]])
        session.execute(text("UPDATE sweeps SET objectives = :further"), {"further": further})
    (address,) = re.findall(r'hx-get="(/sweeps/\d+/what-matters[^"]+)"', client.get(f"/sweeps/{sweep}").text)
    part = " ".join(client.get(address).text.split())
    accuracy, size = part.split("What matters for the ")[1:]
    assert (accuracy.split(",")[0], re.findall(r"<dt>(\w+)</dt>", accuracy)) == (
        "validation accuracy",
        ["learning_rate"],
    )
    assert (size.split(",")[0], re.findall(r"<dt>(\w+)</dt>", size)) == ("weights and biases", ["hidden_units"])
