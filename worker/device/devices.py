"""The device that a worker trains on: which one, its name, and how it computes."""

import torch


def choose_device(name: str = "auto") -> torch.device:
    """The named device ("cuda:1", "mps", "cpu"), or for "auto" the first of CUDA, MPS and CPU that is there.

    Raises ValueError, naming what there is, when the device is unknown or absent.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    present[:0] = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if name == "auto":
        return torch.device(present[0])
    device = "cuda:0" if name == "cuda" else name
    if device not in present:
        raise ValueError(f"no device {name!r} here; there is {', '.join(present)}")
    return torch.device(device)


def use_threads(threads: int = 1) -> None:
    """Sets how many threads a CPU operation takes in this process: one a worker, and one worker a core.

    With more, each operation waits for its slowest thread, and a core that is taken stops them all.
    """
    torch.set_num_threads(threads)


def flush_denormals() -> None:
    """Takes numbers below the smallest normal one for 0 in this thread and those that it starts.

    What decays by a factor each step, such as the momentum of a unit that has died, else ends there and stays there:
    a processor takes many times as long for such numbers, and they mean nothing.
    """
    torch.set_flush_denormal(True)


def device_name(device: torch.device) -> str:
    """The name that people know: the GPU's model, or "cpu"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
