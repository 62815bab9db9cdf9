"""On an NVIDIA GPU: captured steps are plain steps, the CPU's masks, and what happens when its memory ends."""

from collections.abc import Iterator
from math import isfinite

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.memory import run_bytes
from app.domain.runs import Run
from tests.support.learning_curves import Curves, losses, numbers
from tests.support.mlp_examples import RATES, recipes, small_split
from worker.device.cuda_graph import CudaGraphs, Step
from worker.device.devices import choose_device, use_tf32
from worker.device.memory import free_memory, is_out_of_memory
from worker.mlp import dropout
from worker.mlp.split import Split
from worker.mlp.training import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU and a torch built for CUDA")
RUNS = recipes(48)


class Plain:
    """Launches every operation by itself."""

    def warm_up(self, step: Step) -> None:
        step()

    def record(self, step: Step) -> Step:
        return step


@pytest.fixture
def device() -> Iterator[torch.device]:
    yield choose_device("cuda")
    torch.cuda.empty_cache()


def split_on(device: torch.device, dtype: torch.dtype) -> Split:
    train_x, train_y, val_x, val_y, classes, _ = small_split(dtype)
    return Split(train_x.to(device), train_y.to(device), val_x.to(device), val_y.to(device), classes)


def curves(runs: list[Run], split: Split, recorder: Plain | CudaGraphs | None = None) -> Curves:
    by_run: Curves = {}
    for results in train(runs, split, dtype=split.train_x.dtype, recorder=recorder):
        for result in results:
            by_run.setdefault(result.key, []).append(result)
    return by_run


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_captured_steps_give_the_numbers_of_plain_ones(device: torch.device, dtype: torch.dtype) -> None:
    """Every optimizer, activation and extra, over four epochs with a smaller last batch: as if launched one by one.

    cuBLAS may take another algorithm for another workspace, so that the last bits may differ.
    """
    split = split_on(device, dtype)
    plain, captured = curves(RUNS, split, Plain()), curves(RUNS, split)
    bound = 1e-9 if dtype == torch.float64 else 1e-3
    for run in RUNS:
        if dtype == torch.float32 and run.config.batch_norm and run.config.optimizer in RATES:
            continue  # of a gradient of 0 rounding makes a whole step there
        assert losses(captured[run.key]) == pytest.approx(losses(plain[run.key]), rel=0, abs=bound)


def test_the_same_training_twice_gives_identical_numbers(device: torch.device) -> None:
    """Bit for bit, graphs and all."""
    split = split_on(device, torch.float32)
    first, second = curves(RUNS, split), curves(RUNS, split)
    assert {key: repr(numbers(c)) for key, c in first.items()} == {key: repr(numbers(c)) for key, c in second.items()}


def test_runs_that_leave_one_after_the_other_leave_the_others_alone(device: torch.device) -> None:
    """Each time the rest is captured anew, after the last graph of the former cohort is gone."""
    split = split_on(device, torch.float64)
    runs = [Run(epochs, MLPConfig((16,), 0.1, epochs, 32), 0) for epochs in (2, 4, 6, 8)]
    together = curves(runs, split)
    for run in runs:
        assert losses(together[run.key]) == pytest.approx(losses(curves([run], split)[run.key]), rel=0, abs=1e-9)


def test_trains_as_a_cpu_does(device: torch.device) -> None:
    """In double precision the losses are those of a CPU: the masks, batches and weights are the same there."""
    there, here = curves(RUNS, split_on(device, torch.float64)), curves(RUNS, small_split(torch.float64))
    for run in RUNS:
        assert losses(there[run.key]) == pytest.approx(losses(here[run.key]), rel=0, abs=1e-9)


def test_masks_are_those_of_a_cpu(device: torch.device) -> None:
    """Bit for bit."""
    (key,) = dropout.keys(3, 2, [5], 1)[0]
    assert torch.equal(dropout.draw(65, 33, key.to(device)).cpu(), dropout.draw(65, 33, key))


def test_tf32_is_close_and_not_the_same(device: torch.device) -> None:
    """Products differ in the fourth digit, on cards that have it, and are whole again when it is off."""
    if torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip("this card has no TF32")
    factors = torch.rand(2, 512, 512, device=device)
    exact = factors[0] @ factors[1]
    use_tf32(True)
    try:
        rounded = factors[0] @ factors[1]
    finally:
        use_tf32(False)
    gap = ((rounded - exact).norm() / exact.norm()).item()
    assert 0 < gap < 1e-3
    assert torch.equal(factors[0] @ factors[1], exact)


def test_memory_that_ends_is_told_and_given_back(device: torch.device) -> None:
    """Runs that do not fit raise what halves a cohort, and afterwards half of them train: nothing is left behind."""
    config = MLPConfig((2048, 2048), 0.01, 1, 32)
    split = split_on(device, torch.float32)
    free = free_memory(device)
    share = 4 * run_bytes(config, split.train_x.shape[1], split.classes, packed=True)
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(share / total, device)
    try:
        error = _error_of([Run(i, config, 0) for i in range(32)], split)
        assert is_out_of_memory(error)
        del error
        half = curves([Run(i, config, 0) for i in range(2)], split)
        assert all(isfinite(loss) for curve in half.values() for loss in losses(curve))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    assert free_memory(device) > free - share


def _error_of(runs: list[Run], split: Split) -> Exception | None:
    try:
        curves(runs, split)
    except Exception as error:
        return error.with_traceback(None)  # which would hold what it was raised in
    return None
