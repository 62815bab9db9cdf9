"""Steps recorded on a CPU as a CUDA graph records them: operations on tensors, and nothing else of the program."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from worker.device.cuda_graph import Step

aten = torch.ops.aten
FROM_THE_HOST = {aten._local_scalar_dense.default, aten.lift_fresh.default}  # Tensor.item(), torch.tensor(numbers)


class Operation(NamedTuple):
    """One operation on tensors, with all else that went into it burnt in."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Everything that torch does within it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        assert function not in FROM_THE_HOST, "a step that is captured neither waits for the device nor asks the host"
        out = function(*args, **(kwargs or {}))
        self.operations.append(Operation(function, args, kwargs or {}, out))
        return out

    def again(self) -> Iterator[None]:
        """Does the same operations on the same memory, one at a time; what was allocated within is allocated anew."""
        new_tensors: dict[int, Tensor] = {}

        def current(value: Any) -> Any:
            return new_tensors.get(id(value), value)

        for function, args, kwargs, before in self.operations:
            out = function(*pytree.tree_map(current, args), **pytree.tree_map(current, kwargs))
            for old, new in zip(pytree.tree_leaves(before), pytree.tree_leaves(out), strict=True):
                new_tensors[id(old)] = new
            yield


class RecordedSteps:
    """Runs Python for the first steps alone; what it made of the last of them is done again for all others.

    A number of the host's that changes from step to step would stay that of the step that was recorded. Of several
    steps the last is taken first, and their replays take turns, operation by operation, as branches may.
    """

    def __init__(self) -> None:
        self.warmed = self.recorded = self.replayed = 0
        self.branches: list[int] = []  # of each recording

    def warm_up(self, steps: Sequence[Step]) -> None:
        self.warmed += 1
        for step in reversed(steps):
            step()

    def record(self, steps: Sequence[Step]) -> Step:
        """Unlike a capture this takes the steps, so that the first replay has nothing left to do."""
        self.recorded += 1
        self.branches.append(len(steps))
        recordings = [recording_of(step) for step in reversed(steps)]
        first_replay = True

        def replay() -> None:
            nonlocal first_replay
            if first_replay:
                first_replay = False
            else:
                self.replayed += 1
                for _ in zip_longest(*(recording.again() for recording in recordings)):
                    pass

        return replay


def recording_of(step: Step) -> Recording:
    """Takes the step and records it."""
    recording = Recording()
    with recording:
        step()
    return recording
