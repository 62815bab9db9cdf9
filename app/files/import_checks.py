"""The checks of a trial that is imported, with all that its rows in the database would have to pass."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from optuna.trial import TrialState as OptunaState
from pydantic import ValidationError

from app.db.tables import Sweep, info_of
from app.db.trial_rows import configuration, trial_size
from app.domain import formatting
from app.domain.body import plain_sentence
from app.domain.space import Constant, Space, check_model_fits
from app.domain.space.domains import largest
from app.domain.space.membership import contains
from app.domain.space.values import problem
from app.domain.states import LIVE_TRIALS, RunState, TrialState
from app.domain.sweep_limits import MAX_ATTEMPTS_MADE, MAX_COUNT, MAX_FLOAT, MAX_TRIAL_NOTE_LENGTH
from app.domain.tasks import EVERY_HYPERPARAMETER, TASKS
from app.domain.tasks.train_mlp import EPOCH_METRICS
from app.files.exports.fields import DIAGNOSTICS, EPOCH, RUN, TRIAL, Field, import_error, parse_row
from app.files.import_limits import check_trial_words
from app.schemas import AttemptOut, Circumstances, DiagnosticsOut, ScoreOut, WarmStarted
from app.search.optuna_space import frozen_trial, sampler_space

MEAN_TOLERANCE = 1e-9  # relative; a mean that was added up in another order
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):?[0-5]\d)"
)  # as Postgres reads it too


class ImportedSpace:
    """The search space of an imported sweep, as its sampler is going to see the trials in it."""

    def __init__(self, space: Space, longer_epochs: Collection[int] = ()) -> None:
        """`longer_epochs`: to which trials were trained on, beyond what the space says."""
        self._space, self._sampler_space = space, sampler_space(space)
        self._longer_epochs = longer_epochs

    def check(self, params: Mapping[str, Any], loc: tuple[str | int, ...]) -> None:
        """Raises InvalidError for parameters that are outside the space, and that no sampler could be told."""
        if params.get("epochs") in self._longer_epochs:
            params = {name: value for name, value in params.items() if name != "epochs"}
            if "epochs" in self._space.domains:
                params["epochs"] = largest(self._space.domains["epochs"])
        for name, value in params.items():
            domain = self._space.domains.get(name)
            if domain is None or not contains(domain, value):
                values = "not part of it" if domain is None else formatting.domain(domain)
                raise import_error((*loc, "params", name), f"is outside the sweep's space: {values}")
        try:
            frozen_trial(self._sampler_space, params, state=OptunaState.RUNNING)
        except (ValueError, TypeError) as error:
            raise import_error((*loc, "params"), f"are outside the sweep's space: {error}") from None


class ImportedTrial:
    """A trial of a file, as the database takes it: `facts`, `runs` and `epochs` are rows of three tables."""

    def __init__(
        self, document: Any, place: int, sweep: Mapping[str, Any], space: ImportedSpace, workers: set[Any]
    ) -> None:
        """Raises InvalidError, with `place`, the trial's index in the file, where the trial could not be stored."""
        loc = ("trials", place)
        if not isinstance(document, dict):
            raise import_error(loc, "must be an object")
        columns = {name: value for name, value in document.items() if name not in {"runs", "epochs", "diagnostics"}}
        self.facts = {"devices": []} | parse_row(TRIAL, columns, loc)  # which files of before lack
        runs = document.get("runs")
        if not isinstance(runs, list):
            raise import_error((*loc, "runs"), "must be a list")
        self.runs = [parse_row(RUN, run, (*loc, "runs", index)) for index, run in enumerate(runs)]
        self.epochs = _curves(document.get("epochs"), (*loc, "epochs"))
        self.n_epochs = len(self.epochs[0])
        check_trial_words(self.facts, self.runs, self.epochs[_SEED], loc)
        self.diagnostics = _diagnostics(document.get("diagnostics"), sweep, (*loc, "diagnostics"))
        self.n_diagnostics = len(self.diagnostics)
        _check_history(self.facts.get("history", []), loc)
        _check_circumstances(self.facts.get("circumstances"), loc)
        _check_trial(self.facts, self.runs, loc)
        _check_objectives(self.facts, sweep, loc)
        _check_params(self.facts, sweep, space, loc)
        if self.facts.get("params") is not None:
            self.facts["configuration"] = configuration(self.facts["params"], sweep["task"])
        if self.facts["state"] in LIVE_TRIALS:
            self._queue_again(sweep)
        if self.facts.get("worker_id") not in workers:
            self.facts["worker_id"] = None  # of another installation

    def _queue_again(self, sweep: Mapping[str, Any]) -> None:
        """A trial that was running starts anew, without curves: they are written once more.

        Its size, by which workers share the trials, is computed and not believed.
        """
        self.facts |= {
            "state": TrialState.waiting,
            "epochs_done": 0,
            "started_at": None,
            "worker_id": None,
            "devices": [],
        }
        if self.facts.get("params") is not None:
            owner = Sweep(**{name: sweep[name] for name in ("task", "dataset", "stored_dataset", "seeds")})
            self.facts |= trial_size(owner, self.facts["params"])
        self.epochs, self.diagnostics = _NO_CURVES, []


# which a file of an older version lacks
_FIGURES_OF_NUMBERS = [name for name, metric in EPOCH_METRICS.items() if metric.target == "number"]
_NO_CURVES: list[list[Any]] = [[] for _ in EPOCH]
_SEED = list(EPOCH).index("seed")


def _curves(epochs: Any, loc: tuple[str | int, ...]) -> list[list[Any]]:
    """The points of a trial's curves, a list a column."""
    if epochs is None:
        return _NO_CURVES
    required_names = {name for name in EPOCH if name not in _FIGURES_OF_NUMBERS}
    if not isinstance(epochs, dict) or not required_names <= epochs.keys() <= EPOCH.keys():
        raise import_error(loc, f"must be an object with the lists {', '.join(EPOCH)}")
    missing = [None] * len(epochs["epoch"]) if isinstance(epochs["epoch"], list) else []
    epochs = dict.fromkeys(_FIGURES_OF_NUMBERS, missing) | epochs
    if not all(isinstance(column, list) for column in epochs.values()) or len({*map(len, epochs.values())}) != 1:
        raise import_error(loc, "must hold lists of the same length")
    curves = [_column(field, epochs[name], loc) for name, field in EPOCH.items()]
    if len({*zip(curves[0], curves[1], strict=True)}) != len(curves[0]):
        raise import_error(loc, "hold an epoch of a run twice")
    return curves


def _diagnostics(columns: Any, sweep: Mapping[str, Any], loc: tuple[str | int, ...]) -> list[dict[str, Any]]:
    """The measurements of a trial's networks, a row each."""
    if columns is None:
        return []
    if not sweep.get("diagnostics"):
        raise import_error(loc, "must be left out: the sweep does not measure them")
    if not isinstance(columns, dict) or columns.keys() != DIAGNOSTICS.keys():
        raise import_error(loc, f"must be an object with the lists {', '.join(DIAGNOSTICS)}")
    if not all(isinstance(column, list) for column in columns.values()) or len({*map(len, columns.values())}) != 1:
        raise import_error(loc, "must hold lists of the same length")
    places = zip(*columns.values(), strict=True)
    rows = [_measured(dict(zip(columns, place, strict=True)), sweep, (*loc, i)) for i, place in enumerate(places)]
    if len({(row["seed"], row["epoch"]) for row in rows}) != len(rows):
        raise import_error(loc, "hold an epoch of a run twice")
    return rows


def _measured(row: Mapping[str, Any], sweep: Mapping[str, Any], loc: tuple[str | int, ...]) -> dict[str, Any]:
    """A row of diagnostics as the database takes it. Raises InvalidError where no network could have it."""
    try:
        measured = DiagnosticsOut.model_validate(row, strict=True)
    except ValidationError as error:
        first_error = error.errors(include_url=False)[0]
        raise import_error((*loc, *first_error["loc"]), plain_sentence(first_error)) from None
    dataset = info_of(sweep["dataset"], sweep["stored_dataset"])
    if measured.bottleneck is not None and len(measured.bottleneck) != dataset.outputs:
        raise import_error(
            (*loc, "bottleneck"), f"must have {formatting.plural(dataset.outputs, 'list')}, one for each class"
        )
    return {"seed": measured.run} | {name: getattr(measured, name) for name in DIAGNOSTICS if name != "seed"}


def _column(field: Field, values: list[Any], loc: tuple[str | int, ...]) -> list[Any]:
    """The values of one column. There may be a million, so what is plainly right is not looked at one by one."""
    kinds = set(map(type, values))
    if field.kind == "integer" and kinds <= {int}:
        if values and not 0 <= min(values) <= max(values) < 2**31:
            raise import_error((*loc, field.name), "must be whole numbers that are not negative")
        return values
    if kinds <= ({float, type(None)} if field.optional else {float}) and all(
        abs(value) <= MAX_FLOAT for value in values if value is not None
    ):
        return values
    return [
        parse_row({field.name: field}, {field.name: value}, (*loc, index))[field.name]
        for index, value in enumerate(values)
    ]


Rule = tuple[Callable[[Mapping[str, Any]], bool], str, str]  # whether a trial is right, the field, the message

# As the CHECK constraints of the table say.
_RULES: list[Rule] = [
    (lambda t: 0 <= t["number"] < MAX_COUNT, "number", "must be 0 or more, and below 2 ** 30"),
    (
        lambda t: (t["state"] in LIVE_TRIALS) == (t.get("finished_at") is None),
        "finished_at",
        "must be set if and only if the trial has ended",
    ),
    (lambda t: t["state"] != "complete" or t.get("value") is not None, "value", "is missing: the trial is complete"),
    (lambda t: t["state"] != "complete" or t.get("params") is not None, "params", "is missing: the trial is complete"),
    (lambda t: t["state"] != "failed" or t.get("error") is not None, "error", "is missing: the trial failed"),
    (
        lambda t: t["state"] in {"complete", "pruned"} or t.get("value") is None,
        "value",
        "must be null: only complete and pruned trials have one",
    ),
    (
        lambda t: (t.get("params") is None) == (t.get("cost") is None) == (t.get("epochs_total") is None),
        "params",
        "must be there together with cost and epochs_total",
    ),
    (lambda t: (t.get("cost") or 0.0) >= 0, "cost", "must be 0 or more"),
    (
        lambda t: len(t.get("note", "")) <= MAX_TRIAL_NOTE_LENGTH,
        "note",
        f"must have at most {MAX_TRIAL_NOTE_LENGTH:,} characters",
    ),
    (lambda t: 0 <= t.get("epochs_done", 0) < 2**31, "epochs_done", "must be 0 or more, and below 2 ** 31"),
    (lambda t: (t.get("epochs_total") or 0) < 2**31, "epochs_total", "must be below 2 ** 31"),
    (
        lambda t: t.get("epochs_total") is None or t["epochs_total"] >= (t["state"] != "infeasible"),
        "epochs_total",
        "must be at least 1, or 0 where the trial is infeasible",
    ),
    (
        lambda t: 0 <= t.get("attempt", 0) <= MAX_ATTEMPTS_MADE,
        "attempt",
        f"must be 0 or more, and at most {MAX_ATTEMPTS_MADE:,}",
    ),
    (lambda t: 0 <= t.get("first_seed", 0) < MAX_COUNT, "first_seed", "must be 0 or more, and below 2 ** 30"),
    *(
        (
            lambda t, name=name: 0 <= (t.get(name) or 0) < 2**62,
            name,
            "must be 0 or more, and below 2 ** 62",
        )
        for name in ("continued_from", "warm_started_from")
    ),
    (
        lambda t: t.get("continued_from") is None or (isinstance(t.get("params"), dict) and "epochs" in t["params"]),
        "params",
        "must name epochs: the trial goes on to more of them",
    ),
    (lambda t: isinstance(t.get("history", []), list), "history", "must be a list"),
    (lambda t: all(isinstance(name, str) for name in t.get("devices", [])), "devices", "must be a list of texts"),
]


def _check_trial(trial: Mapping[str, Any], runs: list[dict[str, Any]], loc: tuple[str | int, ...]) -> None:
    for is_right, field, msg in _RULES:
        if not is_right(trial):
            raise import_error((*loc, field), msg)
    if any(run["seconds"] < 0 for run in runs):
        raise import_error((*loc, "runs"), "must have seconds of 0 or more")
    if len({run["seed"] for run in runs}) != len(runs) or any(not 0 <= run["seed"] < MAX_COUNT for run in runs):
        raise import_error((*loc, "runs"), "must have a seed of their own each, of 0 or more and below 2 ** 30")
    for index, run in enumerate(runs):
        if (run["state"] == RunState.diverged) != (run.get("value") is None):
            raise import_error((*loc, "runs", index, "value"), "must be null if and only if the run diverged")
        if (run["state"] == RunState.diverged) != (run.get("error") is not None):
            raise import_error((*loc, "runs", index, "error"), "must be set if and only if the run diverged")
    _check_mean(trial, [run["value"] for run in runs if run.get("value") is not None], loc)


def check_test_scores(scores: list[Any]) -> None:
    """Raises InvalidError for a look at the test examples that could not be shown."""
    for index, look in enumerate(scores):
        try:
            ScoreOut.model_validate(look)
        except ValidationError as error:
            first_error = error.errors(include_url=False)[0]
            loc = ("sweep", "test_scores", index, *first_error["loc"])
            raise import_error(loc, plain_sentence(first_error)) from None


def check_warm_started(outcome: Mapping[str, Any] | None) -> None:
    """Raises InvalidError for an outcome of a warm start that could not be shown."""
    try:
        WarmStarted.model_validate(outcome or {"trials": 0, "left_out": []})
    except ValidationError as error:
        first_error = error.errors(include_url=False)[0]
        raise import_error(("sweep", "warm_started", *first_error["loc"]), plain_sentence(first_error)) from None


def _check_history(history: list[Any], loc: tuple[str | int, ...]) -> None:
    for index, attempt in enumerate(history):
        try:
            AttemptOut.model_validate(attempt)
        except ValidationError as error:
            first_error = error.errors(include_url=False)[0]
            raise import_error((*loc, "history", index, *first_error["loc"]), plain_sentence(first_error)) from None
        for name in ("started_at", "ended_at"):
            if attempt[name] is not None and not _TIME.fullmatch(str(attempt[name])):
                raise import_error((*loc, "history", index, name), "must be a time like 2026-01-31T12:00:00+00:00")


def _check_circumstances(circumstances: Any, loc: tuple[str | int, ...]) -> None:
    """Raises InvalidError for circumstances of a timing that could not be shown."""
    if circumstances is None:
        return
    try:
        Circumstances.model_validate(circumstances)
    except ValidationError as error:
        first_error = error.errors(include_url=False)[0]
        raise import_error((*loc, "circumstances", *first_error["loc"]), plain_sentence(first_error)) from None


def _check_objectives(trial: Mapping[str, Any], sweep: Mapping[str, Any], loc: tuple[str | int, ...]) -> None:
    """Raises InvalidError where a complete trial lacks a value for one of the sweep's objectives."""
    count, values = len(sweep.get("objectives", [])), trial.get("other_values")
    if values is None and (count == 0 or trial["state"] != TrialState.complete):
        return
    if values is None or len(values) != count or not all(isinstance(value, float) for value in values):
        raise import_error((*loc, "other_values"), f"must hold {count}: one value for each further objective")


def _check_mean(trial: Mapping[str, Any], values: list[float], loc: tuple[str | int, ...]) -> None:
    """Raises InvalidError where a trial's value is not the mean over its runs."""
    if trial["state"] != TrialState.complete or not values:
        return
    mean = math.fsum(values) / len(values)
    if abs(trial["value"] - mean) > MEAN_TOLERANCE * max(abs(mean), 1e-6):
        raise import_error((*loc, "value"), f"is {trial['value']!r}, but the mean over its runs is {mean!r}")


def check_values(params: Mapping[str, Any], loc: tuple[str | int, ...]) -> None:
    """Raises InvalidError for an unknown hyperparameter, or a value that it can never have."""
    for name, value in params.items():
        hyperparameter = EVERY_HYPERPARAMETER.get(name)
        reason = "is no hyperparameter" if hyperparameter is None else problem(hyperparameter.kind, value)
        if reason:
            raise import_error((*loc, "params", name), reason)


def _check_params(
    trial: Mapping[str, Any], sweep: Mapping[str, Any], space: ImportedSpace, loc: tuple[str | int, ...]
) -> None:
    """Raises InvalidError for a value that no trial of the sweep could have, or a waiting model that is too large."""
    params = trial.get("params")
    if params is None:
        return
    if not isinstance(params, dict):
        raise import_error((*loc, "params"), "must be an object")
    check_values(params, loc)
    space.check(params, loc)
    if trial["state"] in LIVE_TRIALS and not TASKS[sweep["task"]].is_timing:
        facts = info_of(sweep["dataset"], sweep["stored_dataset"])
        own_space = Space({name: Constant(value) for name, value in params.items()})
        check_model_fits(own_space, facts.shape, sweep["seeds"])
