"""PerceptuneSearchCV on a real server: what it has found, how it predicts, also once pickled, and what it refuses."""

import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

from perceptune import Client, PerceptuneRegressionSearchCV, PerceptuneSearchCV, TrialOut
from perceptune._models import RunOut
from perceptune.encoding import EncodedColumn, Encoding
from perceptune.search_cv.results import cv_results
from tests.support.paths import ROOT

SPACE = {"hidden_units": np.array([2, 16]), "learning_rate": 0.1, "optimizer": "adam", "epochs": 12, "batch_size": 16}


@pytest.fixture(scope="session")
def iris() -> pd.DataFrame:
    """Its numbers, with a column of texts, one of missing values, one that is constant, and the classes as texts."""
    data = load_iris(as_frame=True)
    frame = data.data.assign(y=data.target_names[data.target], always=1.0)
    frame["size"] = np.where(frame["petal length (cm)"] > 2.5, "large", "small")
    frame.loc[::10, "sepal width (cm)"] = np.nan
    return frame


@pytest.fixture(scope="module")
def search(trained_server: str, iris: pd.DataFrame) -> PerceptuneSearchCV:
    """A grid of two widths with two seeds each."""
    search = PerceptuneSearchCV(SPACE, sampler="grid", seeds=2, url=trained_server, fields={"tags": ["sklearn"]})
    return search.fit(iris.drop(columns="y"), iris["y"])


def test_it_predicts_by_the_best_network(search: PerceptuneSearchCV, iris: pd.DataFrame) -> None:
    """Of pandas and of polars, and the same once it was pickled, with no server there."""
    X, y = iris.drop(columns="y"), iris["y"]
    assert list(search.classes_) == ["setosa", "versicolor", "virginica"]
    assert search.n_features_in_ == 6
    assert search.score(X, y) > 0.85
    copy = pickle.loads(pickle.dumps(search)).set_params(url="http://127.0.0.1:1")
    assert list(copy.predict(X)) == list(search.best_estimator_.predict(pl.from_pandas(X)))
    probabilities = copy.predict_proba(X)
    assert probabilities.shape == (150, 3)
    assert np.allclose(probabilities.sum(1), 1)
    assert (copy.classes_[probabilities.argmax(1)] == copy.predict(X)).all()
    assert len(pickle.dumps(search)) < 2 * len(search.model_.content) + 5_000  # the network once


def test_its_results_are_those_of_the_sweep(search: PerceptuneSearchCV, trained_server: str) -> None:
    """A row a trial, a split a seed, and the best that the server has chosen."""
    with Client(trained_server) as client:
        sweep = client.get(search.sweep_)
        trials = sweep.trial_models()
    assert search.address_ == f"{trained_server}/sweeps/{sweep.id}"
    assert sweep.data.tags == ["sklearn"]
    results = search.cv_results_
    assert results["params"] == [trial.params for trial in trials]
    assert list(results["param_hidden_units"]) == [2, 16]
    assert list(results["mean_test_score"]) == [trial.value for trial in trials]
    assert list(results["std_test_score"]) == [trial.std for trial in trials]
    for seed in range(search.n_splits_):
        assert list(results[f"split{seed}_test_score"]) == [trial.runs[seed].value for trial in trials]
    assert search.n_splits_ == 2
    assert sorted(results["rank_test_score"]) in ([1, 2], [1, 1])
    assert (results["mean_fit_time"] > 0).all()
    assert pd.DataFrame(results).shape[0] == 2
    assert trials[search.best_index_].number == sweep.best.number
    assert (search.best_params_, search.best_score_) == (sweep.best.params, sweep.best.value)


def test_numbers_are_searched_by_r2(trained_server: str) -> None:
    """As good as least squares on rows that neither has seen, in the unit of the target."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    space = {"hidden_units": 8, "learning_rate": 0.03, "weight_decay": 0.03, "epochs": 30, "batch_size": 32}
    search = PerceptuneRegressionSearchCV(space, n_trials=1, url=trained_server).fit(X_train, y_train)
    assert search.score(X_test, y_test) > LinearRegression().fit(X_train, y_train).score(X_test, y_test) - 0.1
    assert search.cv_results_["mean_test_score"].tolist() == [search.best_score_]
    assert not hasattr(search, "classes_")
    assert is_regressor(search)
    with pytest.raises(ValueError, match="needs at least 10"):
        clone(search).fit(X[:9], y[:9])


def a_trial(number: int, state: str, *values: float | None, **fields: Any) -> TrialOut:
    """A trial with a run of each value, of half a second."""
    runs = [
        RunOut(seed=seed, state="complete", value=value, error=None, seconds=0.5) for seed, value in enumerate(values)
    ]
    present: dict[str, Any] = {
        "number": number,
        "state": state,
        "runs": runs,
        "value": None,
        "std": None,
        "params": {"depth": number},
        "configuration": None,
        "excluded": False,
    }
    return TrialOut.model_construct(**(present | fields))


def test_what_was_not_trained_to_its_end_has_no_score() -> None:
    """Pruned and failed trials are last, a run that diverged has no score, and less is better where it is negated."""
    trials = [
        a_trial(0, "complete", 0.5, 0.75, value=0.625, std=0.18),
        a_trial(1, "pruned", 0.25, value=0.25),
        a_trial(2, "complete", 0.25, None, params={"depth": 2, "dropout": 0.5}),
        a_trial(3, "infeasible"),
        a_trial(4, "failed", params={}),
        a_trial(5, "complete", 0.25, 0.25, value=0.25, std=0.0),
    ]
    results = cv_results(trials, minimized=True)
    nan = np.nan
    np.testing.assert_array_equal(results["trial"], [0, 1, 2, 4, 5])
    np.testing.assert_array_equal(results["mean_test_score"], [-0.625, nan, nan, nan, -0.25])
    np.testing.assert_array_equal(results["split0_test_score"], [-0.5, nan, -0.25, nan, -0.25])
    np.testing.assert_array_equal(results["split1_test_score"], [-0.75, nan, nan, nan, -0.25])
    np.testing.assert_array_equal(results["std_test_score"], [0.18, nan, nan, nan, 0.0])
    np.testing.assert_array_equal(results["rank_test_score"], [2, 3, 3, 3, 1])
    np.testing.assert_array_equal(results["mean_fit_time"], [0.5, 0.5, 0.5, nan, 0.5])
    assert results["param_dropout"].mask.tolist() == [True, True, False, True, True]
    assert cv_results(trials, minimized=False)["rank_test_score"].tolist() == [1, 3, 3, 3, 2]


def test_runs_of_one_configuration_are_one_row() -> None:
    """Its further seeds are splits of its own; what was taken over counts once, and where a run diverged is no mean."""
    good, broken = {"configuration": "good"}, {"configuration": "broken"}
    further = a_trial(3, "complete", 0.5, 0.6, value=0.55, std=0.07, **good)
    diverged = a_trial(4, "failed", 0.9, **broken)
    trials = [
        a_trial(0, "complete", 0.8, 0.9, value=0.85, std=0.07, **good),
        a_trial(1, "complete", 0.95, 0.97, value=0.96, std=0.01, **broken),
        a_trial(2, "complete", 0.8, 0.9, value=0.85, std=0.07, **good),
        further.model_copy(update={"runs": [run.model_copy(update={"seed": run.seed + 2}) for run in further.runs]}),
        diverged.model_copy(update={"runs": [diverged.runs[0].model_copy(update={"seed": 2, "state": "diverged"})]}),
    ]
    results = cv_results(trials, minimized=False)
    assert results["trial"].tolist() == [0, 1]
    assert results["mean_test_score"] == pytest.approx([0.7, np.nan], nan_ok=True)
    assert results["std_test_score"][0] == pytest.approx(np.std([0.8, 0.9, 0.5, 0.6], ddof=1))
    assert [results[f"split{seed}_test_score"][0] for seed in range(4)] == [0.8, 0.9, 0.5, 0.6]
    assert results["rank_test_score"].tolist() == [1, 2]
    assert results["state"].tolist() == ["complete", "failed"]


def test_what_survived_is_judged_by_all_its_seeds(trained_server: str) -> None:
    """The score of the best is that on its page, not that of the seeds by which it was chosen."""
    X, y = load_iris(return_X_y=True)
    space = {"hidden_units": [2, 4, 8], "learning_rate": 0.1, "optimizer": "adam", "epochs": 3, "batch_size": 16}
    seeds = {"first": 2, "survivors": 4}
    search = PerceptuneSearchCV(space, sampler="grid", seeds=seeds, url=trained_server, held_out_share=0.4).fit(X, y)
    with Client(trained_server) as client:
        best = client.get(search.sweep_).best
    assert best.runs == 4
    assert search.best_score_ == pytest.approx(best.value)
    results = search.cv_results_
    assert len(results["params"]) == 3
    splits = [results[f"split{seed}_test_score"][search.best_index_] for seed in range(search.n_splits_)]
    assert search.n_splits_ == 4
    assert search.best_score_ == pytest.approx(np.mean(splits))
    assert results["std_test_score"][search.best_index_] == pytest.approx(best.std)


def test_what_can_not_be_learned_from_is_a_sentence(trained_server: str) -> None:
    """Before anything is sent, or by the server; nothing is posted."""
    X, y = load_iris(return_X_y=True)
    search = PerceptuneSearchCV({"hidden_units": [0]}, url=trained_server)
    with Client(trained_server) as client:
        count = len(client.sweeps())
        with pytest.raises(ValueError, match=r"space\.hidden_units\.0 must be at least 1"):
            search.fit(X, y)
        with pytest.raises(ValueError, match="no column is left"):
            clone(search).fit(np.ones((9, 2)), [0, 1, 2] * 3)
        with pytest.raises(ValueError, match=r"y has one class, '1\.0'"):
            search.fit(X, np.ones(150))
        with pytest.raises(ValueError, match="The class 'rare' has 2 rows: it needs at least 3"):
            search.fit(X[:6], ["often"] * 4 + ["rare"] * 2)
        assert len(client.sweeps()) == count
    with pytest.raises(NotFittedError):
        clone(search).predict(X)
    assert not hasattr(clone(search), "best_estimator_")


def test_values_that_pandas_has_not_are_missing() -> None:
    """NA, NaT, NaN and None alike."""
    column = EncodedColumn(name="a", kind="number", mean=1.0, scale=2.0, categories=[], marks_missing=True)
    assert [column.features_of(cell) for cell in (pd.NA, pd.NaT, np.nan, None)] == [[0.0, 1.0]] * 4
    assert column.features_of(np.float32(2)) == [0.5, 0.0]


def test_an_array_of_numbers_is_encoded_as_row_by_row() -> None:
    """With missing values marked or not, whole or not; what is wrong is named in the same way."""
    generator = np.random.default_rng(0)
    marks = (True, False, True)
    columns = [
        EncodedColumn(name=f"x{place}", kind="number", mean=place / 3, scale=1.7, categories=[], marks_missing=mark)
        for place, mark in enumerate(marks)
    ]
    encoding = Encoding(target="y", columns=columns)
    rows = generator.normal(size=(40, 3))
    rows[generator.random(rows.shape) < 0.2] = np.nan
    for cells in (rows, rows.astype(np.float32), generator.integers(-9, 9, (40, 3))):
        assert encoding.encode(cells).tolist() == encoding.encode(cells.tolist())
    with pytest.raises(ValueError, match="Row 1 has 2 values, and the network takes x0, x1, x2"):
        encoding.encode(rows[:, :2])
    rows[3, 1] = np.inf
    with pytest.raises(ValueError, match="Row 4, column 'x1': must be a finite number, not 'inf'"):
        encoding.encode(rows)


def test_without_scikit_learn_it_is_told_what_to_install() -> None:
    """The client itself needs neither that nor NumPy."""
    program = "import sys; sys.modules['sklearn'] = None; import perceptune; perceptune.PerceptuneSearchCV"
    variables = os.environ | {"PYTHONPATH": str(ROOT / "client" / "src")}
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].endswith("pip install 'perceptune-client[sklearn]'")
