"""One step as one CUDA graph: a launch in place of dozens, each of which would cost more than what it computes."""

from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch

Step = Callable[[], None]
WARM_UP = 3  # calls before the capture, in which the libraries make what they need


class Recorder(Protocol):
    """Turns a step into its replay."""

    def warm_up(self, step: Step) -> None:
        """Takes the step as it is."""
        ...

    def record(self, step: Step) -> Step:
        """The operations of the step, on the same memory, to be done again; they are not done by recording them."""
        ...


class Replayed:
    """A step that is recorded after its first calls and then replayed; every call takes it once."""

    def __init__(self, step: Step, recorder: Recorder) -> None:
        self._step, self._recorder = step, recorder
        self._warm = 0
        self._replay: Step | None = None

    def __call__(self) -> None:
        if self._warm < WARM_UP:
            self._warm += 1
            self._recorder.warm_up(self._step)
            return
        if self._replay is None:
            self._replay = self._recorder.record(self._step)
        self._replay()


class CudaGraphs:
    """Records on a CUDA device.

    Each graph has working memory of its own: a pool that is shared must not be left by its last graph before the next
    one comes, and runs that leave a cohort do just that. Warm-up and capture are on one stream beside the usual one, as
    capturing asks for; so cuBLAS makes its workspace for that stream outside of the capture.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _side_stream(device)

    def warm_up(self, step: Step) -> None:
        with torch.cuda.device(self._device):
            usual = torch.cuda.current_stream()
            self._stream.wait_stream(usual)
            with torch.cuda.stream(self._stream):
                step()
            usual.wait_stream(self._stream)

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
    """What records steps on this device; None where every operation is called by itself."""
    return CudaGraphs(device) if device.type == "cuda" else None
