"""Steps as one CUDA graph: a single launch in place of dozens that cost more than what they compute."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Protocol, cast

import torch

Step = Callable[[], None]
WARM_UP = 3  # calls before the capture, in which the libraries make what they need
# Steps side by side in one graph, at most: as many as a GPU has queues for work, unless CUDA_DEVICE_MAX_CONNECTIONS
# says otherwise. Each has a stream, and cuBLAS a workspace for it.
BRANCHES = 8


class Recorder(Protocol):
    """Turns steps into their replay: one or several, none of which touches what another one writes."""

    def warm_up(self, steps: Sequence[Step]) -> None:
        """Calls each step as it is, in the surroundings in which it is recorded later."""
        ...

    def record(self, steps: Sequence[Step]) -> Step:
        """What does the operations of all steps again, on the same memory; recording alone does not do them."""
        ...


class ReplayedSteps:
    """Steps that are called as they are for the first times, then recorded as one, and replayed from there on.

    Every call takes each step once.
    """

    def __init__(self, steps: Sequence[Step], recorder: Recorder) -> None:
        self._steps, self._recorder = steps, recorder
        self._warm_up_calls = 0
        self._replay: Step | None = None

    def __call__(self) -> None:
        if self._warm_up_calls < WARM_UP:
            self._warm_up_calls += 1
            self._recorder.warm_up(self._steps)
            return
        if self._replay is None:
            self._replay = self._recorder.record(self._steps)
        self._replay()


class CudaGraphs:
    """Records on a CUDA device, after torch's "CUDA semantics", section "CUDA Graphs".

    Several steps are branches of one graph. Where steps of their own share nothing that one of them writes, neither do
    their branches:

    - What is made within a capture comes from one pool, in which a block belongs to the stream on which it was made
      and is given to no other: a branch takes its own blocks again and nobody else's, and `record_stream` has no use.
    - All graphs of a recorder have that pool. They are replayed one after the other, on one stream, and nothing that
      is made within a capture outlives it: it is scratch paper of them all. The pool is the recorder's, and stays when
      its last graph goes before the next one comes, as happens when runs leave a cohort.
    - All else was made before on the usual stream, which waits for all others before it goes on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._streams = _side_streams(device)
        with torch.cuda.device(device):
            self._pool = torch.cuda.MemPool()

    def warm_up(self, steps: Sequence[Step]) -> None:
        with torch.cuda.device(self._device):
            usual_stream = torch.cuda.current_stream()
            # Streams know nothing of each other: without waiting, the steps would read what is not yet written, and
            # what comes after them would read their memory too early.
            self._streams[0].wait_stream(usual_stream)
            with torch.cuda.stream(self._streams[0]):
                self._take_side_by_side(steps)
            usual_stream.wait_stream(self._streams[0])

    def record(self, steps: Sequence[Step]) -> Step:
        graph, uses = torch.cuda.CUDAGraph(), self._pool.use_count()
        trunk = self._streams[0]
        side = torch.cuda.stream(trunk)  # goes back to the usual stream also where ending the capture fails
        # other threads of a worker may do as they like meanwhile
        pool = cast(Any, self._pool.id)  # of a type that torch keeps to itself
        capture = torch.cuda.graph(graph, pool=pool, stream=trunk, capture_error_mode="thread_local")
        with torch.cuda.device(self._device):
            try:
                with _workspaces_of_the_pool(), side, capture:
                    self._take_side_by_side(steps)
            except BaseException:
                self._give_back(graph, uses)
                raise
        return graph.replay

    def _take_side_by_side(self, steps: Sequence[Step]) -> None:
        """Takes the first step on the current stream, each other one on a stream that forks from it and joins it."""
        trunk, branches = torch.cuda.current_stream(), self._streams[1 : len(steps)]
        for branch in branches:  # all of them before the first step, for which they would wait otherwise
            branch.wait_stream(trunk)
        try:
            steps[0]()
            for branch, step in zip(branches, steps[1:], strict=True):
                with torch.cuda.stream(branch):
                    step()
        finally:  # also where a step has failed: a capture can't be ended with a branch that has not joined
            for branch in branches:
                trunk.wait_stream(branch)

    def _give_back(self, graph: torch.cuda.CUDAGraph, uses: int) -> None:
        """Gives back what a capture that failed has of the pool, which `uses` were of before it.

        torch does so for a graph whose capture has ended alone, and the pool else stays for as long as the process.
        """
        index = torch.cuda.current_device()
        with suppress(RuntimeError):  # it did not get as far, or ended this by itself
            torch._C._cuda_endAllocateToPool(index, self._pool.id)
        graph.reset()
        while self._pool.use_count() > uses:
            torch._C._cuda_releasePool(index, self._pool.id)


@contextmanager
def _workspaces_of_the_pool() -> Iterator[None]:
    """Within it cuBLAS makes its workspaces in the pool of the capture, one for each stream, and then forgets them.

    It would go on with those of the warm-up, which all graphs of a stream then shared. But torch takes a stream's
    workspaces away as soon as any graph is gone that was captured on it, also from under the graphs that are left.
    """
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


@cache
def _side_streams(device: torch.device) -> list[torch.cuda.Stream]:
    """One set for all cohorts of a device, whose streams are few."""
    return [torch.cuda.Stream(device) for _ in range(BRANCHES)]  # type: ignore[no-untyped-call]


def recorder_for(device: torch.device) -> Recorder | None:
    """The recorder of steps on this device; None where every operation is called by itself."""
    return CudaGraphs(device) if device.type == "cuda" else None
