"""A run that was interrupted between two epochs goes on as if it had not been, wherever and beside whatever."""

from dataclasses import replace

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from tests.support.training.mlp_examples import recipes, small_split
from tests.support.training.recorded_steps import RecordedSteps
from worker.legs import checkpoint
from worker.legs.checkpoint import RunCheckpoint
from worker.mlp.run_state import RunState
from worker.mlp.training import Training

RUNS = [replace(run, config=replace(run.config, patience=i % 3)) for i, run in enumerate(recipes(96))]
SPLIT = small_split()
Curve = list[tuple[float, float, bool]]


def curves(training: Training, epochs: int) -> dict[object, Curve]:
    """Losses of so many further epochs, and whether patience ended, by key; a run that ends leaves."""
    values: dict[object, Curve] = {run.key: [] for run in training.runs}
    last_epochs = {run.key: run.config.epochs for run in training.runs}
    for _ in range(epochs):
        results = training.train_epoch() if training.runs else []
        for result in results:
            values[result.key].append((result.train_loss, result.val_loss, result.stopped))
        training.leave({r.key for r in results if r.diverged or r.stopped or r.epoch == last_epochs[r.key]})
    return values


def through_bytes(key: object, state: RunState) -> RunState:
    """The state after it was stored and read again."""
    result = EpochResult(key, 1, 0.0, 0.0, 0.0, 0.0, 0.0, diverged=False)
    (stored,) = checkpoint.from_bytes(checkpoint.to_bytes([RunCheckpoint(0, result, 0.5, state)]), trial_id=1)
    assert stored.state is not None
    return stored.state


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("epochs_before", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(epochs_before: int, dtype: torch.dtype) -> None:
    """Every optimizer, schedule and kind of layer, taken up in cohorts of half the runs: to the last epoch the same."""
    whole = curves(Training(RUNS, SPLIT, dtype=dtype), 10)
    first_leg = Training(RUNS, SPLIT, dtype=dtype)
    curves(first_leg, epochs_before)
    live_runs = first_leg.runs
    states = {key: through_bytes(key, state) for key, state in first_leg.states_of({r.key for r in live_runs}).items()}
    assert len(live_runs) > len(RUNS) / 2
    assert states.keys() == {run.key for run in live_runs}
    tolerance = 1e-9 if dtype == torch.float64 else 1e-6
    for cohort in (live_runs[::2], live_runs[1::2]):
        resumed = Training(cohort, SPLIT, epochs_trained=epochs_before, states=states, dtype=dtype)
        for key, curve in curves(resumed, 10).items():
            expected = whole[key][epochs_before:]
            assert len(curve) == len(expected)
            for point, expected_point in zip(curve, expected, strict=True):
                assert point == pytest.approx(expected_point, rel=tolerance, abs=tolerance, nan_ok=True)


def test_states_are_right_beside_runs_that_have_left() -> None:
    """With captured steps the rows of a run that left stay for a while: the others' states are still their own."""
    config = MLPConfig((7, 5), 0.01, 4, 32, optimizer="adam", batch_norm=True)
    runs = [Run(i, replace(config, learning_rate=0.01 * (i + 1)), 1) for i in range(8)]
    whole = curves(Training(runs, SPLIT, dtype=torch.float64), 4)
    training = Training(runs, SPLIT, dtype=torch.float64, recorder=RecordedSteps())
    training.train_epoch()
    training.leave({0})
    states = training.states_of({3, 7})
    resumed = Training([runs[3], runs[7]], SPLIT, epochs_trained=1, states=states, dtype=torch.float64)
    for key, curve in curves(resumed, 3).items():
        for point, expected_point in zip(curve, whole[key][1:], strict=True):
            assert point == pytest.approx(expected_point, rel=1e-9, abs=1e-9)


def test_states_are_copies() -> None:
    """Training on does not change a state that was taken before."""
    training = Training(RUNS[:4], SPLIT, dtype=torch.float64)
    training.train_epoch()
    states = training.states_of({RUNS[0].key})
    before = [layer.weight.clone() for layer in states[RUNS[0].key].parameters]
    training.train_epoch()
    after = [layer.weight for layer in states[RUNS[0].key].parameters]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
