"""On an NVIDIA GPU: captured steps are plain steps, the CPU's masks, and what happens when its memory ends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.memory import run_bytes
from app.domain.runs import Run
from tests.support.training.learning_curves import Curves, losses, numbers
from tests.support.training.mlp_examples import RATES, recipes, small_split
from worker.device.cuda_graph import CudaGraphs, Step
from worker.device.devices import choose_device
from worker.device.memory import free_memory, is_out_of_memory
from worker.device.products import products
from worker.mlp import dropout
from worker.mlp.split import Split
from worker.mlp.training import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU and a torch built for CUDA")
RUNS = recipes(48)


class Plain:
    """Launches every operation by itself."""

    def warm_up(self, steps: Sequence[Step]) -> None:
        for step in steps:
            step()

    def record(self, steps: Sequence[Step]) -> Step:
        return lambda: self.warm_up(steps)


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


def test_groups_side_by_side_give_the_numbers_of_plain_steps(device: torch.device) -> None:
    """Seeds, batch sizes and kinds of step that are branches of one graph, and runs that leave it: as if one by one."""
    split = split_on(device, torch.float64)
    configs = [
        replace(run.config, batch_size=batch, epochs=epochs, batch_norm=False)
        for run in RUNS[:8]
        for batch, epochs in ((32, 6), (64, 5), (100, 8))
    ]
    runs = [Run((seed, i), config, seed) for seed in (0, 1) for i, config in enumerate(configs)]
    plain, captured = curves(runs, split, Plain()), curves(runs, split)
    for run in runs:
        assert losses(captured[run.key]) == pytest.approx(losses(plain[run.key]), rel=0, abs=1e-9)


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


def test_a_last_batch_of_one_example_is_normalized_as_on_a_cpu(device: torch.device) -> None:
    """By the running statistics, forward and backward."""
    runs = [Run(i, MLPConfig((6, 3), 0.05 * (i + 1), 6, 23, batch_norm=True), 0) for i in range(2)]
    there, here = curves(runs, split_on(device, torch.float64)), curves(runs, small_split(torch.float64))
    for run in runs:
        assert losses(there[run.key]) == pytest.approx(losses(here[run.key]), rel=0, abs=1e-9)


def test_numbers_are_learned_as_on_a_cpu(device: torch.device) -> None:
    """Targets that are numbers, by the squared error."""
    data = small_split(torch.float64)
    split = data._replace(train_y=data.train_x[:, 0] * 2, val_y=data.val_x[:, 0] * 2, classes=0)
    targets = [y.to(device) for y in (split.train_y, split.val_y)]
    moved = Split(split.train_x.to(device), targets[0], split.val_x.to(device), targets[1], 0)
    runs = [Run(i, MLPConfig((9,), 0.01 * (i + 1), 6, 32, optimizer="adam"), 0) for i in range(3)]
    there, here = curves(runs, moved), curves(runs, split)
    for run in runs:
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
    with products("TF32"):
        rounded = factors[0] @ factors[1]
    gap = ((rounded - exact).norm() / exact.norm()).item()
    assert 0 < gap < 1e-3
    assert torch.equal(factors[0] @ factors[1], exact)


def test_a_graph_that_goes_leaves_the_others_as_they_are(device: torch.device) -> None:
    """Also the workspaces in which cuBLAS sums up a product with long rows."""
    factors = torch.rand(64, 2**16, device=device)
    out, other_out = (torch.zeros(64, 64, device=device) for _ in range(2))

    def product(result: torch.Tensor) -> Step:
        def step() -> None:
            torch.mm(factors, factors.T, out=result)

        return step

    recorder = CudaGraphs(device)
    recorder.warm_up([product(out), product(other_out)])
    expected = out.clone()
    staying = recorder.record([product(out), product(other_out)])
    leaving = recorder.record([product(out), product(other_out)])
    del leaving
    torch.cuda.empty_cache()
    noise = [torch.full((2**20,), float("nan"), device=device) for _ in range(64)]  # 256 MiB
    for _ in range(10):
        out.zero_()
        other_out.zero_()
        staying()
    assert torch.equal(out, expected)
    assert torch.equal(other_out, expected)
    assert all(number.isnan().all() for number in noise)


def memory_ends(_number: torch.Tensor) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    "fail",
    [
        memory_ends,
        torch.Tensor.item,  # which no capture can have: it can't be ended
    ],
)
@pytest.mark.parametrize("branch", [0, 1])
def test_a_capture_that_fails_gives_its_memory_back(
    device: torch.device, fail: Callable[[torch.Tensor], object], branch: int
) -> None:
    """All that it had reserved, and the next capture is a whole one."""
    numbers = [torch.zeros(1, device=device) for _ in range(2)]
    fails = False

    def step(index: int) -> Step:
        def take() -> None:
            numbers[index].add_(torch.ones(2**24, device=device).mean())  # 64 MiB
            if fails and index == branch:
                fail(numbers[index])

        return take

    recorder = CudaGraphs(device)
    recorder.warm_up([step(0), step(1)])
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    reserved = torch.cuda.memory_reserved(device)
    fails = True
    try:
        recorder.record([step(0), step(1)])
    except RuntimeError:
        fails = False
    assert not fails
    del recorder
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved(device) <= reserved
    again = CudaGraphs(device).record([step(0), step(1)])
    again()
    assert [number.item() for number in numbers] == [2, 2]


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
