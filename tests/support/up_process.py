"""`perceptune` as a process: forked from one that has imported everything, or by itself, as a user starts it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.forking import Child, shared_parent
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


def environment(**variables: object) -> dict[str, str]:
    """Of a user on a machine without proxies; names in capitals are variables as they stand."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"} | {
        key: str(value) for key, value in variables.items()
    }


def say(*arguments: str, command: Sequence[str] = COMMAND, **variables: object) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end, which must come within two minutes."""
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=120
    )


def say_forked(*arguments: str, **variables: object) -> "subprocess.CompletedProcess[str]":
    """The same in a process that has imported everything, for what was said in a process of its own before."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        process = shared_parent().fork("perceptune", arguments, environment(**variables), errors, output)
        try:
            code = process.wait(120)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


class Up:
    """A `perceptune up` that serves; `url` is where, `log` what it and its workers say."""

    def __init__(self, process: "Child | subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    def said_url(self) -> bool:
        """Whether it has said where it serves; fails when it has ended instead."""
        assert self.process.poll() is None, self.log.read_text()
        for line in self.log.read_text().splitlines():
            if line.startswith("Perceptune serves on "):
                self.url = line.split()[3]
        return self.url != ""

    def end(self, number: int, seconds: float = 60) -> int:
        """The exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def up(folder: Path, *arguments: str, **variables: object) -> Iterator[Up]:
    """A server on a free port, once it serves; killed at the end if it still runs. Its log lies in `folder`."""
    log = folder / "log"
    log.write_bytes(b"")
    process = shared_parent().fork("perceptune", ["up", "--port", "0", *arguments], environment(**variables), log)
    with _served(process, log) as served:
        yield served


@contextmanager
def up_by_itself(folder: Path, *arguments: str, **variables: object) -> Iterator[Up]:
    """The same in a process that was started for it."""
    log = folder / "log"
    command = [*COMMAND, "up", "--port", "0", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    with process, _served(process, log) as served:
        yield served


@contextmanager
def _served(process: "Child | subprocess.Popen[str]", log: Path) -> Iterator[Up]:
    """The server of this process, once it serves; killed at the end if it still runs."""
    served = Up(process, log)
    try:
        wait_until(served.said_url, 60)
        yield served
    finally:
        process.kill()
