"""What a card shows beside the arms: its tests, where a step's time goes, the whole service, and two exercises."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.arms import Fused
from benchmarks.gpu.comparison import UNTIMED
from benchmarks.products import wait
from benchmarks.workloads import QUICK, Workload
from worker.mlp.split import Split
from worker.mlp.training import train

ROOT = Path(__file__).parents[2]
GPU_TESTS = "tests/worker/device/test_cuda.py"
EXERCISES = (6, 7)  # implementations of one network, and matrix products
KERNELS = 15  # that are told of a profile


def tests() -> str:
    """What the tests that need a card say."""
    if find_spec("pytest") is None:
        return "The tests were left out: pytest is not installed."
    return _told([sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", GPU_TESTS], ROOT)


def profile_of(workload: Workload, split: Split) -> str:
    """The kernels that an epoch of a fused cohort spends most of its time in."""
    device, arm = split.train_x.device, Fused(workload.runs(), split)
    for _ in range(UNTIMED):
        arm.epoch()
    wait(device)
    is_card = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_card else [])]
    start = perf_counter()
    with profile(activities=activities) as profiler:
        arm.epoch()
        wait(device)
    seconds = perf_counter() - start
    events = profiler.key_averages()
    times = {
        event.key: (event.self_device_time_total if is_card else event.self_cpu_time_total, event.count)
        for event in events
    }
    return _profile_table(workload, times, seconds)


def _profile_table(workload: Workload, times: Mapping[str, tuple[float, int]], seconds: float) -> str:
    busy = sum(microseconds for microseconds, _ in times.values())
    lines = ["| kernel | calls | ms | of the time in kernels |", "|---|---:|---:|---:|"]
    for name, (microseconds, count) in sorted(times.items(), key=lambda item: -item[1][0])[:KERNELS]:
        share = f"{microseconds / busy:.1%}" if busy else "–"
        lines.append(f"| `{name[:80].replace('|', '/')}` | {count:,} | {microseconds / 1000:.2f} | {share} |")
    title = f"**{workload.name}**: an epoch and its validation took {seconds * 1000:.0f} ms while they were profiled"
    return "\n".join([f"{title}, kernels {busy / 1000:.0f} ms, side by side ones added up:", "", *lines])


def service(workloads: Sequence[Workload], split: Split, home: Path) -> str:
    """Whole sweeps by the service with one worker on the card, beside the trainer alone."""
    lacking = [name for name in ("optuna", "sqlalchemy", "fastapi") if find_spec(name) is None]
    if lacking:
        return f"The service was left out: {', '.join(lacking)} is missing."
    from benchmarks.service import seconds, service  # with all that it needs

    device = split.train_x.device
    lines = ["| sweep | trainer alone, s | service, s | service / trainer | trials an hour |", "|---|---|---|---|---|"]
    with service(home, 1, device=str(device)) as running:
        running.sweep(QUICK.sweep())  # the worker has the data set after it
        for workload in workloads:
            alone = _trained(workload, split)
            whole = seconds(running.sweep(workload.sweep()))
            trials = len(workload.runs()) / workload.seeds
            row = f"{alone:.2f} | {whole:.2f} | {whole / alone:.2f} | {trials * 3600 / whole:,.0f}"
            lines.append(f"| {workload.name}, {workload.epochs} epochs | {row} |")
    return "\n".join(lines)


def _trained(workload: Workload, split: Split) -> float:
    """Seconds of a whole sweep by the trainer alone."""
    runs = [replace(run, config=replace(run.config, epochs=workload.epochs)) for run in workload.runs()]
    start = perf_counter()
    for _ in train(runs, split):
        pass
    wait(split.train_x.device)
    return perf_counter() - start


def exercises(home: Path, device: torch.device, numbers: Sequence[int] = EXERCISES) -> str:
    """The answers of exercises that are about the device itself."""
    command = Path(sys.executable).with_name("perceptune")
    if not command.exists():
        return "The exercises were left out: the service is not installed."
    texts = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            options = ["--home", str(home), "--device", str(device), "--workers", "1", "--port", "0"]
            texts.append(_told([str(command), "exercise", str(number), *options], Path(folder)))
    return "\n\n".join(texts)


def _told(command: Sequence[str], folder: Path) -> str:
    """A command with the end of what it prints, and how it ended."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    lines = (ended.stdout + ended.stderr).strip().splitlines()[-40:]
    words = " ".join([Path(command[0]).name, *command[1:]])
    return "\n".join([f"`{words}` ended with {ended.returncode}:", "", "```", *lines, "```"])
