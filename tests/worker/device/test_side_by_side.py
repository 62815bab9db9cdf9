"""Groups side by side in one graph: its branches fork and join, share nothing, and give the numbers of plain steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from tests.support.training.learning_curves import Curves, numbers
from tests.support.training.mlp_examples import small_split
from tests.support.training.recorded_steps import RecordedSteps
from tests.support.training.stand_in_cuda import DEVICE, Stream, stand_in_cuda
from worker.device.cuda_graph import BRANCHES, WARM_UP, CudaGraphs, Recorder, ReplayedSteps, Step
from worker.device.rounds import rounds
from worker.mlp.training import Training, train

EPOCHS = 5  # three to warm up, one to record what is once an epoch, and one that replays it


def adding(number: torch.Tensor) -> Step:
    def add() -> None:
        number.add_(1)

    return add


def test_branches_fork_from_the_stream_of_the_capture_and_join_it() -> None:
    """Each branch waits for the fork before its first operation, and the stream of the capture for each branch."""
    with stand_in_cuda() as cuda:
        values = [torch.zeros(1) for _ in range(3)]
        steps = ReplayedSteps([adding(value) for value in values], CudaGraphs(DEVICE))
        for _ in range(WARM_UP):
            steps()
        cuda.log.clear()
        steps()
        assert cuda.log == [
            "stream 2 waits for stream 1",
            "stream 3 waits for stream 1",
            "stream 1: add_",
            "stream 2: add_",
            "stream 3: add_",
            "stream 1 waits for stream 2",
            "stream 1 waits for stream 3",
        ]
        steps()
        assert [value.item() for value in values] == [WARM_UP + 2] * 3
        assert (cuda.launches, cuda.races) == (2, [])


@pytest.mark.parametrize(
    ("is_ordered", "raced"),
    [
        (lambda _stream, _other: True, []),
        # as if `wait_stream` were forgotten where branches fork, where they join, and around the warm-up
        (lambda _stream, other: other != "stream 1", ["usual: fill_ and stream 2: add_"]),
        (lambda stream, _other: stream != "stream 1", ["usual: fill_ and stream 1: add_"]),
        (lambda stream, _other: stream != "usual", ["stream 1: add_ and usual: mul_"]),
    ],
)
def test_what_no_stream_waits_for_would_be_seen(
    is_ordered: Callable[[str, str], bool], raced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in tells operations on the same memory that nothing keeps in their order; here there are none."""
    wait_stream = Stream.wait_stream

    def wait(stream: Stream, other: Stream) -> None:
        if is_ordered(stream.name, other.name):
            wait_stream(stream, other)

    monkeypatch.setattr(Stream, "wait_stream", wait)
    with stand_in_cuda() as cuda:
        values = [torch.zeros(1) for _ in range(2)]
        for value in values:
            value.fill_(2)
        CudaGraphs(DEVICE).warm_up([adding(value) for value in values])
        for value in values:
            value.mul_(2)
        assert cuda.races[: len(raced)] == raced
        assert bool(cuda.races) == bool(raced)


def test_more_branches_than_there_are_streams_are_refused() -> None:
    """A step that is not taken would be worse."""
    with stand_in_cuda(), pytest.raises(ValueError, match="longer"):
        CudaGraphs(DEVICE).warm_up([adding(torch.zeros(1)) for _ in range(BRANCHES + 1)])


class InTurn:
    """Takes one step after the other, always."""

    def warm_up(self, steps: Sequence[Step]) -> None:
        for step in steps:
            step()

    def record(self, steps: Sequence[Step]) -> Step:
        return lambda: self.warm_up(steps)


@pytest.mark.parametrize("lengths", [[3], [6, 6], [1, 7, 4], [2, 9, 9, 5]])
def test_rounds_take_every_step_once_and_end_together(lengths: list[int]) -> None:
    """In its order; the last ones, which may be others, are one round, and else one is recorded for each length."""
    taken: list[tuple[int, str]] = []

    def step(sequence: int, name: str) -> Step:
        return lambda: taken.append((sequence, name))

    sequences = []
    for sequence, length in enumerate(lengths):
        whole, last = step(sequence, "whole"), step(sequence, "last")
        sequences.append([whole] * (length - 1) + [last])
    all_rounds = rounds(sequences, InTurn())
    for take in all_rounds[:-1]:
        take()
    expected = sorted((sequence, "whole") for sequence, length in enumerate(lengths) for _ in range(length - 1))
    assert sorted(taken) == expected
    taken.clear()
    all_rounds[-1]()
    assert taken == [(sequence, "last") for sequence in range(len(lengths))]
    assert len(all_rounds) == max(lengths)
    assert len(set(map(id, all_rounds))) == len({length for length in lengths if length > 1}) + 1


def curves(runs: list[Run], recorder: Recorder | None) -> Curves:
    by_run: Curves = {}
    for results in train(runs, small_split(), recorder=recorder):
        for result in results:
            by_run.setdefault(result.key, []).append(result)
    return by_run


def groups_of_two() -> list[Run]:
    """Twelve groups: two seeds, batches of which 3, 5 and 10 are an epoch, two kinds of step; some leave early."""
    plain = MLPConfig((6, 4), 0.05, EPOCHS)
    extras = replace(plain, optimizer="adam", dropout=0.3, batch_norm=True, learning_rate=0.01, lr_schedule="cosine")
    return [
        Run(
            (seed, batch, config.optimizer, activation),
            replace(config, batch_size=batch, activation=activation, epochs=_epochs(seed, batch, activation)),
            seed,
        )
        for seed, batch, config, activation in product((0, 1), (100, 64, 32), (plain, extras), ("relu", "tanh"))
    ]


def _epochs(seed: int, batch: int, activation: str) -> int:
    if (seed, batch) == (1, 100):
        return 3  # whole groups
    return EPOCHS - 1 if (batch, activation) == (64, "tanh") else EPOCHS


def test_groups_side_by_side_give_the_numbers_of_plain_steps() -> None:
    """Bit for bit, though the recorder lets branches take turns with each operation, and the last one begin."""
    runs, recorder = groups_of_two(), RecordedSteps()
    plain, replayed = curves(runs, None), curves(runs, recorder)
    assert [key for key in plain if repr(numbers(plain[key])) != repr(numbers(replayed[key]))] == []
    assert max(recorder.branches) == BRANCHES
    assert recorder.replayed > 0


def test_groups_side_by_side_touch_nothing_that_another_one_writes() -> None:
    """On streams of their own, with the numbers of plain steps; in the end nothing has a use of the pool."""
    runs = groups_of_two()[:12]
    plain = curves(runs, None)
    with stand_in_cuda() as cuda:
        captured = curves(runs, CudaGraphs(DEVICE))
        assert cuda.races == []
        assert cuda.launches > 0
    assert [key for key in plain if repr(numbers(plain[key])) != repr(numbers(captured[key]))] == []
    assert set(cuda.pool_uses.values()) == {0}
    assert len(cuda.graphs) == 0


@pytest.mark.parametrize("seeds", [1, 3, BRANCHES, BRANCHES + 1])
def test_seeds_are_trained_in_the_launches_of_one(seeds: int) -> None:
    """Up to as many as a graph has branches; a launch takes a step of each."""
    runs = [Run(seed, MLPConfig((5,), 0.1, EPOCHS, 32), seed) for seed in range(seeds)]
    recorder = RecordedSteps()
    curves(runs, recorder)
    graphs = -(-seeds // BRANCHES) * 3  # whole batches, the smaller last one, and the validation
    calls = graphs // 3 * EPOCHS * (10 + 1)
    assert (recorder.recorded, recorder.warmed) == (graphs, graphs * WARM_UP)
    assert recorder.warmed + recorder.recorded + recorder.replayed == calls
    assert max(recorder.branches) == min(seeds, BRANCHES)


def test_on_a_cpu_groups_train_one_after_the_other() -> None:
    """What is in the cache is used there before the next group comes."""
    training = Training(groups_of_two(), small_split())
    assert [len(team.groups) for team in training._teams] == [1] * 12


def test_a_graph_that_goes_leaves_the_others_their_workspaces() -> None:
    """cuBLAS has one for each stream, which torch frees with any graph that was captured on it."""
    with stand_in_cuda() as cuda:
        factors, recorder = torch.ones(4, 4), CudaGraphs(DEVICE)

        def product() -> None:
            torch.mm(factors, factors)

        def captured() -> Step:
            step = ReplayedSteps([product, product], recorder)
            for _ in range(WARM_UP + 1):
                step()
            return step

        staying, leaving = captured(), captured()
        assert len(cuda.graphs) == 2
        del leaving
        assert len(cuda.graphs) == 1
        staying()  # which asserts that its workspaces are there
