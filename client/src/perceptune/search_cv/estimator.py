"""A sweep on data of one's own, fitted and asked as the searches of scikit-learn are: of classes, or of numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from typing_extensions import Self

from perceptune import calls
from perceptune._sync.client import Client
from perceptune._sync.sweep import Sweep
from perceptune.data_files import HASH_LENGTH, file_of
from perceptune.errors import ProblemError
from perceptune.search_cv.results import cv_results

MIN_CLASS_ROWS = 3
MIN_NUMBER_ROWS = 10
REFUSALS = (409, 413, 422)  # as statuses: what is wrong lies in what was sent
DEFAULT_SPACE: Mapping[str, object] = {
    "hidden_units": {"low": 16, "high": 256, "log": True},
    "depth": {"low": 1, "high": 2},
    "learning_rate": {"low": 3e-4, "high": 3e-2, "log": True},
    "weight_decay": {"low": 1e-6, "high": 1e-2, "log": True},
    "batch_size": [16, 64],
    "optimizer": "adam",
    "epochs": 40,
}
"""Small networks for tables of some hundred to some ten thousand rows."""


class _SearchCV(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both searches share: parameters, the sweep, and what has come of it."""

    _task: ClassVar[str]
    """What the data set is stored for."""

    def __init__(
        self,
        space: Mapping[str, object] | None = None,
        *,
        n_trials: int = 64,
        sampler: str | Mapping[str, object] | None = None,
        seeds: int | Mapping[str, int] = 1,
        pruner: str | Mapping[str, object] | None = None,
        held_out_share: float = 0.2,
        test_share: float = 0.1,
        random_state: Any = 0,
        fields: Mapping[str, object] | None = None,
        name: str = "scikit-learn search",
        url: str | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.space = space
        self.n_trials = n_trials
        self.sampler = sampler
        self.seeds = seeds
        self.pruner = pruner
        self.held_out_share = held_out_share
        self.test_share = test_share
        self.random_state = random_state
        self.fields = fields
        self.name = name
        self.url = url
        self.key = key
        self.timeout = timeout

    def _fit(self, table: Any, targets: NDArray[Any]) -> None:
        """Runs the sweep on checked rows, and reads what has come of it."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with Client(self.url, self.key) as client, _refusals_as_value_errors():
            dataset = self._store(client, table, targets, seed)
            sweep = self._post(client, dataset, seed)
            self.sweep_, self.address_ = sweep.id, f"{client.url}/sweeps/{sweep.id}"
            sweep.wait(self.timeout)
            if sweep.data.best is None:
                raise ValueError(f"Sweep {sweep.id} is {sweep.state}, and no trial is complete: see {self.address_}")
            self.model_ = sweep.model()
            self._read(sweep)

    def _rows(self, X: Any) -> Any:
        """Rows as the network reads them. Raises NotFittedError."""
        check_is_fitted(self, "model_")
        return self._read_columns(self._checked(X, fresh=False))

    @property
    def best_estimator_(self) -> Self:
        """Itself: it predicts by the best network, and there is no other."""
        check_is_fitted(self, "model_")
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _checked(self, X: Any, *, fresh: bool) -> Any:
        """A frame as it is, for the server knows texts and dates; anything else as an array of numbers."""
        if _is_frame(X) and (fresh or hasattr(self, "feature_names_in_")):
            return validate_data(self, X, reset=fresh, skip_check_array=True)
        return validate_data(self, X, reset=fresh, dtype=np.float64, ensure_all_finite="allow-nan")

    def _read_columns(self, table: Any) -> Any:
        """The columns that the network reads: as an array where all are numbers, which is computed faster."""
        encoding = self.model_.info.encoding
        assert encoding is not None
        names = [column.name for column in encoding.columns]
        if _is_frame(table):
            cells = np.asarray(table[names])
            return cells if cells.dtype.kind in "iuf" else table
        all_names = getattr(self, "feature_names_in_", [f"x{place}" for place in range(self.n_features_in_)])
        places = {name: place for place, name in enumerate(all_names)}
        return table[:, [places[name] for name in names]]

    def _targets(self, table: Any, y: Any) -> NDArray[Any]:
        """What is to be told of each row. Raises ValueError."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        targets: NDArray[Any] = column_or_1d(y, warn=True)
        assert_all_finite(targets, input_name="y")
        check_consistent_length(table, targets)
        return targets

    def _store(self, client: Client, table: Any, targets: NDArray[Any], seed: int) -> str:
        """The name of the data set, which is the same for the same rows that are split in the same way."""
        target = "y"
        if _is_frame(table):
            while target in table.columns:
                target += "_"
            file = file_of(_with_column(table, target, targets))
        else:
            file = file_of((table, targets))
        options = {
            "target": target,
            "task": self._task,
            "held_out_share": float(self.held_out_share),
            "test_share": float(self.test_share),
            "seed": seed,
        }
        digest = hashlib.sha256(f"{file.name} {json.dumps(options)}".encode()).hexdigest()
        options |= {"name": f"data_{digest[:HASH_LENGTH]}", "source": file.source, "reuse": True}
        return client.call(calls.store_dataset(file.content, options)).name

    def _post(self, client: Client, dataset: str, seed: int) -> Sweep:
        sampler = self.sampler.get("name") if isinstance(self.sampler, Mapping) else self.sampler
        # the best may be another trial once the last has ended, so that the models of all are kept
        body = {"seed": seed, "keep_models": "all", **(self.fields or {})}
        body |= {"space": DEFAULT_SPACE if self.space is None else self.space, "dataset": dataset}
        body |= {"sampler": self.sampler, "seeds": self.seeds, "pruner": self.pruner}
        body |= {"n_trials": None if sampler == "grid" else self.n_trials}
        return client.sweep(self.name, **_plain(body))

    def _read(self, sweep: Sweep) -> None:
        """Sets what has come of it."""
        objective = sweep.data.objective
        self.cv_results_ = cv_results(sweep.trial_models(), minimized=objective.direction == "minimize")
        self.n_splits_ = sum(name.startswith("split") for name in self.cv_results_)
        self.best_index_ = int(np.flatnonzero(self.cv_results_["trial"] == sweep.best.number)[0])
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
        self.best_params_ = self.cv_results_["params"][self.best_index_]


class PerceptuneSearchCV(ClassifierMixin, _SearchCV):  # type: ignore[misc]
    """Searches hyperparameters of a classifier on a Perceptune server, and predicts by the best network.

    Fitting stores the rows on the server as a data set, posts a sweep on it and waits for that. In place of folds, a
    configuration is trained with `seeds` seeds and judged on the rows that are held out.

    `space` is what to search, as in `Client.sweep`, by default `DEFAULT_SPACE`; `n_trials`, `sampler`, `seeds` and
    `pruner` are those of a sweep, and so are the further ones in `fields`, e.g. `{"tags": ["thesis"]}`. A grid has its
    own number of trials. Of all rows `test_share` is kept apart for the score on the sweep's page, and of the others
    `held_out_share` validates. `random_state` chooses these rows, and all that is drawn in the sweep. `url` and `key`
    are those of `Client`, but the key is shown and pickled with the other parameters: PERCEPTUNE_API_KEY is not. After
    `timeout` seconds TimeoutError is raised, and the sweep goes on.

    Fitted, it has `best_params_`, `best_score_`, `best_index_`, `cv_results_`, `n_splits_`, `classes_`, `model_`,
    `n_features_in_`, of a frame `feature_names_in_`, and `sweep_` and `address_`, the sweep's number and page.
    """

    _task = "classification"

    def fit(self, X: Any, y: Any) -> Self:
        """Runs the sweep. `X` is an array of numbers, NaN where one is missing, or a frame, whose columns may also be
        texts and dates. Raises ValueError for what can't be learned from, or is refused by the server."""
        table = self._checked(X, fresh=True)
        self.classes_, codes = self._classes(table, y)
        self._fit(table, codes)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """[rows, classes], in the order of `classes_`."""
        rows = self._rows(X)
        return self.model_.probabilities(rows)

    def _classes(self, table: Any, y: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The classes in their order, and of each row the place of its own. Raises ValueError."""
        targets = self._targets(table, y)
        check_classification_targets(targets)
        classes, codes, counts = np.unique(targets, return_inverse=True, return_counts=True)
        if len(classes) < 2:
            raise ValueError(f"y has one class, '{classes[0]}': there must be at least two to tell apart")
        if counts.min() < MIN_CLASS_ROWS:
            rows = "1 row" if counts.min() == 1 else f"{counts.min()} rows"
            raise ValueError(
                f"The class '{classes[counts.argmin()]}' has {rows}: it needs at least {MIN_CLASS_ROWS}, one each to "
                "train, to validate and to test on"
            )
        return classes, codes


class PerceptuneRegressionSearchCV(RegressorMixin, _SearchCV):  # type: ignore[misc]
    """The same for a target that is a number: configurations go by R², and `predict` gives numbers in its unit.

    Parameters and attributes are those of PerceptuneSearchCV, but for `classes_`.
    """

    _task = "regression"

    def fit(self, X: Any, y: Any) -> Self:
        """Runs the sweep, as PerceptuneSearchCV does; `y` are numbers, of ten rows at least."""
        table = self._checked(X, fresh=True)
        numbers = np.asarray(self._targets(table, y), dtype=np.float64)
        if len(numbers) < MIN_NUMBER_ROWS:
            raise ValueError(
                f"n_samples={len(numbers)}: a target that is a number needs at least {MIN_NUMBER_ROWS} rows"
            )
        self._fit(table, numbers)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of each row."""
        rows = self._rows(X)
        return self.model_.numbers(rows)


@contextmanager
def _refusals_as_value_errors() -> Iterator[None]:
    """What the server refuses is an error of the values that it was sent, as scikit-learn's users expect it."""
    try:
        yield
    except ProblemError as error:
        if error.status not in REFUSALS:
            raise
        raise ValueError(str(error)) from error


def _is_frame(X: Any) -> bool:
    """Whether it is a frame of pandas or polars, with names that are texts."""
    return hasattr(X, "to_dict") and hasattr(X, "columns") and all(isinstance(name, str) for name in X.columns)


def _with_column(frame: Any, name: str, values: NDArray[Any]) -> Any:
    """A copy with one more column."""
    if hasattr(frame, "assign"):
        return frame.assign(**{name: values})
    return type(frame)({**frame.to_dict(), name: values})


def _plain(value: Any) -> Any:
    """The value without NumPy's types, which JSON lacks."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
