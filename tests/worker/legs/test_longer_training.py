"""Longer training on real workers: a trial that goes on comes to what it comes to without a break."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text

from app.db.engine import transaction
from app.db.tables import Diagnostics, Trial
from app.domain.states import TrialState
from tests.support.queue_examples import checkpointed_ids, create_sweep, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.worker.legs.test_legs import curve, done

GRID = {"sampler": "grid", "n_trials": None, "seeds": 2}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"optimizer": ["sgd", "momentum", "rmsprop"], "learning_rate": 0.05},
    "noisy": {"optimizer": ["adam", "adamw", "nesterov"], "learning_rate": 0.01, "batch_norm": True, "dropout": 0.3},
    "stepped": {"lr_schedule": "step", "lr_step_epochs": [2, 5], "warmup_epochs": 1, "learning_rate": 0.3},
    "patient": {"patience": [1, 2, 40], "learning_rate": 0.5, "optimizer": "adam"},
}


def ended(engine: Engine, sweep: int, number: int, seconds: float = 120) -> Trial:
    wait_until(lambda: trials_of(engine, sweep)[number].state == TrialState.complete, seconds)
    return trials_of(engine, sweep)[number]


def continued(client: TestClient, sweep: int, number: int, epochs: int) -> int | None:
    """The number of the trial that goes on; None where patience had ended it."""
    answer = client.post(f"/api/v1/sweeps/{sweep}/trials/{number}/continue", json={"epochs": epochs})
    if answer.status_code == 409:
        assert "patience ended" in answer.json()["detail"]
        return None
    assert answer.status_code == 201, answer.text
    new_number: int = answer.json()["number"]
    return new_number


def assert_same(engine: Engine, trial: Trial, undisturbed: Trial) -> None:
    """Value and learning curves, point by point, to 1e-6."""
    assert trial.value == pytest.approx(undisturbed.value, abs=1e-6)
    own_curve, other_curve = curve(engine, trial), curve(engine, undisturbed)
    assert [point[:2] for point in own_curve] == [point[:2] for point in other_curve]
    assert [point[2:] for point in own_curve] == [pytest.approx(point[2:], abs=1e-6) for point in other_curve]


@pytest.mark.usefixtures("worker")
def test_a_trial_that_goes_on_comes_to_what_it_comes_to_without_a_break(engine: Engine, client: TestClient) -> None:
    """For every optimizer, with batch normalization, dropout, a schedule in steps and patience, by a checkpoint."""
    sweeps = {}
    for kind, space in KINDS.items():
        space = {"hidden_units": 12} | space
        sweeps[kind] = [create_sweep(engine, space=space | {"epochs": epochs}, **GRID) for epochs in (4, 9)]
    longer_count = 0
    for kind, (short, long) in sweeps.items():
        short_trials, long_trials = done(engine, short), done(engine, long)
        client.post(f"/api/v1/sweeps/{short}/pause")  # until all of them are asked for, so that none is superseded
        numbers = {trial.number: continued(client, short, trial.number, 9) for trial in short_trials}
        client.post(f"/api/v1/sweeps/{short}/resume")
        for trial in short_trials:
            number = numbers[trial.number]
            if number is None:
                assert kind == "patient"
                assert long_trials[trial.number].value == pytest.approx(trial.value, abs=1e-6)
                continue
            longer = ended(engine, short, number)
            assert (longer.epochs_trained, longer.first_seed, longer.continued_from) == (4, 0, trial.number)
            assert_same(engine, longer, long_trials[trial.number])
            assert trials_of(engine, short)[trial.number].value == trial.value
            longer_count += 1
    assert longer_count >= 9


def measured(engine: Engine, trial: Trial) -> dict[tuple[int, int], float | None]:
    """The size of its first layer's gradient, by seed and epoch."""
    with transaction(engine) as session:
        rows = session.scalars(select(Diagnostics).where(Diagnostics.trial_id == trial.id))
        return {(row.seed, row.epoch): row.gradient_rms[0] for row in rows}


@pytest.mark.usefixtures("worker")
def test_diagnostics_go_on_too(engine: Engine, client: TestClient) -> None:
    """From before the first step to the last epoch, as they are without a break."""
    space = {"hidden_units": [8], "learning_rate": 0.1}
    short, long = [
        create_sweep(engine, space=space | {"epochs": epochs}, **GRID, diagnostics=True) for epochs in (2, 4)
    ]
    undisturbed = measured(engine, done(engine, long)[0])
    done(engine, short)
    number = continued(client, short, 0, 4)
    longer = measured(engine, ended(engine, short, number or 0))
    assert sorted(longer) == [(seed, epoch) for seed in (0, 1) for epoch in range(5)]
    assert longer == pytest.approx(undisturbed, abs=1e-6)


@pytest.mark.usefixtures("worker")
def test_without_a_checkpoint_it_begins_anew_and_comes_to_the_same(engine: Engine, client: TestClient) -> None:
    """The answer says which of both it is."""
    space = {"hidden_units": [8, 12], "optimizer": "adam", "learning_rate": 0.01}
    short, long = [create_sweep(engine, space=space | {"epochs": epochs}, **GRID) for epochs in (2, 5)]
    undisturbed = done(engine, long)
    done(engine, short)
    with transaction(engine) as session:
        session.execute(text("DELETE FROM checkpoints"))
    answer = client.post(f"/api/v1/sweeps/{short}/continue", json={"top": 2, "epochs": 5}).json()
    assert sorted(answer["trials"]) == [2, 3]
    for number in answer["trials"]:
        longer = ended(engine, short, number)
        assert longer.epochs_trained == 0
        assert_same(engine, longer, undisturbed[longer.continued_from or 0])


@pytest.mark.usefixtures("worker")
def test_final_checkpoints_stay_of_the_best_three(engine: Engine) -> None:
    """However many trials there are; those of a schedule that spans the training are of no use."""
    space = {"hidden_units": 8, "learning_rate": [0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7], "epochs": 2}
    trials = done(engine, create_sweep(engine, space=space, **GRID))
    best = sorted(trials, key=lambda trial: (-(trial.value or 0), trial.number))[:3]
    assert checkpointed_ids(engine) == sorted(trial.id for trial in best)
    done(engine, create_sweep(engine, space=space | {"lr_schedule": "cosine"}, **GRID))
    assert checkpointed_ids(engine) == sorted(trial.id for trial in best)


@pytest.mark.usefixtures("worker")
def test_no_pruner_judges_what_was_asked_for(engine: Engine, client: TestClient) -> None:
    """A trial of halving goes on beyond all rungs, from its checkpoint or from its beginning."""
    space = {"hidden_units": 8, "learning_rate": [0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5], "epochs": 4}
    for name in ("successive_halving", "hyperband"):
        pruner = {"name": name, "min_resource": 1, "reduction_factor": 3}
        sweep = create_sweep(engine, space=space, **GRID, pruner=pruner)
        trial = next(trial for trial in done(engine, sweep) if trial.state == TrialState.complete)
        path = f"/api/v1/sweeps/{sweep}/trials/{trial.number}/continue"
        first, second = (client.post(path, json={"epochs": epochs}).json()["number"] for epochs in (9, 12))
        assert ended(engine, sweep, first).rung_means == []
        assert ended(engine, sweep, second).epochs_done == 2 * 12
        assert sweep_of(engine, sweep).state in {"running", "completed"}
