"""What pages say is so: each test looks at a sweep's page and compares it with what was measured."""

import re
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.schemas import SweepCreate
from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import BODY, LONG, expect_state, is_same_document, mark_document, post

pytestmark = pytest.mark.browser

SAMPLED = BODY | {
    "name": "sampled",
    "space": {
        "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        "hidden_units": {"low": 4, "high": 32},
        "epochs": 4,
    },
    "sampler": "random",
    "pruner": {"name": "one_epoch", "keep": 6},
    "n_trials": 12,
}
FULL_BODY = SAMPLED | {
    "name": "everything",
    "sampler": {"name": "tpe", "n_startup_trials": 3},
    "pruner": "median",
    "n_trials": 4,
    "objective": {"metric": "val_loss", "direction": "minimize"},
    "stop": {"no_improvement": 50},
    "best_by": "lower_bound",
    "repeats": "reuse",
    "seed": 7,
    "keep_models": "all",
    "notes": "two\nlines",
    "tags": ["a", "b"],
    "priority": 2,
    "constraints": ["parameters <= 500000"],
}


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """The one for all tests of this module, which name the sweeps that they post."""
    return shared_server


def sweep_of(server: str, path: str) -> dict[str, Any]:
    """The sweep as the API has it."""
    return dict(httpx.get(f"{server}/api/v1{path}").json())


def finished(server: str, body: dict[str, object]) -> str:
    """The path of a new sweep's page, once it is completed and scored."""
    path = post(server, body)
    wait_until(lambda: sweep_of(server, path)["state"] == "completed" and sweep_of(server, path)["test_looks"])
    return path


@pytest.fixture(scope="module")
def grid(server: str) -> str:
    return finished(server, BODY | {"name": "grid"})


@pytest.fixture(scope="module")
def sampled(server: str) -> str:
    return finished(server, SAMPLED)


def traces(page: Page, chart: str) -> list[dict[str, Any]]:
    """Name, mode and numbers of the lines and points that a chart shows, once it is drawn."""
    expect(page.locator(f"#{chart} .plot .trace").first).to_be_attached()
    return list(
        page.evaluate(
            """id => document.querySelector(`#${id} .plot`).data.map(trace => ({
                name: trace.name, mode: trace.mode, symbol: trace.marker?.symbol,
                x: [...trace.x], y: [...trace.y], bars: Boolean(trace.error_y?.array)}))""",
            chart,
        )
    )


def test_a_duplicate_has_the_whole_body(page: Page, server: str) -> None:
    """Its fields are filled with what was posted; nothing else is changed on the way."""
    path = post(server, FULL_BODY)
    page.goto(path)
    page.get_by_role("link", name="Duplicate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Duplicate")
    expect(page.get_by_label("Pruner").locator("option:checked")).to_have_text("median of the trials before")
    expect(page.get_by_label("Sampler").locator("option:checked")).to_have_text("tpe, n_startup_trials 3")
    expect(page.get_by_label("Goal", exact=True)).to_have_value("minimize val_loss")
    expect(page.locator("#preview")).to_contain_text('"best_by": "lower_bound"')
    page.get_by_label("Seed of the sweep").fill("8")
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url(re.compile(r"/sweeps/\d+$"))
    names = set(SweepCreate.model_fields) - {"name", "seed", "webhook"}
    original, duplicate = sweep_of(server, path), sweep_of(server, page.url.removeprefix(server))
    assert {name: duplicate[name] for name in names} == {name: original[name] for name in names}
    assert (duplicate["name"], duplicate["seed"]) == ("everything (copy)", 8)
    assert list(duplicate["space"]) == list(original["space"])


def test_a_grid_is_compared_along_lines_of_the_others(page: Page, grid: str) -> None:
    """A thin line for each number of hidden units, and their mean without bars over configurations."""
    page.goto(f"{grid}?x=learning_rate")
    by_name: dict[str, list[dict[str, Any]]] = {}
    for trace in traces(page, "effect"):
        by_name.setdefault(trace["name"], []).append(trace)
    assert len(by_name["one setting of the others"]) == 2
    (mean,) = by_name["mean"]
    lines = [trace["y"] for trace in by_name["one setting of the others"]]
    assert mean["y"] == pytest.approx([sum(values) / 2 for values in zip(*lines, strict=True)])
    assert not mean["bars"]


def test_further_charts_are_drawn_once_they_are_asked_for(page: Page, grid: str) -> None:
    """Closed they cost nothing; open they are a heat map of two and one over the epochs; so is another tab."""
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url.rsplit("/", 1)[1]) if "/charts/" in request.url else None
    )
    page.goto(f"{grid}?x=learning_rate")
    traces(page, "curves")
    assert [name for name in asked if "heatmap" in name or "regret" in name] == []
    page.locator("#further-charts > summary").click()
    for chart in ("heatmap-hidden_units", "heatmap-epochs"):
        expect(page.locator(f"#{chart} .plot .hm").first).to_be_attached()
    assert traces(page, "parallel_coordinates")[-1]["name"] == "best configuration (2 runs)"
    expect(page.locator("#importance")).to_have_count(0)  # there are too few trials
    page.get_by_role("tab", name="Timeline").click()
    assert len(traces(page, "regret")) == 1
    assert page.url.endswith("&tab=timeline")


def test_what_a_sampler_chose_has_no_line_through_means(page: Page, server: str, sampled: str) -> None:
    """Configurations with the bars of their seeds, hollow ones for pruned trials, which are counted."""
    page.goto(f"{sampled}?x=learning_rate")
    drawn = {trace["name"]: trace for trace in traces(page, "effect")}
    counts = sweep_of(server, sampled)["counts"]
    assert counts["pruned"] > 0
    assert (drawn["configuration"]["mode"], len(drawn["configuration"]["y"])) == ("markers", counts["complete"])
    assert (drawn["pruned, last value"]["symbol"], len(drawn["pruned, last value"]["y"])) == (
        "circle-open",
        counts["pruned"],
    )
    assert [trace["name"] for trace in drawn.values() if "lines" in (trace["mode"] or "")] == ["best found near it"]
    expect(page.locator("#effect .gtitle-subtitle")).to_contain_text(f"hollow: {counts['pruned']} pruned")
    expect(page.locator("#history .gtitle-subtitle")).to_contain_text(f"hollow: {counts['pruned']} pruned")


def test_header_charts_and_table_have_one_best(page: Page, server: str) -> None:
    """Also after the best ones were trained again: the mean over all runs, in rows that stand together."""
    path = finished(server, BODY | {"name": "again", "seeds": 1})
    httpx.post(f"{server}/api/v1{path}/rerun-top", json={"k": 2, "seeds": 3}).raise_for_status()
    wait_until(lambda: sweep_of(server, path)["state"] == "completed" and sweep_of(server, path)["test_looks"] == 2)
    best = sweep_of(server, path)["best"]
    assert best["runs"] == 4
    page.goto(path)
    value = f"{best['value']:.4f}"
    expect(page.locator(".figures .figure-large").first).to_have_text(value)
    expect(page.locator(".figures dt").first).to_contain_text("Best configuration (4 runs)")
    for chart in ("effect", "history"):
        star = next(trace for trace in traces(page, chart) if trace["name"] == "best configuration (4 runs)")
        assert star["y"] == [pytest.approx(best["value"])]
    row = page.locator(".trial-table tbody.best-row")
    expect(row).to_have_count(1)
    expect(row).to_have_id(f"trial-{best['number']}")
    expect(row.locator(".row-value")).to_contain_text(f"{value} ± {best['std']:.4f}")
    expect(row.locator(".row-value")).to_contain_text("4 runs in 4 trials")
    following = row.locator("xpath=following-sibling::tbody")
    for index in range(3):
        expect(following.nth(index)).to_have_class("member-row")
        expect(following.nth(index)).to_contain_text("rerun")


def test_looks_at_the_test_images_are_counted(page: Page, server: str) -> None:
    """One look is said to be one; after a second, what was seen in each of them, with a warning."""
    path = finished(server, BODY | {"name": "looks"})
    first = sweep_of(server, path)["best"]
    page.goto(path)
    expect(page.locator("#test-images")).to_contain_text(
        f"the test images were looked at once, for trial {first['number']}"
    )
    httpx.post(f"{server}/api/v1{path}/trials/{first['number']}/exclude").raise_for_status()
    second = wait_until(lambda: sweep_of(server, path)["test_looks"] == 2 and sweep_of(server, path)["best"])
    assert second["test_looks"] == 2
    seen = f"{first['test_accuracy']:.4f} (trial {first['number']}), "
    seen += f"{second['test_accuracy']:.4f} (trial {second['number']})"
    expect(page.locator("#test-images")).to_contain_text(f"looked at 2 times: {seen}")
    expect(page.locator("#test-images .warning-text")).to_contain_text("a little too good")
    for chart in ("effect", "history"):
        expect(page.locator(f"#{chart} .gtitle-subtitle")).to_contain_text("hollow: 1 excluded")
        hollow = next(trace for trace in traces(page, chart) if trace["name"] == "excluded, last value")
        assert (len(hollow["y"]), hollow["symbol"]) == (1, "x-thin-open")
    expect(page.locator("#curves .gtitle-subtitle")).to_contain_text("1 excluded trial not shown")
    exported = httpx.get(f"{server}/api/v1{path}/export.json").json()["sweep"]["test_scores"]
    assert [look["number"] for look in exported] == [first["number"], second["number"]]
    report = httpx.get(f"{server}/api/v1{path}/charts/effect?format=html").text
    assert f"looked at 2 times: {seen}" in report


def test_the_time_left_is_the_least_and_says_of_what(page: Page, server: str) -> None:
    """Of a training of hours with a limit of a minute, less than a minute is left."""
    path = post(server, LONG | {"name": "limited", "stop": {"seconds": 60}})
    page.goto(path)
    expect_state(page, "running")
    left = page.locator(".standing-figures > div").filter(has_text="Time left")
    expect(left).to_contain_text("until its time limit")
    expect(left).to_contain_text(re.compile(r"\d+ s|a few seconds"))
    assert 0 < sweep_of(server, path)["eta_seconds"] <= 60
    httpx.post(f"{server}/api/v1{path}/cancel")


def test_what_diverged_is_not_offered_to_be_retried(page: Page, server: str, shared_engine: Engine) -> None:
    """With the same seeds it would diverge again; a trial whose workers were lost is offered, and trained anew."""
    space = {"learning_rate": [0.1, 0.2, 1e6], "hidden_units": 16, "depth": 2, "epochs": 3}
    path = finished(server, BODY | {"name": "too fast", "space": space, "seeds": 1})
    page.goto(path)
    page.locator("#open-2").click()
    expect(page.locator("#runs-2")).to_contain_text("diverged")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    page.get_by_role("button", name="Close the panel").click()
    with transaction(shared_engine) as session:
        lost = "UPDATE trials SET state = 'failed', value = NULL, std = NULL, error = 'its worker was lost three times'"
        runs = "DELETE FROM runs WHERE trial_id IN (SELECT id FROM trials WHERE sweep_id = :id AND number = 0)"
        parameters = {"id": int(path.split("/")[-1])}
        session.execute(text(runs), parameters)
        session.execute(text(f"{lost} WHERE sweep_id = :id AND number = 0"), parameters)
        session.execute(text("UPDATE sweeps SET revision = revision + 1 WHERE id = :id"), parameters)
    page.reload()
    mark_document(page)
    page.get_by_role("button", name="Retry 1 lost trial").click()
    wait_until(lambda: sweep_of(server, path)["counts"]["complete"] == 2)
    assert sweep_of(server, path)["counts"]["failed"] == 1
    assert is_same_document(page)


def test_a_trial_s_time_is_its_own(page: Page, server: str, grid: str) -> None:
    """Trials that are trained together share the time: all of theirs is not more than the sweep took."""
    trials = httpx.get(f"{server}/api/v1{grid}/trials").json()["items"]
    assert all(trial["seconds"] == pytest.approx(sum(run["seconds"] for run in trial["runs"])) for trial in trials)
    assert sum(trial["seconds"] for trial in trials) <= sweep_of(server, grid)["took_seconds"] * 1.05
    page.goto(grid)
    expect(page.locator("#trial-0 .row-time")).to_have_text(re.compile(r"ms|s$"))


def test_buttons_stay_where_they_are(page: Page, server: str) -> None:
    """Whatever the state, a second click hits no other button; a stop says what it drops, and is undone."""
    path = post(server, LONG | {"name": "steady"})
    page.goto(path)
    expect_state(page, "running")
    mark_document(page)
    places = [_places(page)]
    page.get_by_role("button", name="Pause").click()
    expect_state(page, "paused")
    places.append(_places(page))
    page.get_by_role("button", name="Resume").click()
    expect_state(page, "running")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 running trials end at their next epoch")
    page.get_by_role("button", name="Cancel the sweep").click()
    expect_state(page, "cancelled")
    places.append(_places(page))
    assert places == [places[0]] * 3
    expect(page.get_by_role("button", name="Stop…")).to_be_disabled()
    page.get_by_role("button", name="Continue").click()
    expect_state(page, "running")
    expect(page.locator(".summary-panel")).to_contain_text("2 running")
    assert is_same_document(page)
    httpx.post(f"{server}/api/v1{path}/cancel")


def _places(page: Page) -> list[list[float]]:
    """The left and upper edges of the buttons that change a sweep."""
    return list(
        page.locator(".sweep-header .actions").evaluate(
            """row => [...row.querySelectorAll('.button')].filter(button => !button.closest('dialog'))
                .map(button => button.getBoundingClientRect()).map(box => [box.left, box.top])"""
        )
    )
