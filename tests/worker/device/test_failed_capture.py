"""A capture that fails gives back what it had, and the cohort trains on in halves."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine

from app.config import Settings
from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from app.domain.states import TrialState
from tests.support.queue_examples import create_sweep, new_worker, trials_of
from tests.support.training.mlp_examples import small_split
from tests.support.training.stand_in_cuda import DEVICE, FAILED_CAPTURE, StandInCuda, stand_in_cuda
from tests.support.worker_contexts import context_on
from worker.device.cuda_graph import CudaGraphs, Step
from worker.device.memory import is_out_of_memory
from worker.loop import Loop
from worker.mlp import training
from worker.mlp.fused.network import FusedMLP
from worker.mlp.training import Training

NO_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.fixture
def cuda() -> Iterator[StandInCuda]:
    """Nothing that is left behind is collected meanwhile."""
    gc.collect()
    gc.disable()
    try:
        with stand_in_cuda() as cuda:
            yield cuda
    finally:
        gc.enable()


def steps_of_which_fails(failing: int) -> list[Step]:
    numbers = torch.zeros(3)

    def step(index: int) -> Step:
        def take() -> None:
            numbers[index].add_(1)
            if index == failing:
                raise torch.OutOfMemoryError(NO_MEMORY)

        return take

    return [step(index) for index in range(3)]


def failure(recorder: CudaGraphs, steps: Sequence[Step]) -> str:
    """What a capture fails with; the error itself is gone, and with it all that its traceback held."""
    try:
        recorder.record(steps)
    except RuntimeError as error:
        return f"{is_out_of_memory(error)}: {error}"
    raise AssertionError("the capture has not failed")


@pytest.mark.parametrize("failing", range(3))
def test_memory_that_ends_in_a_branch_ends_the_capture_alone(cuda: StandInCuda, failing: int) -> None:
    """Every branch joins nevertheless, so that the capture can be ended, and the error is that of the memory."""
    recorder = CudaGraphs(DEVICE)
    assert failure(recorder, steps_of_which_fails(failing)) == f"True: {NO_MEMORY}"
    assert (list(cuda.pool_uses.values()), len(cuda.graphs), cuda.current.name) == ([1], 0, "usual")
    recorder.record([lambda: None])()


@pytest.mark.parametrize("gives_back", [False, True])
@pytest.mark.parametrize("goes_on_allocating", [False, True])
def test_a_capture_that_can_not_be_ended_gives_its_memory_back(
    cuda: StandInCuda, gives_back: bool, goes_on_allocating: bool
) -> None:
    """Once, whatever the version of torch leaves to be done; before it, the use of such a pool never ended."""
    cuda.forbids_end, cuda.gives_back, cuda.goes_on_allocating = True, gives_back, goes_on_allocating
    recorder = CudaGraphs(DEVICE)
    staying = recorder_with_a_graph(cuda, recorder)
    assert failure(recorder, steps_of_which_fails(1)) == f"True: {FAILED_CAPTURE}"
    assert failure(recorder, steps_of_which_fails(-1)) == f"False: {FAILED_CAPTURE}"
    assert (list(cuda.pool_uses.values()), len(cuda.graphs), cuda.current.name) == ([2], 1, "usual")
    del staying
    assert list(cuda.pool_uses.values()) == [1]
    del recorder
    assert list(cuda.pool_uses.values()) == [0]


def recorder_with_a_graph(cuda: StandInCuda, recorder: CudaGraphs) -> Step:
    forbids_end, cuda.forbids_end = cuda.forbids_end, False
    step = recorder.record([lambda: None])
    cuda.forbids_end = forbids_end
    return step


def test_a_cohort_whose_capture_failed_leaves_nothing(cuda: StandInCuda) -> None:
    """No network, no graph and no use of a pool, as soon as its error is gone: half of it would not fit beside it."""
    configs = [MLPConfig((5,), epochs=2, batch_size=batch, optimizer="adam") for batch in (32, 100)]
    models: list[weakref.ref[FusedMLP]] = []

    def train() -> None:
        cohort = Training([Run(i, c, 0) for i, c in enumerate(configs)], small_split(), recorder=CudaGraphs(DEVICE))
        models.extend(weakref.ref(group._model) for group in cohort._groups)
        try:
            for _ in range(2):
                cohort.train_epoch()
        finally:
            cohort.close()

    cuda.forbids_end = True
    words = ""
    try:
        train()
    except RuntimeError as error:
        words = str(error)
    assert words == FAILED_CAPTURE
    assert [model() for model in models] == [None, None]
    assert (list(cuda.pool_uses.values()), len(cuda.graphs)) == ([0], 0)


def test_memory_that_ends_in_a_capture_halves_the_cohort(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: StandInCuda
) -> None:
    """Of eight trials two can be captured: each ends once, and nothing is left of a cohort when its half begins."""
    sizes: list[int] = []
    step = FusedMLP.step

    def new_recorder(_device: torch.device) -> CudaGraphs:
        assert set(cuda.pool_uses.values()) <= {0}
        assert len(cuda.graphs) == 0
        cuda.forbids_end = False
        return CudaGraphs(DEVICE)

    def step_in_little_memory(model: FusedMLP, *arguments: object) -> None:
        step(model, *arguments)  # type: ignore[arg-type]
        if cuda.capturing:
            sizes.append(model.layout.runs)
            if model.layout.runs > 2:
                cuda.forbids_end = True
                raise torch.OutOfMemoryError(NO_MEMORY)

    monkeypatch.setattr(training, "recorder_for", new_recorder)
    monkeypatch.setattr(FusedMLP, "step", step_in_little_memory)
    space = {"hidden_units": list(range(4, 12)), "learning_rate": 0.1, "epochs": 2}
    sweep = create_sweep(engine, space=space, sampler="grid", n_trials=None)
    loop = Loop(context_on(engine, Settings(home=tmp_path, port=0, workers=0, device="cpu"), new_worker(engine)))
    while loop._work():
        pass
    assert [(trial.state, trial.attempt) for trial in trials_of(engine, sweep)] == [(TrialState.complete, 1)] * 8
    assert max(sizes) == 8
