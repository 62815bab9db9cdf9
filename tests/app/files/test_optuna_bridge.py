"""Sweeps as studies of Optuna's own storages, and back; studies that others made as sweeps."""

import json
import math
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from fastapi.testclient import TestClient
from optuna.trial import TrialState
from sqlalchemy import Engine

from app import queries
from app.db.engine import transaction
from app.errors import ConflictError, InvalidError, NotFoundError
from app.files import optuna_export, optuna_import
from tests.support.queue_examples import create_sweep, sweep_of, trials_of
from tests.support.sweeps.export_examples import document, queued_again, rich_sweep
from tests.support.up_process import say_forked


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A storage of the test's own."""
    return f"sqlite:///{tmp_path}/study.db"


def restore(engine: Engine, url: str, name: str | None = None, dataset: str = "digits") -> int:
    with transaction(engine) as session:
        return optuna_import.restore(session, url, name, dataset=dataset).id


def test_user_attributes_say_what_a_study_has_no_place_for() -> None:
    """Trial 0 has its number as all others do; what is not so, or not there, is left out."""
    nothing: dict[str, Any] = {"std": None, "error": None, "reason": None, "excluded": False, "note": "", "devices": []}
    assert optuna_export._user_attributes({"number": 0, "state": "complete", **nothing}) == {
        "number": 0,
        "state": "complete",
    }
    noted = optuna_export._user_attributes(
        {"number": 7, "state": "complete", **nothing, "note": "look again", "std": 0.0}
    )
    assert noted == {"number": 7, "state": "complete", "note": "look again", "std": 0.0}


def test_a_study_holds_what_the_sweep_holds(engine: Engine, client: TestClient, url: str) -> None:
    """Values, states, parameters, times, and the mean over the seeds at each epoch."""
    sweep_id = rich_sweep(engine)
    name = optuna_export.export(engine, sweep_id, url)
    study = optuna.load_study(study_name=name, storage=url)
    trials = document(client, sweep_id)["trials"]
    states = {"waiting": "WAITING", "running": "RUNNING", "complete": "COMPLETE", "pruned": "PRUNED"}
    assert [trial.state.name for trial in study.trials] == [states.get(trial["state"], "FAIL") for trial in trials]
    best = next(trial for trial in trials if trial["state"] == "complete")
    frozen = study.trials[best["number"]]
    assert study.metric_names == ["val_accuracy", "parameters", "seconds"]
    assert frozen.values == [best["value"], *best["other_values"]]
    layers = json.loads(frozen.params["hidden_layers"])
    assert frozen.params | {"hidden_layers": layers} == {
        name: value for name, value in best["params"].items() if name not in {"activation", "epochs"}
    }
    assert frozen.intermediate_values == {1: pytest.approx(1 / 7), 2: pytest.approx(1 / 7)}
    told = {"number": best["number"], "state": "complete", "std": 5e-324, "excluded": True}
    assert frozen.user_attrs == told | {"devices": best["devices"]}
    assert frozen.datetime_complete is not None
    assert frozen.datetime_complete.astimezone().timestamp() == pytest.approx(
        finished_at(engine, sweep_id, best["number"]), abs=1e-3
    )


def finished_at(engine: Engine, sweep_id: int, number: int) -> float:
    finished = trials_of(engine, sweep_id)[number].finished_at
    assert finished is not None
    return finished.timestamp()


def test_a_sweep_comes_back_whole_from_a_study(engine: Engine, client: TestClient, url: str) -> None:
    """Also what Optuna has no place for: runs, seeds, lost attempts, states of ours."""
    sweep_id = rich_sweep(engine)
    before = document(client, sweep_id)
    optuna_export.export(engine, sweep_id, url)
    copy = restore(engine, url)
    assert json.dumps(document(client, copy)) == json.dumps(queued_again(before))


def objective(trial: optuna.Trial) -> float:
    """As somebody else would write it."""
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    units = trial.suggest_int("hidden_units", 8, 64, step=8)
    trial.suggest_categorical("activation", ["relu", "tanh"])
    for epoch in range(3):
        trial.report(rate * epoch, epoch)
        if trial.number == 2 and epoch == 1:
            raise optuna.TrialPruned
    if trial.number == 3:
        raise ArithmeticError
    return rate + units


def test_a_study_of_somebody_else_becomes_a_sweep(engine: Engine, client: TestClient, url: str) -> None:
    """Distributions are the space, trials the trials, and what was reported at steps 0, 1, 2 the epochs 1, 2, 3."""
    study = optuna.create_study(study_name="theirs", storage=url, direction="minimize")
    study.optimize(objective, n_trials=5, catch=ArithmeticError)
    study.enqueue_trial({"learning_rate": 0.5, "hidden_units": 16, "activation": "relu"})
    sweep_id = restore(engine, url, "theirs")
    whole = document(client, sweep_id)
    assert whole["sweep"]["space"] == {
        "learning_rate": {"low": 1e-4, "high": 1.0, "log": True},
        "hidden_units": {"low": 8, "high": 64, "step": 8},
        "activation": ["relu", "tanh"],
        "epochs": 3,
    }
    facts = {name: whole["sweep"][name] for name in ("name", "dataset", "state", "metric", "direction")}
    assert facts == {
        "name": "theirs", "dataset": "digits", "state": "paused", "metric": "val_loss", "direction": "minimize",
    }  # fmt: skip
    assert [trial["state"] for trial in whole["trials"]] == [
        "complete", "complete", "pruned", "failed", "complete", "waiting",
    ]  # fmt: skip
    for ours, frozen in zip(whole["trials"], study.trials, strict=True):
        assert ours["value"] == (frozen.value if frozen.state == TrialState.COMPLETE else ours["value"])
        if frozen.params:
            assert ours["params"] == frozen.params | {"epochs": 3}
        reported = {step + 1: value for step, value in frozen.intermediate_values.items()}
        assert dict(zip(ours["epochs"]["epoch"], ours["epochs"]["val_loss"], strict=True)) == reported
    with transaction(engine) as session:
        best = queries.summary(session, sweep_id).best
    assert best is not None
    assert best.number == study.best_trial.number


def test_a_study_on_numbers_goes_by_r2(engine: Engine, client: TestClient, url: str) -> None:
    """Where it maximizes, what was reported are the R² of the epochs; there is no accuracy."""

    def objective(trial: optuna.Trial) -> float:
        trial.report(0.4, 1)
        return trial.suggest_float("learning_rate", 0.01, 0.1)

    study = optuna.create_study(study_name="theirs", storage=url, direction="maximize")
    study.optimize(objective, n_trials=1)
    whole = document(client, restore(engine, url, "theirs", "diabetes"))
    assert (whole["sweep"]["metric"], whole["sweep"]["direction"]) == ("val_r2", "maximize")
    (trial,) = whole["trials"]
    assert (trial["epochs"]["val_r2"], trial["epochs"]["val_accuracy"]) == ([0.4], [None])


def test_whole_numbers_stay_whole_where_reals_could_be(engine: Engine, url: str) -> None:
    """A distribution of integers becomes a range in steps of 1, also on a log scale."""
    study = optuna.create_study(study_name="theirs", storage=url)
    study.optimize(
        lambda trial: trial.suggest_int("warmup_epochs", 0, 4) + trial.suggest_int("init_gain", 1, 100, log=True),
        n_trials=1,
    )
    space = sweep_of(engine, restore(engine, url, "theirs")).space
    assert space["warmup_epochs"] == {"low": 0, "high": 4, "step": 1}
    assert space["init_gain"] == {"low": 1, "high": 100, "step": 1, "log": True}


def test_hyperparameters_that_are_not_ours_are_listed(engine: Engine, url: str) -> None:
    """All of them in one sentence; nothing is stored."""
    study = optuna.create_study(storage=url)
    study.optimize(lambda trial: trial.suggest_float("lr", 0, 1) + trial.suggest_int("n_layers", 1, 3), n_trials=1)
    with pytest.raises(InvalidError, match=r"Perceptune has no hyperparameters lr, n_layers; it has hidden_units, "):
        restore(engine, url)
    with transaction(engine) as session:
        assert queries.list_sweeps(session).items == []


@pytest.mark.parametrize("choice", ["[4]", "[[", "x", None])
def test_values_that_are_not_ours_are_refused(engine: Engine, url: str, choice: Any) -> None:
    """With the trial that has them; nothing is stored."""
    study = optuna.create_study(storage=url)
    choices = [8, choice]
    study.enqueue_trial({"hidden_units": choice})
    study.optimize(lambda trial: float(trial.suggest_categorical("hidden_units", choices) == 8), n_trials=1)
    with pytest.raises(InvalidError) as raised:
        restore(engine, url)
    assert raised.value.errors[0].loc == ("trials", 0, "params", "hidden_units")


def test_a_storage_that_can_not_be_used_is_a_sentence(engine: Engine, url: str, tmp_path: Path) -> None:
    """No address, no file, no database, no such study, a study of that name already."""
    sweep_id = create_sweep(engine)
    with pytest.raises(InvalidError, match="'nonsense' is no address of a storage: write"):
        optuna_export.export(engine, sweep_id, "nonsense")
    with pytest.raises(InvalidError, match="The storage can't be used: "):
        optuna_export.export(engine, sweep_id, f"sqlite:///{tmp_path}/no/such/folder/study.db")
    with pytest.raises(NotFoundError, match="There is no file "):
        restore(engine, url)
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be looked at " * 20)
    with pytest.raises(InvalidError, match="The storage can't be used: "):
        restore(engine, f"sqlite:///{tmp_path}/text.db")
    name = optuna_export.export(engine, sweep_id, url)
    with pytest.raises(ConflictError, match="The storage has a study 'sweep 1: example' already"):
        optuna_export.export(engine, sweep_id, url)
    with pytest.raises(NotFoundError, match=f"There is no study 'other': the storage has '{name}'"):
        restore(engine, url, "other")
    optuna.create_study(study_name="second", storage=url)
    with pytest.raises(NotFoundError, match="Say which study: the storage has 'sweep 1: example', 'second'"):
        restore(engine, url)


ODD = {
    "no distribution": "UPDATE trial_params SET distribution_json = '{'",
    "another distribution": """UPDATE trial_params SET distribution_json = '{"name": "X", "attributes": {}}'""",
    "a choice that is none": "UPDATE trial_params SET param_value = 99 WHERE param_name = 'activation'",
    "a number beyond its range": "UPDATE trial_params SET param_value = 1e300 WHERE param_name = 'learning_rate'",
    "a scale in one trial": """
        UPDATE trial_params SET distribution_json = replace(replace(distribution_json, 'true', 'false'), '0.0001', '-1')
        WHERE param_name = 'learning_rate' AND param_id = (SELECT max(param_id) FROM trial_params)
    """,
    "epochs before all": "UPDATE trial_intermediate_values SET step = -1000000000000 - step",
    "epochs beyond all": "UPDATE trial_intermediate_values SET step = 4611686018427387904 + step",
    "the first of years": "UPDATE trials SET datetime_start = '0001-01-01 00:00:00.000000'",
    "no time": "UPDATE trials SET datetime_start = 'soon'",
    "another state": "UPDATE trials SET state = 'LOST'",
    "numbers twice": "UPDATE trials SET number = 0",
    "a number beyond all": "UPDATE trials SET number = number + 4611686018427387904",
    "other names": "UPDATE trial_params SET param_name = param_id",
    "a name of a null character": "UPDATE studies SET study_name = 'a' || char(0)",
    "a record that is none": "INSERT INTO study_system_attributes VALUES (1, 1, 'perceptune', '{}')",
    "a trial's record that is none": """
        INSERT INTO trial_system_attributes SELECT trial_id, trial_id, 'perceptune', '"x"' FROM trials
    """,
    "a trial's record without runs": """
        INSERT INTO trial_system_attributes SELECT trial_id, trial_id, 'perceptune', '{"runs": 7}' FROM trials
    """,
    "no direction": "DELETE FROM study_directions",
    "no table": "DROP TABLE trial_params",
}


@pytest.mark.parametrize("case", ODD)
def test_a_study_that_somebody_changed_becomes_a_sweep_or_a_sentence(
    engine: Engine, client: TestClient, url: str, tmp_path: Path, case: str
) -> None:
    """Whatever its tables say; of half a sweep there is nothing."""
    study = optuna.create_study(study_name="theirs", storage=url, direction="minimize")
    study.optimize(objective, n_trials=3, catch=ArithmeticError)
    with sqlite3.connect(tmp_path / "study.db") as storage:
        storage.execute(ODD[case])
    storage.close()
    with suppress(InvalidError, NotFoundError):
        assert document(client, restore(engine, url))["counts"]["trials"] <= 3
    assert client.get("/api/v1/sweeps").status_code == 200


def test_figures_that_are_not_finite_come_back(engine: Engine, url: str) -> None:
    """A loss that grew beyond all bounds is a pruned trial's last word."""
    study = optuna.create_study(storage=url)

    def diverges(trial: optuna.Trial) -> float:
        trial.suggest_float("learning_rate", 0.1, 1.0)
        trial.report(math.inf, 1)
        raise optuna.TrialPruned

    study.optimize(diverges, n_trials=1)
    sweep_id = restore(engine, url)
    with transaction(engine) as session:
        assert queries.list_trials(session, sweep_id).items[0].state == "pruned"


def test_the_command_line_does_both(engine: Engine, database_url: str, url: str) -> None:
    """`optuna-export` and `optuna-import` say what they made; an error is a sentence and exit code 1."""
    sweep_id = create_sweep(engine)
    variables: dict[str, Any] = {"DATABASE_URL": database_url}
    exported = say_forked("optuna-export", str(sweep_id), url, **variables)
    assert (exported.returncode, exported.stdout) == (0, "The study is 'sweep 1: example'.\n"), exported.stderr
    imported = say_forked("optuna-import", url, **variables)
    assert (imported.returncode, imported.stdout) == (0, "Sweep 2 is 'example', paused.\n"), imported.stderr
    unknown = say_forked("optuna-export", "9", url, **variables)
    assert (unknown.returncode, unknown.stderr.splitlines()[-1]) == (1, "perceptune: There is no sweep 9.")
