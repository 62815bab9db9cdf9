"""The worker processes that the service starts, watches, and starts again when they end."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from typing import Self

from app.config import Settings

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
EARLY_SECONDS = 10.0  # a worker that ends before has not really started
MAX_DELAY_SECONDS = 30
MAX_EARLY_ENDS = 5  # a worker that ends so often right after its start won't ever start


class Workers:
    """The worker processes of this server; one that ends too early is started again."""

    def __init__(self, settings: Settings, log: Path | None = None) -> None:
        self._settings = settings
        self._log = log
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._devices = worker_devices(settings)
        self.count = len(self._devices)
        self.failure: str | None = None  # why no more workers are started

    def __enter__(self) -> Self:
        for index, device in enumerate(self._devices):
            thread = threading.Thread(
                target=self._keep_running, args=(index, device), name=f"worker-{index}", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for process in list(self._processes.values()):
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        for process in list(self._processes.values()):
            if process.poll() is None:
                logger.warning("worker %d does not end; killed", process.pid)
                process.kill()
                process.wait()

    def _keep_running(self, index: int, device: str | None) -> None:
        """Starts a worker, and starts it again whenever it ends, ever later; gives up on one that never starts."""
        early_ends = 0
        while not self._leaving.is_set():
            started_at = time.monotonic()
            process = self._processes[index] = self._start(device)
            if self._leaving.is_set():
                process.terminate()
            code = process.wait()
            if self._leaving.is_set():
                return
            early_ends = early_ends + 1 if time.monotonic() - started_at < EARLY_SECONDS else 0
            logger.warning("worker %d ended with exit code %d", process.pid, code)
            if early_ends == MAX_EARLY_ENDS:
                self.failure = f"a worker ended {early_ends} times right after its start, exit code {code}"
                logger.error(self.failure)
                return
            self._leaving.wait(min(2**early_ends, MAX_DELAY_SECONDS))

    def _start(self, device: str | None) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "DATABASE_URL": self._settings.database_url or "",
            "PERCEPTUNE_HOME": str(self._settings.home),
            "PERCEPTUNE_LEASE_SECONDS": str(self._settings.lease_seconds),
        }
        environment.pop("PERCEPTUNE_PULSE_FILE", None)  # of one worker, and these are several
        if device is not None:
            environment["PERCEPTUNE_DEVICE"] = device
        command = [sys.executable, "-m", "worker", "--parent", str(os.getpid()), "--siblings", str(self.count)]
        # a session of its own: Ctrl-C reaches us alone, and we tell the workers
        with contextlib.ExitStack() as files:
            log = None if self._log is None else files.enter_context(self._log.open("ab"))
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stderr=log, stdout=log, start_new_session=True
            )


def worker_devices(settings: Settings) -> list[str | None]:
    """The device of each worker to start; None where the worker chooses."""
    if settings.workers is not None:
        return [settings.device] * settings.workers
    if settings.device is not None and settings.device != "cpu":
        return [settings.device]
    gpus = 0 if settings.device == "cpu" else _gpu_count()
    return [f"cuda:{index}" for index in range(gpus)] or [settings.device] * len(os.sched_getaffinity(0))


def _gpu_count() -> int:
    """The NVIDIA GPUs that workers may use, by nvidia-smi: the server does not import torch."""
    program = shutil.which("nvidia-smi")
    if program is None or not _torch_knows_gpus():
        return 0
    process = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    count = sum(line.startswith("GPU ") for line in process.stdout.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return count
    # what stands behind the first one that is no GPU is not seen
    names = takewhile(lambda name: name and not name.startswith("-"), map(str.strip, visible.split(",")))
    return min(count, len(list(names)))


def _torch_knows_gpus() -> bool:
    """Whether the torch that is installed is none for CPUs alone, which say so in their version."""
    with contextlib.suppress(PackageNotFoundError):
        return not version("torch").endswith("+cpu")
    return False
