"""Processes that are forked from one that has imported everything, where starting each would take seconds."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.paths import ROOT

# Each line that it reads is a child to fork, or the number of a child whose exit code is asked for.
PROGRAM = """
import gc, json, os, sys
import sklearn.datasets
import app.cli, app.service.up
import worker.__main__, worker.loop
PROGRAMS = {"perceptune": app.cli.main, "worker": worker.__main__.main}
gc.freeze()  # no child looks for garbage in what was imported
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if isinstance(order, int):
        pid, status = os.waitpid(order, os.WNOHANG)
        print(os.waitstatus_to_exitcode(status) if pid else "", flush=True)
        continue
    child = os.fork()
    if child == 0:
        program, arguments, variables, output, errors = order
        os.environ.clear()
        os.environ.update(variables)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in ((1, output), (2, errors)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), descriptor)
        sys.argv[1:] = arguments
        PROGRAMS[program]()
        break
    print(child, flush=True)
"""
POLL_SECONDS = 0.02


class Parent:
    """The process that has imported everything; its children are to end before it does."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        """`variables`: those that each child has too, unless it is told others."""
        command, pipe = [sys.executable, "-c", PROGRAM], subprocess.PIPE
        self._variables = {"OMP_NUM_THREADS": "1", **(variables or {})}
        environment = os.environ | self._variables
        self._lock = threading.Lock()
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert self._answer() == "ready"

    def end(self) -> None:
        """Ends the process, which reads no further order."""
        self._process.communicate(timeout=60)

    def fork(
        self,
        program: str,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
        output: Path | None = None,
    ) -> "Child":
        """A new `perceptune` or `worker` in this environment.

        It says what it says into `log`, to standard output into `output`.
        """
        order = [program, list(arguments), self._variables | dict(variables), str(output or log), str(log)]
        return Child(self, int(self.ask(order)))

    def ask(self, order: object) -> str:
        """What the process answers to an order."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the process that forks the others has ended"
        return answer.strip()


class Child:
    """A forked process, with what tests use of a `Popen`."""

    def __init__(self, parent: Parent, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._parent = parent

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.returncode is None and (answer := self._parent.ask(self.pid)):
            self.returncode = int(answer)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """Its exit code, once it has ended."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing to one that has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9; returns when it is gone, whatever it was doing."""
        self.send_signal(signal.SIGKILL)
        self.wait()


_shared: list[Parent] = []
_sharing = threading.Lock()


def shared_parent() -> Parent:
    """The one of these tests, started when it is first asked for."""
    with _sharing:
        if not _shared:
            _shared.append(Parent())
        return _shared[0]


def end_shared_parent() -> None:
    """Ends it where it was started."""
    while _shared:
        _shared.pop().end()
