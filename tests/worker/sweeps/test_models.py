"""Models with a real worker: kept, asked for, trained again, and what they say of themselves."""

import json
import os
import signal
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from safetensors import safe_open
from safetensors.torch import load
from sqlalchemy import Engine, func, text, update

from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Run, Sweep, Trial
from app.domain.configuration import MLPConfig
from app.files.model_file import read_info
from app.lifecycle.best import best_trial_id
from tests.support.queue_examples import ENDLESS, create_sweep, new_worker, runs_of, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_contexts import context_on
from tests.support.worker_processes import environment, worker_process, worker_row
from worker.data.datasets import Dataset
from worker.data.datasets import load as load_dataset
from worker.mlp.evaluation import score
from worker.mlp.weights import from_bytes
from worker.retrain import MAX_FAILURES, retrain_one

CPU = torch.device("cpu")
GRID: dict[str, Any] = {
    "space": {"hidden_units": [4, 16, 64], "learning_rate": 0.3, "epochs": 8},
    "sampler": "grid",
    "n_trials": None,
    "seeds": 2,
}


@pytest.fixture
def digits(tmp_path: Path) -> Dataset:
    return load_dataset("digits", "holdout", home=tmp_path, device=CPU)


def scored(engine: Engine, sweep: int) -> None:
    wait_until(lambda: sweep_of(engine, sweep).scored)


def with_weights(engine: Engine, sweep: int) -> set[int]:
    """Numbers of the trials all of whose runs have weights."""
    rows = text("""
        SELECT t.number FROM trials t JOIN runs r ON r.trial_id = t.id WHERE t.sweep_id = :sweep
        GROUP BY t.number HAVING bool_and(r.weights IS NOT NULL)
    """)
    with transaction(engine) as session:
        return set(session.scalars(rows, {"sweep": sweep}))


def address(sweep: int, number: int) -> str:
    return f"/api/v1/sweeps/{sweep}/trials/{number}/model"


def best_number(engine: Engine, sweep: int) -> int:
    with transaction(engine) as session:
        best = session.scalar(best_trial_id(session.get_one(Sweep, sweep)))
        return session.get_one(Trial, best).number


@pytest.mark.usefixtures("worker")
def test_the_best_model_says_what_it_is_and_gives_the_value(
    engine: Engine, client: TestClient, digits: Dataset, tmp_path: Path
) -> None:
    """Downloaded, its metadata hold the configuration, and its weights the validation accuracy that was recorded."""
    sweep = create_sweep(engine, **GRID, name="Größe")
    scored(engine, sweep)
    number = best_number(engine, sweep)
    assert with_weights(engine, sweep) == {number}
    trial = trials_of(engine, sweep)[number]
    values = [run.value for run in runs_of(engine, sweep) if run.trial_id == trial.id]
    for index, value in enumerate(values):
        answer = client.get(address(sweep, number), params={"run": index})
        assert answer.headers["content-type"] == "application/octet-stream"
        name = f"sweep-{sweep}-trial-{number}-run-{index}.safetensors"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        info = read_info(answer.content)
        assert (info.value, info.recorded_value, info.run, info.sweep_name) == (value, value, index, "Größe")
        assert (info.dataset, info.features, info.classes) == ("digits", 64, [*"0123456789"])
        units = (trial.params or {})["hidden_units"]
        assert info.hidden_layers == [units]
        assert (info.params["learning_rate"], info.params["optimizer"], info.activation) == (0.3, "sgd", "relu")
        config = MLPConfig.from_params(info.params)
        assert score(config, from_bytes(answer.content, CPU), digits.val_x, digits.val_y).accuracy == value
    best = read_info(client.get(address(sweep, number)).content)
    assert best.value == max(value for value in values if value is not None)
    (tmp_path / "one.safetensors").write_bytes(answer.content)
    with safe_open(tmp_path / "one.safetensors", "pt") as file:
        assert json.loads(file.metadata()["params"])["hidden_units"] == units
        assert set(file.keys()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


@pytest.mark.usefixtures("worker")
def test_all_models_are_kept_where_that_is_asked_for(engine: Engine) -> None:
    """`keep_models: all` keeps every complete trial's, also after the test images were scored."""
    sweep = create_sweep(engine, **GRID, keep_models="all")
    scored(engine, sweep)
    assert with_weights(engine, sweep) == {0, 1, 2}


def test_a_model_that_was_not_kept_is_trained_again(engine: Engine, client: TestClient, worker: Path) -> None:
    """Asked for it is made once more, the same to the bit where the trial trained alone, and stays."""
    sweep = create_sweep(engine, **GRID | {"seeds": 1})
    scored(engine, sweep)
    number = ({0, 1, 2} - with_weights(engine, sweep)).pop()
    refused = client.get(address(sweep, number))
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        f"The model of trial {number} of sweep {sweep} was not kept; POST to this address, and it is trained again."
    )
    answer = client.post(address(sweep, number))
    assert (answer.status_code, answer.json()) == (202, {"ready": False, "url": address(sweep, number)})
    wait_until(lambda: number in with_weights(engine, sweep))
    info = read_info(client.get(address(sweep, number)).content)
    assert info.value == pytest.approx(info.recorded_value, abs=1e-6)
    assert "where it was" not in worker.read_text()
    assert client.post(address(sweep, number)).json() == {"ready": True, "url": address(sweep, number)}
    with transaction(engine) as session:
        session.execute(update(Sweep).values(scored=False))
    scored(engine, sweep)
    assert number in with_weights(engine, sweep)


def test_training_again_gives_the_same_weights(engine: Engine, client: TestClient, worker: Path) -> None:
    """A trial's weights, thrown away and made again by another fused network, are the same up to rounding."""
    sweep = create_sweep(engine, **GRID)
    scored(engine, sweep)
    number = best_number(engine, sweep)
    before = [load(client.get(address(sweep, number), params={"run": run}).content) for run in (0, 1)]
    with transaction(engine) as session:
        session.execute(update(Run).values(weights=None))
    assert client.post(address(sweep, number)).status_code == 202
    wait_until(lambda: number in with_weights(engine, sweep))
    after = [load(client.get(address(sweep, number), params={"run": run}).content) for run in (0, 1)]
    for tensors, new_tensors in zip(before, after, strict=True):
        for name, tensor in tensors.items():
            torch.testing.assert_close(new_tensors[name], tensor, rtol=1e-4, atol=1e-5)
    assert "where it was" not in worker.read_text()


@pytest.mark.usefixtures("worker")
def test_a_chosen_trial_without_weights_is_trained_again_and_scored(engine: Engine) -> None:
    """When the best one is another by now, its test accuracy is there all the same."""
    sweep = create_sweep(engine, **GRID)
    scored(engine, sweep)
    first = best_number(engine, sweep)
    with transaction(engine) as session:
        session.execute(update(Trial).where(Trial.number == first).values(excluded=True))
        session.execute(update(Sweep).values(scored=False))
    scored(engine, sweep)
    best = best_number(engine, sweep)
    assert best != first
    trial = trials_of(engine, sweep)[best]
    runs = [run for run in runs_of(engine, sweep) if run.trial_id == trial.id]
    assert all(run.test_accuracy is not None and run.test_accuracy > 0.5 for run in runs)
    assert with_weights(engine, sweep) == {best}
    assert trial.retrain_at is None


def complete_without_training(engine: Engine, **body: Any) -> int:
    """A sweep whose only trial is complete, with a value that its training does not give; number 0."""
    sweep = create_sweep(engine, sampler="grid", n_trials=None, split="book", **body)
    (trial,) = trials_of(engine, sweep)
    with transaction(engine) as session:
        ended = {"state": "complete", "value": 0.5, "finished_at": trial.started_at or func.now()}
        session.execute(update(Trial).where(Trial.id == trial.id).values(**ended))
        session.add(Run(trial_id=trial.id, seed=0, state="complete", value=0.5, seconds=1))
        session.execute(update(Sweep).values(state="completed", finished_at=func.now()))
    return sweep


def refuse_weights(engine: Engine, exception: str) -> None:
    """From now on the database raises this where weights of a run are written."""
    with transaction(engine) as session:
        body = f"BEGIN RAISE EXCEPTION {exception}; END"
        session.execute(text(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        moment = "BEFORE UPDATE OF weights ON runs FOR EACH ROW"
        session.execute(text(f"CREATE TRIGGER refuse {moment} EXECUTE FUNCTION refuse()"))


def test_a_model_that_is_refused_is_not_trained_again_and_again(
    engine: Engine, client: TestClient, settings: Settings, digits: Dataset
) -> None:
    """It is trained once, the sweep's log says what was wrong, and it may be asked for anew."""
    sweep = complete_without_training(engine, space={"hidden_units": 4, "epochs": 1})
    assert client.post(address(sweep, 0)).status_code == 202
    refuse_weights(engine, "'it is too large'")
    context = context_on(engine, settings, new_worker(engine))
    assert retrain_one(context, lambda *_: digits, Counter())
    assert not retrain_one(context, lambda *_: digits, Counter())
    entry = client.get(f"/api/v1/sweeps/{sweep}/log").json()["items"][0]
    assert (entry["event"], entry["trials"]) == ("model", [0])
    assert "it was trained again, and can't be stored: " in entry["text"]
    assert "it is too large" in entry["text"]
    assert client.get(address(sweep, 0)).json()["detail"].startswith(entry["text"])
    assert client.post(address(sweep, 0)).status_code == 202


def test_a_model_that_a_faulty_server_does_not_store_is_trained_again_later(
    engine: Engine, client: TestClient, settings: Settings, digits: Dataset
) -> None:
    """It is not given up: the server may be mended by then."""
    sweep = complete_without_training(engine, space={"hidden_units": 4, "epochs": 1})
    assert client.post(address(sweep, 0)).status_code == 202
    asked_at = waiting_for(engine, sweep)
    refuse_weights(engine, "'no such column' USING ERRCODE = '42703'")
    context = context_on(engine, settings, new_worker(engine))
    assert retrain_one(context, lambda *_: digits, Counter())
    assert waiting_for(engine, sweep) > asked_at + timedelta(seconds=30)
    assert not retrain_one(context, lambda *_: digits, Counter())
    assert "can't be stored" not in client.get(f"/api/v1/sweeps/{sweep}/log").text


def test_a_model_that_is_too_large_for_every_worker_is_given_up(
    engine: Engine, client: TestClient, settings: Settings, digits: Dataset
) -> None:
    """Each tries a few times, the smaller one leaves it to the larger one, and then the log says how large it is."""
    sweep = complete_without_training(engine, space={"hidden_units": 4, "epochs": 1})
    with transaction(engine) as session:
        session.execute(update(Trial).values(params={"hidden_units": 10**12, "epochs": 1}))
    assert client.post(address(sweep, 0)).status_code == 202
    small, large = new_worker(engine, memory=2**30), new_worker(engine, memory=2**60)
    for worker in (small, large):
        context, refusals = context_on(engine, settings, worker), Counter[int]()
        for _ in range(MAX_FAILURES):
            with transaction(engine) as session:
                session.execute(update(Trial).values(retrain_at=func.now()))
            assert retrain_one(context, lambda *_: digits, refusals)
        assert not retrain_one(context, lambda *_: digits, refusals)
    assert trials_of(engine, sweep)[0].retrain_at is None
    entry = client.get(f"/api/v1/sweeps/{sweep}/log").json()["items"][0]
    assert entry["text"].startswith("The model of trial 0 can't be made: There is not enough memory to train hidden")
    assert "MiB are free" in entry["text"]


def test_a_model_that_diverges_wherever_it_is_made_is_given_up(
    engine: Engine, client: TestClient, settings: Settings, digits: Dataset
) -> None:
    """Another worker may try meanwhile; then whoever asks is told why, and it is tried again on request alone."""
    sweep = complete_without_training(engine, space={"hidden_units": 4, "epochs": 1})
    with transaction(engine) as session:
        session.execute(update(Trial).values(params={"hidden_units": 4, "epochs": 1, "learning_rate": 1e38}))
    assert client.post(address(sweep, 0)).status_code == 202
    context, failures = context_on(engine, settings, new_worker(engine)), Counter[int]()
    for _ in range(MAX_FAILURES):
        assert trials_of(engine, sweep)[0].retrain_at is not None
        with transaction(engine) as session:
            session.execute(update(Trial).values(retrain_at=func.now()))
        assert retrain_one(context, lambda *_: digits, failures)
    assert trials_of(engine, sweep)[0].retrain_at is None
    why = "The model of trial 0 can't be made: runs 0 diverge on cpu, where they were complete before"
    assert client.get(f"/api/v1/sweeps/{sweep}/log").json()["items"][0]["text"].startswith(why)
    answer = client.get(address(sweep, 0))
    assert (answer.status_code, answer.json()["detail"].startswith(why)) == (409, True)
    assert client.post(address(sweep, 0)).status_code == 202
    assert "is being trained again" in client.get(address(sweep, 0)).json()["detail"]


def test_two_workers_do_not_train_it_twice_and_a_killed_one_is_replaced(
    engine: Engine, database_url: str, client: TestClient, tmp_path: Path
) -> None:
    """kill -9 in the middle: when its time is over the other worker makes the model; another value is said."""
    sweep = complete_without_training(engine, space=ENDLESS)
    variables = environment(database_url, tmp_path, lease_seconds=4)
    logs = [tmp_path / "first", tmp_path / "second"]
    with worker_process(variables, logs[0]) as first, worker_process(variables, logs[1]) as second:
        wait_until(lambda: all(worker_row(engine, process.pid) for process in (first, second)))
        assert client.post(address(sweep, 0)).status_code == 202
        asked_at = waiting_for(engine, sweep)
        wait_until(lambda: waiting_for(engine, sweep) > asked_at)
        begun_until = waiting_for(engine, sweep)
        wait_until(lambda: waiting_for(engine, sweep) > begun_until)  # and put off again
        assert client.get(address(sweep, 0)).json()["detail"] == (
            f"Trial 0 of sweep {sweep} is being trained again for its model; ask again in a while."
        )
        begun = ["again for its weights" in log.read_text() for log in logs]
        assert sorted(begun) == [False, True]
        os.kill((first, second)[begun.index(True)].pid, signal.SIGKILL)
        with transaction(engine) as session:  # so that the other one comes to an end
            session.execute(update(Trial).values(params=ENDLESS | {"epochs": 2}))
        wait_until(lambda: with_weights(engine, sweep) == {0})
        second_log = logs[begun.index(False)].read_text()
    info = read_info(client.get(address(sweep, 0)).content)
    assert info.recorded_value == 0.5
    assert f"trial 0, run 0: {info.value:.9g} where it was 0.5" in second_log


def waiting_for(engine: Engine, sweep: int) -> datetime:
    """When a worker may begin with the only trial."""
    (trial,) = trials_of(engine, sweep)
    assert trial.retrain_at is not None
    return trial.retrain_at
