"""What is captured on a GPU, on the CPU: a step is the same operations on the same memory, whichever step it is."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from app.domain.configuration import OPTIMIZERS, MLPConfig
from app.domain.runs import Run
from tests.support.training.learning_curves import Curves, losses, numbers
from tests.support.training.mlp_examples import BATCH, CLASSES, FEATURES, mixed_runs, recipes, small_split
from tests.support.training.recorded_steps import RecordedSteps
from worker.device.cuda_graph import WARM_UP, Recorder, ReplayedSteps, Step, recorder_for
from worker.device.memory import is_out_of_memory
from worker.mlp.fused.epoch_steps import TrainingStep
from worker.mlp.fused.layout import fusion_order
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.step_kind import StepKind
from worker.mlp.fused.step_table import StepTable
from worker.mlp.initializers import initial_parameters
from worker.mlp.scores import RunningSums
from worker.mlp.training import Training, train


def curves(runs: list[Run], recorder: Recorder | None, dtype: torch.dtype = torch.float64) -> Curves:
    """Every run's learning curve, each step by itself or as it was recorded."""
    by_run: Curves = {}
    for results in train(runs, small_split(), dtype=dtype, recorder=recorder):
        for result in results:
            by_run.setdefault(result.key, []).append(result)
    return by_run


def differing(runs: list[Run], recorder: Recorder, dtype: torch.dtype = torch.float64) -> list[object]:
    """The runs whose numbers are not bit for bit those without the recorder."""
    plain, replayed = curves(runs, None, dtype), curves(runs, recorder, dtype)
    return [key for key in plain if repr(numbers(plain[key])) != repr(numbers(replayed[key]))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_replayed_steps_give_the_numbers_of_plain_ones(dtype: torch.dtype) -> None:
    """Every recipe in one cohort, over four epochs with a smaller last batch: bit for bit."""
    recorder = RecordedSteps()
    assert differing([*recipes(48), *mixed_runs(12)], recorder, dtype) == []
    assert recorder.replayed > 10 * recorder.recorded > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_replayed_steps_heed_what_changes_from_step_to_step(optimizer: str) -> None:
    """Rates, bias corrections, masks, running statistics and batches are those of their step."""
    config = MLPConfig(
        (9, 4),
        0.01,
        8,
        32,
        optimizer=optimizer,
        momentum=0.9,
        weight_decay=0.01,
        dropout=0.3,
        batch_norm=True,
        lr_schedule="cosine",
        warmup_epochs=1.5,
        label_smoothing=0.1,
    )
    recorder = RecordedSteps()
    assert differing([Run(i, replace(config, learning_rate=0.01 * (i + 1)), 3) for i in range(3)], recorder) == []
    # whole batches, the last smaller one, and the validation
    counts = recorder.warmed, recorder.recorded, recorder.replayed
    assert counts == (3 * WARM_UP, 3, 8 * (10 + 1) - 3 * WARM_UP - 3)


def test_a_step_is_recorded_anew_when_runs_leave() -> None:
    """Runs of 2, 4 and 8 epochs: the others go on in other memory, with the numbers that they have anyway."""
    runs = [Run(n, MLPConfig((6,), 0.01, n, 16, optimizer="adam", dropout=0.2), 0) for n in (2, 4, 8)]
    recorder = RecordedSteps()
    assert differing(runs, recorder) == []
    assert recorder.recorded == 5  # whole batches of three groups; of the last one the smaller batch and validation


def test_few_runs_that_leave_cost_no_new_recording() -> None:
    """Their units stay until they are a quarter; the others' numbers are those that they have anyway."""
    config = MLPConfig((6,), 0.01, 12, 100, optimizer="adam", momentum=0.9, batch_norm=True, weight_decay=0.01)
    ends = {"a": 2, "b": 6, "c": 12}
    others = [Run(key, replace(config, learning_rate=0.001 * (i + 1), epochs=12), 0) for i, key in enumerate("defgh")]
    runs = [Run(key, replace(config, epochs=epochs), 0) for key, epochs in ends.items()] + others
    recorder = RecordedSteps()
    replayed, plain = curves(runs, recorder), curves(runs, None)
    assert {key: len(curve) for key, curve in replayed.items()} == {key: len(curve) for key, curve in plain.items()}
    for key, curve in plain.items():
        assert losses(replayed[key]) == pytest.approx(losses(curve), rel=0, abs=1e-9)
    # whole batches and the validation, of the group of eight and, when two of them have left, of that of six
    assert recorder.recorded == 2 * 2


def test_a_run_that_diverged_and_stays_leaves_its_neighbours_alone() -> None:
    """Its NaN are in the network until enough others have left, and nowhere else."""
    config = MLPConfig((6, 5), 0.01, 6, 100, optimizer="adam", batch_norm=True, dropout=0.2)
    runs = [Run(i, replace(config, learning_rate=0.001 * (i + 1)), 0) for i in range(8)]
    wild = Run("wild", replace(config, learning_rate=float("nan")), 0)
    beside_wild = curves([*runs, wild], RecordedSteps())
    assert [result.diverged for result in beside_wild["wild"]] == [True]
    alone = curves(runs, None)
    for run in runs:
        assert losses(beside_wild[run.key]) == pytest.approx(losses(alone[run.key]), rel=0, abs=1e-9)


class Failing:
    """A recorder that can't capture, and says so as torch does."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def warm_up(self, steps: Sequence[Step]) -> None:
        for step in steps:
            step()

    def record(self, _steps: Sequence[Step]) -> Step:
        with EndedCapture():
            raise self._error


class EndedCapture:
    """Ending a capture in which something has failed fails too, with words of its own."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


@pytest.mark.parametrize(
    ("error", "lacks_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: operation not permitted when stream is capturing"), False),
    ],
)
def test_memory_that_ends_inside_a_capture_is_told_from_other_errors(error: Exception, lacks_memory: bool) -> None:
    """A worker goes on with half of the cohort then; the words of the capture's end alone do not say so."""
    with pytest.raises(RuntimeError, match="previous error during capture") as failure:
        curves([Run(0, MLPConfig((4,), 0.01, 2, 32), 0)], Failing(error))
    assert is_out_of_memory(failure.value) == lacks_memory


def test_more_steps_than_are_planned_at_once() -> None:
    """300 steps an epoch are planned in two parts; the second begins where the first ended."""
    runs = [
        Run(i, MLPConfig((5,), 0.001, 2, 1, optimizer=name, lr_schedule="cosine"), 0)
        for i, name in enumerate(["sgd", "adam"])
    ]
    assert differing(runs, RecordedSteps()) == []


class OnTheDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations on tensors of the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        assert {tensor.device.type for tensor in _tensors((args, kwargs, out))} <= {"meta"}, function
        return out


def test_a_step_knows_no_other_device() -> None:
    """Every recipe on a device without numbers, where none can be read: no tensor of the host is in a step, nor in an
    evaluation, also after some runs have left."""
    split, runs = small_split(torch.float32), recipes(48)
    x, y = split.train_x.to("meta"), split.train_y.to("meta")
    runs_by_kind: dict[tuple[int, StepKind], list[Run]] = {}
    for run in sorted(runs, key=lambda run: fusion_order(run.config)):
        runs_by_kind.setdefault((run.seed, StepKind.of(run.config)), []).append(run)
    for fusible_runs in runs_by_kind.values():
        members = [Member(run.config, initial_parameters(run, FEATURES, CLASSES)) for run in fusible_runs]
        model = FusedMLP(members, x)
        for _ in range(2):
            sums = RunningSums.zeros(model.layout.runs, x)
            step = TrainingStep(model, x, y, sums, StepTable(BATCH, y), model.workspace(BATCH))
            model.load_steps(torch.ones(1, model.layout.runs), 0, 1)
            space = model.workspace(len(y), training=False)
            with OnTheDevice():
                step()
                model.evaluate([(space, x, y)], sums)
            model = FusedMLP([model.member(i) for i in range(0, model.layout.runs, 2)], x)


class MadeWithin(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which memory is new."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.memories: list[StorageWeakRef] = []

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        before = {tensor.untyped_storage()._cdata for tensor in _tensors((args, kwargs))}
        new_memories = (tensor.untyped_storage() for tensor in _tensors(out))
        self.memories += [StorageWeakRef(memory) for memory in new_memories if memory._cdata not in before]  # type: ignore[no-untyped-call]
        return out


def _tensors(values: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def test_what_is_made_within_a_step_is_gone_after_it() -> None:
    """Of every recipe, in training and in validation: so all graphs of a training can have the same memory for it."""
    training = Training(recipes(48), small_split(torch.float32))
    gc.disable()
    try:
        for group in training._groups:
            group.begin_epoch(1)(0)
            with MadeWithin() as made:
                group.steps[0]()
                group.validation()
            assert made.memories
            assert all(memory.expired() for memory in made.memories)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "step",
    [lambda x: x.add_(x.sum().item()), lambda x: x.add_(torch.tensor([1.0, 2.0]))],
    ids=["waits for a number", "brings numbers of the host"],
)
def test_the_recorder_refuses_what_a_graph_refuses(step: Callable[[torch.Tensor], Any]) -> None:
    """A step that waits for the device, or brings new numbers from the host, can't be captured."""
    x = torch.ones(2)
    with pytest.raises(AssertionError, match="neither waits for the device nor asks the host"):
        RecordedSteps().record([lambda: step(x)])


def test_the_recorder_keeps_what_the_host_burnt_in() -> None:
    """A number of the host's that changes shows: the proof above would fail on it."""
    total, added = torch.zeros(1), iter(range(100))

    def add() -> None:
        total.add_(next(added))

    step = ReplayedSteps([add], RecordedSteps())
    for _ in range(10):
        step()
    assert total.item() == 0 + 1 + 2 + 7 * 3


def test_a_cpu_captures_nothing() -> None:
    """There every operation is called by itself."""
    assert recorder_for(torch.device("cpu")) is None
