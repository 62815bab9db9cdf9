"""A sweep as runs of MLflow, before any of it is sent; `make test-mlflow` sends it to a real one."""

import sys

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.errors import StartError
from perceptune import Sweep
from perceptune.exports.trial_runs import Point, SweepRuns, runs_of


def runs(sweep: Sweep) -> SweepRuns:
    """As they are at the moment."""
    return sweep._client.run(runs_of(sweep.id))


def test_each_trained_trial_is_a_run(trained: Sweep) -> None:
    """With its parameters, and each run's curve and their mean, an epoch a step; the best one has its network."""
    for run in runs(trained).runs:
        trial = trained.trial(run.number)
        assert trial.params is not None
        assert trial.value is not None
        assert (run.state, run.configuration) == ("complete", trial.params)
        assert Point("value", trial.value, 8) in run.points
        curves = trained.curves(run.number)
        first_curve = [(point.epoch, point.val_accuracy) for point in curves if point.run == 0]
        assert [(point.step, point.value) for point in run.points if point.name == "run_0/val_accuracy"] == first_curve
        losses = [(point.epoch, point.val_loss or 0) for point in curves]
        means = [sum(loss for at, loss in losses if at == epoch) / 2 for epoch in range(1, 9)]
        assert [point.value for point in run.points if point.name == "val_loss"] == pytest.approx(means, rel=1e-14)
        assert not [point for point in run.points if point.name.endswith("r2")]
        is_best = run.number == trained.best.number
        assert (run.model, "perceptune.best" in run.tags) == (trained.model().content if is_best else None, is_best)


def test_the_hash_of_a_run_changes_with_what_is_in_it(trained: Sweep) -> None:
    """And with nothing else, so that an export again writes what is new alone."""
    first_hashes = [run.content_hash() for run in runs(trained).runs]
    assert [run.content_hash() for run in runs(trained).runs] == first_hashes
    write_note(trained, 1, "odd")
    try:
        assert [run.content_hash() == known for run, known in zip(runs(trained).runs, first_hashes, strict=True)] == [
            True,
            False,
        ]
    finally:
        write_note(trained, 1, "")
    assert [run.content_hash() for run in runs(trained).runs] == first_hashes


def write_note(sweep: Sweep, trial: int, note: str) -> None:
    """As the dashboard does."""
    response = sweep._client._transport._http.patch(f"/sweeps/{sweep.id}/trials/{trial}", json={"note": note})
    assert response.status_code == 200


@pytest.mark.parametrize(("package", "name"), [("mlflow", "MLflow"), ("wandb", "W&B")])
def test_a_missing_client_is_told(trained: Sweep, package: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install 'perceptune\\[{package}\\]'"):
        getattr(trained, f"to_{package}")("http://127.0.0.1:9")
    arguments = [f"export-{package}", str(trained.id), "http://127.0.0.1:9", "--url", trained._client.url]
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, StartError)
    assert error.detail == f"An export to {name} needs its client: pip install 'perceptune[{package}]'."
