"""Several objectives, and the best again with more seeds, through a real worker."""

from statistics import fmean, stdev

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app import queries
from app.db.engine import transaction
from app.domain.states import SweepState, TrialState
from app.schemas import SweepOut
from tests.support.queue_examples import create_sweep, runs_of, sweep_of, trials_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("worker")


def completed(engine: Engine, sweep: int) -> SweepOut:
    """The sweep once it has, and is scored."""
    wait_until(lambda: sweep_of(engine, sweep).state == SweepState.completed and sweep_of(engine, sweep).scored)
    with transaction(engine) as session:
        return queries.summary(session, sweep)


@pytest.mark.parametrize("sampler", ["random", {"name": "nsgaii", "population_size": 4}, "tpe"])
def test_a_trial_has_a_value_for_each_objective(engine: Engine, client: TestClient, sampler: object) -> None:
    """Accuracy, size and time; the front is of the complete trials, and the chart draws it."""
    objectives = [
        {"metric": "val_accuracy", "direction": "maximize"},
        {"metric": "parameters", "direction": "minimize"},
        {"metric": "val_loss", "direction": "minimize"},
        {"metric": "seconds", "direction": "minimize"},
    ]
    space = {"hidden_units": [4, 8, 16, 32, 64], "learning_rate": {"low": 0.01, "high": 0.5}, "epochs": 3}
    sweep = create_sweep(engine, space=space, objectives=objectives, sampler=sampler, n_trials=10, seeds=2)
    summary = completed(engine, sweep)
    trials = trials_of(engine, sweep)
    for trial in trials:
        assert trial.state == TrialState.complete
        assert trial.other_values is not None
        parameters, loss, seconds = trial.other_values
        units = int((trial.params or {})["hidden_units"])
        assert parameters == 64 * units + units + units * 10 + 10
        runs = [run for run in runs_of(engine, sweep) if run.trial_id == trial.id]
        assert seconds == pytest.approx(fmean(run.seconds for run in runs))
        answer = client.get(f"/api/v1/sweeps/{sweep}/trials/{trial.number}").json()
        assert answer["values"] == [trial.value, parameters, loss, seconds]
        assert loss == pytest.approx(answer["metrics"]["val_loss"])
    assert summary.best is not None
    assert summary.pareto is not None
    assert summary.best.number in summary.pareto
    charts = client.get(f"/api/v1/sweeps/{sweep}/charts").json()["items"]
    assert "pareto" in [chart["name"] for chart in charts]
    figure = client.get(f"/api/v1/sweeps/{sweep}/charts/pareto").json()
    assert len(figure["data"][-1]["text"]) == len(summary.pareto)


def test_the_best_run_again_with_further_seeds(engine: Engine, client: TestClient) -> None:
    """A completed sweep goes on, trains other seeds, knows its best by all runs, and is scored again."""
    space = {"hidden_units": [4, 8, 16], "epochs": 3}
    body = {"space": space, "sampler": "grid", "n_trials": None, "seeds": 2, "repeats": "reuse"}
    sweep = create_sweep(engine, **body, pruner={"name": "one_epoch", "keep": 2})
    before = completed(engine, sweep).best
    assert before is not None
    assert (before.runs, before.test_accuracy is None) == (2, False)
    client.post(f"/api/v1/sweeps/{sweep}/rerun-top", json={"k": 2, "seeds": 4})
    best = completed(engine, sweep).best
    assert best is not None
    assert best.test_accuracy is not None
    trials = trials_of(engine, sweep)
    assert [trial.state for trial in trials[3:]] == [TrialState.complete] * 4  # whatever the pruner would say
    same = {trial.id for trial in trials if trial.configuration == trials[best.number].configuration}
    runs = [run for run in runs_of(engine, sweep) if run.trial_id in same]
    assert sorted(run.seed for run in runs) == [0, 1, 2, 3, 4, 5]
    values = [run.value or 0.0 for run in runs]
    assert len(set(values)) > 1
    assert best.runs == 6
    assert best.value == pytest.approx(fmean(values))
    assert best.std == pytest.approx(stdev(values))
