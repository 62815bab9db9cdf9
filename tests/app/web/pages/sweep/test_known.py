"""What a sweep's page says that is known: each sentence from rows that a test names."""

import json
import re
import shlex
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import schemas
from app.charts.importance import ImportanceData, Share, importance_data
from app.db.engine import transaction
from app.domain.space import parse_space
from app.queries import leading_configurations
from app.queries.leading_configurations import LeadingConfiguration
from app.web.pages.sweep import known
from app.web.pages.sweep.known import Known, failures_sentence, noise_sentence, what_matters
from tests.support.queue_examples import claim, complete, create_grid, create_sweep, new_worker
from tests.support.sweeps.measured_sweeps import a_sweep, end

BEST = {0: 0.90, 1: 0.92, 2: 0.91}
LIKE_IT = {0: 0.91, 1: 0.90, 2: 0.91}
WORSE = {0: 0.80, 1: 0.82, 2: 0.81}
RAN_ONCE = {0: 0.89}


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ([], ""),
        ([RAN_ONCE], "Whether others are as good can't be told: none of the next best shares two seeds with it."),
        ([LIKE_IT], "The next best configuration, trial 1, can't be told from it (95 %, at equal seeds)."),
        ([WORSE], "It is clearly better than the next best configuration (95 %, at equal seeds)."),
        ([WORSE, WORSE], "It is clearly better than each of the 2 next best configurations (95 %, at equal seeds)."),
        (
            [LIKE_IT, WORSE, LIKE_IT, RAN_ONCE],
            "Of the 3 next best configurations, trials 1 and 3 can't be told from it "
            "(95 %, at equal seeds; 1 more share fewer than two seeds with it).",
        ),
        ([LIKE_IT] * 6, "Of the 6 next best configurations, trials 1, 2, 3, 4 and 2 more can't be told from it "
                        "(95 %, at equal seeds)."),
    ],
)  # fmt: skip
def test_noise_is_told_by_differences_at_equal_seeds(others: list[dict[int, float]], sentence: str) -> None:
    """Not by overlapping bars: what a seed does to both falls away."""
    leaders = [LeadingConfiguration(number, {}, runs, 1.0) for number, runs in enumerate([BEST, *others])]
    assert noise_sentence(leaders) == sentence


def test_what_matters_is_computed_once_for_all_who_ask(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever age they name: of as many as somebody likes each would take seconds, and be kept for later."""
    grown_forests = list[int]()

    def counted(*arguments: Any) -> ImportanceData:
        grown_forests.append(1)
        return importance_data(*arguments)

    monkeypatch.setattr(known, "importance_data", counted)
    sweep, worker = create_grid(engine, 4, 8, 16), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    for age in (0, 1, 10**6):
        assert client.get(f"/sweeps/{sweep}/what-matters?age={age}").status_code == 200
    assert len(grown_forests) == 1


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ([], ""),
        (["diverged at epoch 1"], "1 of 9 trials failed: diverged at epoch 1."),
        (["diverged at epoch 1", "diverged at epoch 3"], "2 of 9 trials failed: diverged at epoch 1 to 3."),
        (["diverged at epoch 1 (1 of 2 runs)", "diverged at epoch 1 (2 of 2 runs)"],
         "2 of 9 trials failed: diverged at epoch 1."),
        (["diverged at epoch 12 (1 of 2 runs)", "out of memory", "diverged at epoch 9 (2 of 3 runs)"],
         "3 of 9 trials failed, 2 of them with: diverged at epoch 9 to 12."),
        (["a", "diverged at epoch 1", "diverged at epoch 3"],
         "3 of 9 trials failed, 2 of them with: diverged at epoch 1 to 3."),
    ],
)  # fmt: skip
def test_failures_are_told_by_the_reason_of_most(errors: list[str], sentence: str) -> None:
    """Whatever the numbers in it."""
    assert failures_sentence(errors, len(errors), 9) == sentence


def test_of_very_many_failures_the_first_are_read(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the beginnings of their errors: a file may have brought thousands, of tens of thousands of characters."""
    monkeypatch.setattr(leading_configurations, "ERRORS_READ", 3)
    monkeypatch.setattr(leading_configurations, "ERROR_LENGTH", 10)
    sweep = a_sweep(engine, [[None]] * 5)
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET error = 'too ' || repeat('many ', 1000)"))
    assert "5 of 5 trials failed, 3 of the first 3 of them with: too many m." in client.get(f"/sweeps/{sweep}").text


def importance(*shares: Share, reason: str = "", predicted: float = 0.9) -> ImportanceData:
    chance = Share("random numbers", 0.02, 0.0, 0.05)
    return ImportanceData("", "", shares, (Share("noise", 0.1, 0.0, 0.2), chance), 60, predicted, reason)


@pytest.mark.parametrize(
    ("expected", "std", "runs", "shown"),
    [
        (0.955, 0.004, 3, 0.955),
        (-12.0, 0.004, 3, None),
        (-12.0, 0.0, 2, -12.0),
        (0.9, None, 1, 0.9),
        (None, 0.01, 3, None),
    ],
)
def test_what_is_expected_is_not_told_against_the_best_s_own_runs(
    client: TestClient, engine: Engine, expected: float | None, std: float | None, runs: int, shown: float | None
) -> None:
    """Which say nothing against it where there is one run, or all are equal."""
    sweep = schemas.SweepOut.model_validate(client.get(f"/api/v1/sweeps/{a_sweep(engine, [[0.9, 0.92]])}").json())
    assert sweep.best is not None
    best = sweep.best.model_copy(update={"value": 0.96, "expected": expected, "std": std, "runs": runs})
    sentences = Known(sweep.model_copy(update={"best": best}), parse_space(sweep.space, sweep.task), ())
    assert sentences.expected == shown


def test_what_matters_is_told_where_it_is_known() -> None:
    """What random numbers seem to explain as well is left out, and so is what a forest can't predict."""
    telling, chance = Share("learning_rate", 0.71, 0.64, 0.78), Share("depth", 0.04, 0.01, 0.09)
    said = "as a share of the variance between 60 configurations. Lines: 90 % of resamples."
    assert what_matters(importance(telling, chance)) == ([telling], said)
    for unclear in (importance(chance), importance(telling, predicted=0.1)):
        shares, sentence = what_matters(unclear)
        assert (shares, sentence.startswith("60 configurations can't tell that yet.")) == ((), True)
    assert what_matters(importance(telling, reason="too few")) == ((), "")


def test_what_matters_is_a_small_chart(client: TestClient, engine: Engine) -> None:
    """A bar with its interval for each hyperparameter; with too few trials that it can't be told, or not yet."""

    def grid(widths: int) -> str:
        space = {"hidden_units": [*range(1, widths + 1)], "learning_rate": [0.1, 0.2, 0.3, 0.4], "epochs": 1}
        sweep = create_sweep(engine, space=space, sampler="grid", n_trials=None)
        end(engine, sweep, [[0.1 * width + 0.001 * rate] for width in range(widths) for rate in range(4)])
        return unescape(client.get(f"/sweeps/{sweep}").text)

    assert "What matters can't be told: that takes 20 configurations." in grid(2)
    page = grid(6)
    (address,) = re.findall(r'hx-get="(/sweeps/\d+/what-matters[^"]+)"', page)
    part = client.get(address).text
    assert re.findall(r"<dt>(\w+)</dt>", part) == ["hidden_units"]
    assert re.search(r'<rect width="\d+\.\d".*?<line x1="\d+\.\d" x2="\d+\.\d"', part, re.DOTALL)
    assert "as a share of the variance between 24 configurations" in part
    running = create_sweep(engine, space={"hidden_units": [1, 2], "depth": [1, 2]}, sampler="grid", n_trials=None)
    worker = new_worker(engine)
    complete(engine, running, worker, claim(engine, worker, 1))
    page = unescape(client.get(f"/sweeps/{running}").text)
    assert "What matters can't be told yet: that takes 20 configurations." in page


def test_the_front_of_several_objectives_is_named_with_its_values(client: TestClient, engine: Engine) -> None:
    """The best in the first one is the first; what another beats in both is not there. A panel has every value."""
    sweep = a_sweep(engine, [[0.7, 0.72], [0.9, 0.92], [0.5, 0.52]])
    path = f"/sweeps/{sweep}"
    with transaction(engine) as session:
        further = json.dumps([{"metric": "parameters", "direction": "minimize"}])
        session.execute(text("UPDATE sweeps SET objectives = :further"), {"further": further})
        session.execute(text("UPDATE trials SET other_values = ARRAY[1000.0 * (number + 1)]"))
    assert "Pareto front" not in client.get(f"/sweeps/{a_sweep(engine, [[0.7, 0.72]])}").text
    page = " ".join(re.sub("<[^>]*>", "", client.get(path).text).split())
    front = (
        "trial 1: validation accuracy 0.9100, 2,000 weights and biases "
        "trial 0: validation accuracy 0.7100, 1,000 weights and biases"
    )
    assert f"No other trial beats these in every objective (the Pareto front): {front}" in page
    panels = [client.get(f"{path}/trials/{number}", headers={"HX-Request": "true"}).text for number in (1, 2)]
    assert "In all objectives: validation accuracy 0.9100, 2,000 weights and biases; on the Pareto front." in panels[0]
    assert "In all objectives: validation accuracy 0.5100, 3,000 weights and biases." in panels[1]


def test_the_best_is_confirmed_on_its_page(client: TestClient, engine: Engine) -> None:
    """The page proposes further seeds in steps of a trial's runs, says what is known, and queues them at a click."""
    sweep = f"/sweeps/{a_sweep(engine, [[0.9, 0.92], [0.91, 0.9], [0.5, 0.52]])}"
    page = unescape(client.get(sweep).text)
    assert re.search(r"Of the 2 next best configurations,\s+trial 1 can't be told from it", page)
    assert re.search(r'name="k" [^>]*value="3"', page)
    assert re.search(r'name="seeds"[^>]*min="2"[^>]*step="2"[^>]*value="6"', page)
    client.post(f"{sweep}/confirm", data={"k": "2", "seeds": "4"})
    counts = client.get(f"/api/v1{sweep}").json()["counts"]
    assert (counts["complete"], counts["waiting"]) == (3, 4)
    refused = client.post(f"{sweep}/confirm", data={"k": "two", "seeds": "4"}, headers={"Accept": "text/html"})
    assert (refused.status_code, "must be a whole number" in refused.text) == (422, True)


def test_the_space_is_widened_where_the_best_lies_at_its_edge(client: TestClient, engine: Engine) -> None:
    """The button says how many trials come with it; with few trials nothing is proposed."""
    few = f"/sweeps/{a_sweep(engine, [[0.1], [0.2], [0.3]])}"
    assert "lies at the" not in client.get(few).text
    sweep = f"/sweeps/{a_sweep(engine, [[number / 10] for number in range(1, 9)])}"
    page = client.get(sweep).text
    assert "The best lies at the upper edge of hidden_units (8)." in page
    assert "Widen to 9 (1 further trial)" in page
    client.post(f"{sweep}/widen", data={"name": "hidden_units", "to": "9", "more": "0"})
    after = client.get(f"/api/v1{sweep}").json()
    assert (after["space"]["hidden_units"], after["counts"]["waiting"]) == ([1, 2, 3, 4, 5, 6, 7, 8, 9], 1)
    # from the axis, to any value
    assert re.search(r'id="ask-widen".*?name="name" value="hidden_units"', page, re.DOTALL)
    assert "ask-widen" not in client.get(f"{sweep}?x=val_loss").text  # where no hyperparameter is on the axis
    refused = client.post(f"{sweep}/widen", data={"name": "depth", "to": "9", "more": "0"})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["name"])


@pytest.mark.parametrize("to", ["3", "nan", "inf", "-9" + "9" * 400])
def test_only_numbers_are_widened_and_to_numbers(client: TestClient, to: str) -> None:
    """What has no order has no edge."""
    space = {"activation": ["relu", "tanh"], "learning_rate": {"low": 0.1, "high": 1}, "epochs": 1}
    body = {"name": "x", "dataset": "digits", "space": space, "n_trials": 1}
    sweep = f"/sweeps/{client.post('/api/v1/sweeps', json=body).json()['id']}"
    for name in ("activation", *(["learning_rate"] if to != "3" else [])):
        assert client.post(f"{sweep}/widen", data={"name": name, "to": to, "more": "0"}).status_code == 422


def test_the_copied_command_is_a_sweep_of_the_best_alone(client: TestClient, engine: Engine) -> None:
    """What is behind CLI can be posted, and has one trial with as many seeds."""
    sweep = f"/sweeps/{a_sweep(engine, [[0.9, 0.92], [0.5, 0.52]])}"
    texts = re.findall(r'data-copy="([^"]+)"', client.get(sweep).text)
    as_json, python, command = (text.replace("&#34;", '"').replace("&#39;", "'") for text in texts)
    assert json.loads(as_json)["hidden_units"] == 1
    namespace: dict[str, object] = {}
    exec(python, namespace)
    assert namespace["params"] == json.loads(as_json)
    body = json.loads(shlex.split(command)[-1])
    made = client.post("/api/v1/sweeps", json=body).json()
    assert (made["n_trials"], made["seeds"]) == (1, 2)


def test_charts_are_promised_only_while_there_may_be_some(client: TestClient, engine: Engine) -> None:
    """A sweep that was cancelled before its first epoch says so."""
    sweep = create_sweep(engine, n_trials=2)
    assert "Charts appear with the first finished epoch." in client.get(f"/sweeps/{sweep}").text
    client.post(f"/api/v1/sweeps/{sweep}/cancel").raise_for_status()
    page = client.get(f"/sweeps/{sweep}").text
    assert "There are no charts: it ended before the first finished epoch." in page
