"""One step as one CUDA graph: a single launch in place of dozens that cost more than what they compute."""

from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch

Step = Callable[[], None]
WARM_UP = 3  # calls before the capture, in which the libraries make what they need


class Recorder(Protocol):
    """Turns a step into its replay."""

    def warm_up(self, step: Step) -> None:
        """Calls the step as it is, in the surroundings in which it is recorded later."""
        ...

    def record(self, step: Step) -> Step:
        """What does the operations of the step again, on the same memory; recording alone does not do them."""
        ...


class ReplayedStep:
    """A step that is called as it is for the first times, then recorded, and replayed from there on.

    Every call takes the step once.
    """

    def __init__(self, step: Step, recorder: Recorder) -> None:
        self._step, self._recorder = step, recorder
        self._warm_up_calls = 0
        self._replay: Step | None = None

    def __call__(self) -> None:
        if self._warm_up_calls < WARM_UP:
            self._warm_up_calls += 1
            self._recorder.warm_up(self._step)
            return
        if self._replay is None:
            self._replay = self._recorder.record(self._step)
        self._replay()


class CudaGraphs:
    """Records on a CUDA device, after torch's "CUDA semantics", section "CUDA Graphs".

    Each graph has working memory of its own: a pool that is shared must not be left by its last graph before the next
    one comes, and runs that leave a cohort do just that. Warm-up and capture are on one stream beside the usual one, as
    capturing asks for; so cuBLAS makes its workspace for that stream outside of the capture.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _side_stream(device)

    def warm_up(self, step: Step) -> None:
        with torch.cuda.device(self._device):
            usual_stream = torch.cuda.current_stream()
            # Streams know nothing of each other: without waiting, the step would read what is not yet written, and
            # what comes after it would read the step's memory too early.
            self._stream.wait_stream(usual_stream)
            with torch.cuda.stream(self._stream):
                step()
            usual_stream.wait_stream(self._stream)

    def record(self, step: Step) -> Step:
        graph = torch.cuda.CUDAGraph()
        side = torch.cuda.stream(self._stream)  # goes back to the usual stream also where ending the capture fails
        # other threads of a worker may do as they like meanwhile
        capture = torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local")
        with torch.cuda.device(self._device), side, capture:
            step()
        return graph.replay


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all cohorts of a device: cuBLAS keeps a workspace for every stream that it has seen."""
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return stream


def recorder_for(device: torch.device) -> Recorder | None:
    """The recorder of steps on this device; None where every operation is called by itself."""
    return CudaGraphs(device) if device.type == "cuda" else None
