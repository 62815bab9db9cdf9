"""A stand-in for torch.cuda on a CPU: streams that know what they waited for, captures, pools and cuBLAS's workspaces.

It is written after the sources of torch 2.13. Operations are done at once, in the order of the program; which of them
could be done at the same time on a GPU, or in another order, is told by what their streams have waited for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple
from weakref import WeakSet

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.training.recorded_steps import Recording
from worker.device import cuda_graph

DEVICE = torch.device("cuda:0")
PRODUCTS = {"mm", "addmm", "addmm_", "bmm", "baddbmm", "baddbmm_"}  # cuBLAS computes them, with a workspace
FAILED_CAPTURE = "CUDA error: operation failed due to a previous error during capture"


class Stream:
    """A queue of work, which waits for nothing but what it is told to wait for."""

    def __init__(self, cuda: "StandInCuda", name: str) -> None:
        self._cuda, self.name = cuda, name
        self.times = {name: 0}  # by stream: how much of its work is over before what comes next on this one

    def wait_stream(self, other: "Stream") -> None:
        self._cuda.log.append(f"{self.name} waits for {other.name}")
        self.follow(other)
        if other in self._cuda.capturing:
            self._cuda.capturing.add(self)

    def follow(self, other: "Stream") -> None:
        """What comes next is after all that was put into the other stream."""
        for name, time in other.times.items():
            self.times[name] = max(self.times.get(name, 0), time)


class Pool:
    """Memory of graphs; free again when nobody uses it."""

    def __init__(self, cuda: "StandInCuda") -> None:
        self._uses = cuda.pool_uses
        self.id = 0, len(self._uses) + 1
        self._uses[self.id] = 1

    def use_count(self) -> int:
        return self._uses[self.id]

    def __del__(self) -> None:
        self._uses[self.id] -= 1


class Workspace:
    """What cuBLAS computes with on one stream."""

    def __init__(self, pool: tuple[int, int] | None) -> None:
        self.pool = pool  # None: of the memory that all share
        self.is_free = False


class Graph:
    """A graph, which has a use of its pool until it is gone."""

    def __init__(self, cuda: "StandInCuda") -> None:
        self._cuda, self._is_first_replay = cuda, True
        self.pool: tuple[int, int] | None = None
        self.stream: Stream | None = None  # of its capture
        self.workspaces: set[Workspace] = set()
        self.recording = Recording()
        self.gives_back = False  # its use of the pool: in torch 2.13 never where the capture failed
        cuda.graphs.add(self)

    def replay(self) -> None:
        """Unlike a capture that of the stand-in takes the steps, so that the first replay has nothing left to do."""
        assert not any(workspace.is_free and workspace.pool is None for workspace in self.workspaces)
        assert self.stream
        self._cuda.launches += 1
        if self._is_first_replay:
            self._cuda.current.follow(self.stream)
            self._is_first_replay = False
        else:
            for _ in self.recording.again():
                pass

    def reset(self) -> None:
        if self.gives_back and self.pool and self.stream:
            self._cuda.free_workspaces([self.stream])
            self._cuda.release_pool(0, self.pool)
            self.pool = None

    def __del__(self) -> None:
        self.reset()


class Access(NamedTuple):
    """A use of some memory."""

    stream: str
    time: int
    what: str


class StandInCuda:
    """As much of torch.cuda as captures need."""

    def __init__(self) -> None:
        self.log: list[str] = []  # what streams waited for, and the operations of captures
        self.races: list[str] = []  # pairs of operations whose order is open, on memory that one of them writes to
        self.launches = 0
        self.graphs: WeakSet[Graph] = WeakSet()
        self.pool_uses: dict[tuple[int, int], int] = {}
        self.capturing: set[Stream] = set()
        self.current = self._usual = Stream(self, "usual")
        # whether captures fail at their end, as where something was done that they can't have; and whether the pool is
        # then still allocated from, and its use given back with the graph: versions of torch differ in both
        self.forbids_end = self.goes_on_allocating = self.gives_back = False
        self._stream_count = 0
        self._graph: Graph | None = None  # that is being captured
        self._allocating: set[tuple[int, int]] = set()  # pools
        self._workspaces: dict[Stream, Workspace] = {}
        self._writes: dict[int, Access] = {}  # by memory: the last one
        self._reads: dict[int, list[Access]] = {}  # by memory: those since then
        self._kept: list[object] = []  # so that no memory is used again, as on a GPU only its own stream does

    def as_torch(self) -> object:
        """What stands in for the module."""
        methods = {
            "Stream": self._new_stream,
            "current_stream": lambda: self.current,
            "stream": self._on_stream,
            "device": lambda _device: nullcontext(),
            "current_device": lambda: 0,
            "CUDAGraph": lambda: Graph(self),
            "MemPool": lambda: Pool(self),
            "graph": self._capture,
        }
        internals = {
            "_cuda_clearCublasWorkspaces": lambda: self.free_workspaces(list(self._workspaces)),
            "_cuda_endAllocateToPool": self._end_allocation,
            "_cuda_releasePool": self.release_pool,
        }
        return SimpleNamespace(cuda=SimpleNamespace(**methods), _C=SimpleNamespace(**internals))

    def _new_stream(self, _device: torch.device) -> Stream:
        self._stream_count += 1
        return Stream(self, f"stream {self._stream_count}")

    @contextmanager
    def _on_stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def _capture(
        self, graph: Graph, *, pool: tuple[int, int], stream: Stream, capture_error_mode: str
    ) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        stream.follow(self._usual)  # a capture begins by waiting for the device
        with self._on_stream(stream):
            graph.pool, graph.stream = pool, stream
            self.pool_uses[pool] += 1
            self._allocating.add(pool)
            self._graph, self.capturing = graph, {stream}
            try:
                with graph.recording:
                    yield
            finally:
                self._end_capture(graph, stream)

    def _end_capture(self, graph: Graph, stream: Stream) -> None:
        has_joined = all(stream.times.get(other.name) == other.times[other.name] for other in self.capturing)
        self._graph, self.capturing = None, set()
        fails = self.forbids_end or not has_joined
        if not fails or not self.goes_on_allocating:
            self._end_allocation(0, graph.pool)
        graph.gives_back = self.gives_back or not fails
        if fails:
            raise RuntimeError(FAILED_CAPTURE)

    def _end_allocation(self, _device: int, pool: tuple[int, int] | None) -> None:
        if pool not in self._allocating:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self._allocating.remove(pool)

    def release_pool(self, _device: int, pool: tuple[int, int]) -> None:
        assert self.pool_uses[pool] > 0
        assert pool not in self._allocating
        self.pool_uses[pool] -= 1

    def free_workspaces(self, streams: list[Stream]) -> None:
        for stream in streams:
            if stream in self._workspaces:
                self._workspaces.pop(stream).is_free = True

    def work(self, name: str, reads: list[Tensor], writes: list[Tensor]) -> None:
        """Puts an operation into the current stream."""
        stream = self.current
        if self._graph:
            self.log.append(f"{stream.name}: {name}")
        if name in PRODUCTS:
            pool = self._graph.pool if self._graph else None
            workspace = self._workspaces.setdefault(stream, Workspace(pool))
            if self._graph:
                self._graph.workspaces.add(workspace)
        stream.times[stream.name] += 1
        access = Access(stream.name, stream.times[stream.name], name)
        for memory in _memories(reads):
            self._check(access, self._writes.get(memory))
            self._reads.setdefault(memory, []).append(access)
        for memory in _memories(writes):
            for earlier in [self._writes.get(memory), *self._reads.pop(memory, [])]:
                self._check(access, earlier)
            self._writes[memory] = access
        self._kept += [*reads, *writes]

    def _check(self, access: Access, earlier: Access | None) -> None:
        if earlier and self.current.times.get(earlier.stream, 0) < earlier.time:
            self.races.append(f"{earlier.stream}: {earlier.what} and {access.stream}: {access.what}")


class OnTheStreams(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Puts every operation that is done within into the current stream of a stand-in."""

    def __init__(self, cuda: StandInCuda) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cuda = cuda

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        schema = function._schema  # type: ignore[attr-defined]
        is_view = any(value.alias_info and not value.alias_info.is_write for value in schema.returns)
        if not is_view:
            values = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | (kwargs or {})
            written = {argument.name for argument in schema.arguments if _is_written(argument)} & values.keys()
            writes = [out, *(values[name] for name in written)]
            self._cuda.work(function.__name__.partition(".")[0], _tensors(values), _tensors(writes))
        return out


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor)]


def _memories(tensors: list[Tensor]) -> set[int]:
    """Where the numbers of tensors are; views are where that is of which they are views."""
    return {tensor.untyped_storage().data_ptr() for tensor in tensors} - {0}


@contextmanager
def stand_in_cuda() -> Iterator[StandInCuda]:
    """Within it captures are those of a stand-in, and operations go to its streams."""
    cuda = StandInCuda()
    with pytest.MonkeyPatch.context() as patch, OnTheStreams(cuda):
        patch.setattr(cuda_graph, "torch", cuda.as_torch())
        patch.setattr(cuda_graph, "_side_streams", cuda_graph._side_streams.__wrapped__)  # it remembers those of cards
        yield cuda
