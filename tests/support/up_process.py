"""`perceptune` as a process, as a user starts it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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


class Up:
    """A `perceptune up` that serves; `url` is where, `log` what it and its workers say."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
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
    with log.open("ab") as output:
        output.truncate(0)
        process = subprocess.Popen(
            [*COMMAND, "up", "--port", "0", *arguments],
            cwd=ROOT,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    with process:
        served = Up(process, log)
        try:
            wait_until(served.said_url, 60)
            yield served
        finally:
            process.kill()
