"""The table, the selection and the panel of trials on a sweep's page, without a browser."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy import text as sql

from app import schemas
from app.charts.looks import look_at
from app.charts.rows import EpochMean
from app.db.engine import transaction
from app.domain.states import RunState
from app.web.pages.sweep.comparison import difference_sentence
from app.web.pages.sweep.sparklines import sparklines
from tests.support.queue_examples import create_grid, create_sweep
from tests.support.sweeps.measured_sweeps import a_sweep

HTMX = {"HX-Request": "true"}
BROWSER = {"Accept": "text/html"}
UP, DOWN = schemas.Objective(), schemas.Objective(metric="val_loss", direction="minimize")


@pytest.fixture
def sweep(engine: Engine) -> str:
    """A grid over 1, 2 and 3 hidden units, of which 3 diverged."""
    return f"/sweeps/{a_sweep(engine, [[0.5, 0.52], [0.9, 0.92], [0.1, None]])}"


def shown(client: TestClient, path: str) -> list[int]:
    """The numbers of the table's rows."""
    return [int(number) for number in re.findall(r'<tbody id="trial-(\d+)"', client.get(path).text)]


def test_the_best_comes_first_and_any_column_sorts(client: TestClient, sweep: str) -> None:
    """By value, hyperparameter and time; what has no value is last. The API sorts in the same way."""
    assert shown(client, sweep) == [1, 0, 2]
    assert shown(client, f"{sweep}?order_by=-params.hidden_units") == [2, 1, 0]
    assert shown(client, f"{sweep}?order_by=params.depth") == [0, 1, 2]  # which none of them has
    for order_by, numbers in (("-params.hidden_units", [2, 1, 0]), ("seconds", [0, 1, 2])):
        items = client.get(f"/api/v1{sweep}/trials?order_by={order_by}").json()["items"]
        assert [item["number"] for item in items] == numbers
    refused = client.get(f"/api/v1{sweep}/trials?order_by=params.width")
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["query", "order_by"])


def test_a_lens_leaves_the_order_by_time_as_it_is(client: TestClient, engine: Engine, sweep: str) -> None:
    """The time of all runs of a trial; what the lens leaves out is not there."""
    with transaction(engine) as session:
        spent = "CASE (SELECT number FROM trials WHERE id = trial_id) WHEN 0 THEN 2 WHEN 1 THEN 3 ELSE 1 END"
        session.execute(sql(f"UPDATE runs SET seconds = {spent}"))
    for lens, numbers in (("", [2, 0, 1]), ("metric=last&where=hidden_units<3&", [0, 1])):
        assert shown(client, f"{sweep}?{lens}order_by=seconds") == numbers
        assert shown(client, f"{sweep}?{lens}order_by=-seconds") == numbers[::-1]


def test_reruns_stand_below_their_configuration_in_any_order(client: TestClient, sweep: str) -> None:
    """A configuration has one place, whatever it is sorted by."""
    assert client.post(f"/api/v1{sweep}/trials/0/rerun", json={"seeds": 3}).json() == {"trials": [3, 4]}
    assert shown(client, f"{sweep}?order_by=params.hidden_units") == [0, 3, 4, 1, 2]


def test_a_trial_is_rerun_with_seeds_of_its_own(client: TestClient, sweep: str) -> None:
    """Seeds that it has not had; a diverged one is refused, and so are seeds that are none."""
    client.post(f"/api/v1{sweep}/trials/0/rerun", json={"seeds": 2})
    client.post(f"{sweep}/trials/0/rerun", data={"seeds": "2"})
    trials = client.get(f"/api/v1{sweep}/trials").json()["items"]
    assert [trial["first_seed"] for trial in trials] == [0, 0, 0, 2, 4]
    assert client.post(f"/api/v1{sweep}/trials/2/rerun", json={}).status_code == 409
    assert client.post(f"/api/v1{sweep}/trials/0/rerun", json={"seeds": 0}).json()["errors"][0]["loc"] == ["seeds"]


def test_what_is_done_with_a_selection_is_done_with_those_that_allow_it(client: TestClient, sweep: str) -> None:
    """The buttons say with how many; the selection is part of the address."""
    page = client.get(f"{sweep}?selected=0,2,99").text
    assert re.search(r"<strong>2 selected</strong>", page)
    assert re.search(r'id="selected-rerun">.*?name="numbers" value="0">', page, re.S)
    assert re.search(r'id="selected-exclude">.*?name="numbers" value="0,2">', page, re.S)
    assert "selected-retry" not in page  # it would diverge again
    assert f'<a href="{sweep}?order_by=state&amp;selected=0,2,99">State</a>' in page
    client.post(f"{sweep}/selection/exclude", data={"numbers": "0,2"})
    excluded = [trial["excluded"] for trial in client.get(f"/api/v1{sweep}/trials").json()["items"]]
    assert excluded == [True, False, True]
    for numbers, status in (("0,2", 409), ("0,x", 422), ("0,²", 422), ("", 422)):
        refused = client.post(f"{sweep}/selection/exclude", data={"numbers": numbers})
        assert refused.status_code == status, numbers
    assert client.get(f"{sweep}?selected=all", headers=BROWSER).status_code == 422


def test_filters_say_how_many_rows_they_show(client: TestClient, engine: Engine) -> None:
    """Those of all trials too, infeasible ones among them."""
    space = {"hidden_units": [1, 2, 3], "epochs": 1}
    sweep = create_sweep(engine, space=space, sampler="grid", n_trials=None, constraints=["hidden_units < 3"])
    page = " ".join(client.get(f"/sweeps/{sweep}").text.split())
    for state, count in (("all", 3), ("waiting", 2), ("infeasible", 1)):
        assert f"{state} <span>{count}</span>" in page
    assert len(shown(client, f"/sweeps/{sweep}")) == 3


def test_a_sweep_that_was_stopped_has_no_100_percent(client: TestClient, engine: Engine, sweep: str) -> None:
    """One that ran to its end is."""
    with transaction(engine) as session:
        session.execute(sql("UPDATE sweeps SET state = 'completed'"))
    said = [f"<strong>{progress}</strong>" in client.get(sweep).text for progress in ("100 %", "ended")]
    assert said == [True, False]
    with transaction(engine) as session:
        session.execute(sql("UPDATE sweeps SET stop_reason = 'failures', revision = revision + 1"))
    said = [f"<strong>{progress}</strong>" in client.get(sweep).text for progress in ("100 %", "ended")]
    assert said == [False, True]
    assert '<span class="progress-percent">ended</span>' in client.get("/").text


def test_all_files_of_a_sweep_are_offered_at_its_table(client: TestClient, sweep: str) -> None:
    """Each link leads to a file."""
    links = re.findall(r'<a href="(/api/v1[^"]+/export\.[^"]+)" download hx-boost="false">', client.get(sweep).text)
    assert len(set(links)) == 5
    for link in links:
        assert client.get(link).headers["content-disposition"].startswith("attachment"), link


def test_selected_trials_are_exported(client: TestClient, sweep: str) -> None:
    """As rows of CSV, no other among them."""
    rows = client.get(f"/api/v1{sweep}/export.csv?trials=0,2").text.splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "2"]
    assert client.get(f"/api/v1{sweep}/export.csv?trials=a").status_code == 422


def test_selected_trials_stand_side_by_side(client: TestClient, sweep: str) -> None:
    """What they differ in comes first, and whether their values do is said in words."""
    page = client.get(f"{sweep}?selected=0,1&tab=compare").text
    assert "Trial 1 is better than trial 0 by 0.4000" in page
    assert re.search(r'<tr class="differing-row">\s*<th scope="row">hidden_units</th>', page)
    assert re.search(r"curves\?trials=0(,|%2C)1", page)
    for numbers, right in (
        ("a", "with commas between them"),
        ("0,3,99", "has no trial 3 or 99; its trials are 0 to 2"),
    ):
        answer = client.get(f"/api/v1{sweep}/charts/curves?trials={numbers}")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["loc"], right in error["msg"]) == (422, ["query", "trials"], True)


def test_selected_trials_look_as_their_places_say(client: TestClient, sweep: str) -> None:
    """In table, comparison and panel; an empty place is that of the open trial, or of the next one that is selected."""
    page = client.get(f"{sweep}?selected=,1,0&tab=compare&trial=2").text
    assert re.search(r"curves\?trials=(,|%2C)1(,|%2C)0", page)
    marks = re.findall(r'trial-mark" style="color: (\S+)" aria-hidden="true">(.)<', page)
    assert marks == [(look.color, look.glyph) for look in map(look_at, (1, 2))]
    boxes = dict(re.findall(r'data-select="(\d)"\s+style="accent-color: (\S+)"', page))
    assert boxes == {str(number): look_at(place).color for number, place in ((0, 2), (1, 1), (2, 0))}
    panel = client.get(f"{sweep}/trials/2?selected=1,0", headers={"HX-Request": "true"}).text
    assert f'style="color: {look_at(2).color}"' in panel


def trial(number: int, *values: float) -> schemas.TrialOut:
    runs = [
        schemas.RunOut(seed=seed, state=RunState.complete, value=value, error=None, seconds=1)
        for seed, value in enumerate(values)
    ]
    fields: dict[str, Any] = {"number": number, "runs": runs}
    return schemas.TrialOut.model_construct(**fields)


@pytest.mark.parametrize(
    ("objective", "rival", "sentence"),
    [
        (UP, (0.8, 0.81, 0.8), "Trial 1 is better than trial 2 by 0.1000 (95 %: 0.0752 to 0.1248): more than noise, "
                               "at 3 equal seeds."),
        (UP, (0.9, 0.91, 0.88), "Trial 1 and trial 2 differ by 0.0067 (95 %: -0.0450 to 0.0584): within the noise, "
                                "at 3 equal seeds."),
        (DOWN, (1.0, 1.01, 1.0), "Trial 1 is better than trial 2 by 0.1000 (95 %: 0.0752 to 0.1248): more than noise, "
                                 "at 3 equal seeds."),
        (UP, (0.8,), "Trial 1 and trial 2 differ by 0.1000 at the one seed that both have, which says nothing of "
                     "noise."),
        (UP, (), "Trial 1 and trial 2 share no seed, so their values can't be compared at equal seeds."),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_words(objective: schemas.Objective, rival: tuple[float, ...], sentence: str) -> None:
    """At equal seeds, in the direction of the objective."""
    assert difference_sentence(trial(1, 0.9, 0.9, 0.91), trial(2, *rival), objective) == sentence


def test_small_curves_share_one_scale() -> None:
    """The better one is higher, a diverged epoch is left out, and a single epoch is a point."""
    means = [EpochMean(0, 1, 0.0, None, 1, 0), EpochMean(0, 2, 0.5, None, 1, 0), EpochMean(0, 3, None, None, 0, 1)]
    lines = sparklines([*means, EpochMean(1, 1, 1.0, None, 1, 0)])
    assert lines == {0: "1.5,16.5 62.5,9.0", 1: "1.5,1.5 2.5,1.5"}
    assert sparklines([]) == {}


def test_the_panel_tells_a_trial_in_words(client: TestClient, sweep: str) -> None:
    """For the page alone: anybody else is led to the page with the panel open."""
    panel = client.get(f"{sweep}/trials/1", headers=HTMX).text
    for text in ("Trial 1", "Complete: 2 runs", "hidden_units", "seed 1", "Keep its model", "curves?trials=1"):
        assert text in panel
    diverged = client.get(f"{sweep}/trials/2", headers=HTMX).text
    assert "Failed: 1 of 2 seeds diverged; with the same seeds they would again." in diverged
    assert ("rerun" in diverged, "retry" in diverged) == (False, False)
    led = client.get(f"{sweep}/trials/1", follow_redirects=False)
    assert led.headers["location"] == f"{sweep}?trial=1"
    assert client.get(f"{sweep}/trials/99", headers=HTMX).status_code == 404
    client.post(f"{sweep}/trials/1/model")
    assert client.get(f"/api/v1{sweep}/trials/1/model").status_code == 409  # it is being trained again


def test_a_trial_of_ones_own_is_queued_in_the_panel(client: TestClient, engine: Engine) -> None:
    """The fields begin with the parameters of a trial; what is wrong is told at its field, and nothing is queued."""
    space = {
        "hidden_units": [4, 8],
        "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        "depth": {"values": [1, 2]},
        "dropout": {"low": 0.0, "high": 0.5, "when": {"depth": 2}},
        "epochs": 2,
    }
    sweep = f"/sweeps/{create_sweep(engine, space=space, n_trials=2)}"
    fields = {"p-hidden_units": "8", "p-learning_rate": "0.25", "p-depth": "1", "p-dropout": ""}
    form = client.get(f"{sweep}/trials/new", headers=HTMX).text
    assert [f"p-{name}" for name in ("hidden_units", "learning_rate", "depth", "dropout")] == re.findall(
        r'name="(p-\w+)"', form
    )
    for changes, name, message in (
        ({"p-learning_rate": "fast"}, "learning_rate", "must be a number, not"),
        ({"p-learning_rate": "7"}, "learning_rate", "must be one of what this sweep tries"),
        ({"p-dropout": "0.1"}, "dropout", "exists only where depth is 2"),
    ):
        refused = client.post(f"{sweep}/trials", data=fields | changes, headers=HTMX)
        assert refused.status_code == 422
        invalid = re.findall(
            r'class="field invalid">\s*<label for="p-(\w+)".*?class="error-text">([^<]+)', refused.text, re.S
        )
        assert [(field, message in text) for field, text in invalid] == [(name, True)]
    assert client.get(f"/api/v1{sweep}").json()["n_trials"] == 2
    made = client.post(f"{sweep}/trials", data=fields, headers=HTMX, follow_redirects=False)
    assert made.headers["location"] == f"{sweep}/trials/2"
    trial = client.get(f"/api/v1{sweep}/trials/2").json()
    assert (trial["enqueued"], trial["params"]["learning_rate"], trial["params"]["hidden_units"]) == (True, 0.25, 8)
    filled = client.get(f"{sweep}/trials/new?like=2", headers=HTMX).text
    assert re.search(r'name="p-learning_rate"\s+value="0.25"', filled)
    assert '<option value="8" selected>8</option>' in filled
    place = "p-learning_rate=0.031271&p-hidden_units=5.1&p-depth=none"
    placed = client.get(f"{sweep}/trials/new?like=2&{place}", headers=HTMX).text
    assert "parameters of trial 2, but hidden_units 4, learning_rate 0.0313." in placed
    assert re.search(r'name="p-learning_rate"\s+value="0.0313"', placed)
    assert re.search(r'name="p-depth".*?<option value="1" selected>', placed, re.S)  # a place that names none of them
    beyond = client.get(f"{sweep}/trials/new?p-learning_rate=4e9&p-dropout=nan", headers=HTMX).text
    assert "The fields hold learning_rate 1." in beyond


def test_a_grid_has_no_trials_of_one_s_own(client: TestClient, engine: Engine) -> None:
    """Every cell is there once: the form says so instead of an error without words."""
    sweep = f"/sweeps/{create_grid(engine, 1, 2)}"
    refused = client.post(f"{sweep}/trials", data={"p-hidden_units": "1"}, headers=HTMX | BROWSER)
    assert (refused.status_code, "a grid has every cell once" in refused.text) == (409, True)
