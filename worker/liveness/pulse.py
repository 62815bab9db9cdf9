"""The pulse of a worker: the file in which it notes that it lives. Run as a program, this module reads it"""

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

# nothing but the standard library is imported: containers run the check every few seconds

logger = logging.getLogger(__name__)

BEATS = 4  # so many heartbeats may be missing
LOOP_SECONDS = 180.0  # a loop waits for a statement, a lock or a file for less


class Pulse:
    """What the heartbeat of a worker knows of it: its own moment, and when its loop last used the processor.

    A loop that trains or looks for work uses the processor; one that waits for ever does not, however its heart beats.
    """

    def __init__(self, file: Path | None, loop: threading.Thread, every_seconds: float) -> None:
        self._file = file
        self._loop = loop
        self._every_seconds = every_seconds
        self._loop_cpu = -1.0
        self._loop_at = 0.0

    def beat(self) -> None:
        """Notes that the worker's heartbeat was heard just now."""
        if self._file is None:
            return
        now, cpu = time.monotonic(), _cpu_seconds(self._loop)
        if cpu != self._loop_cpu:
            self._loop_cpu, self._loop_at = cpu, now
        moments = {"every": self._every_seconds, "heartbeat": now, "loop": self._loop_at}
        temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(moments), encoding="utf-8")
            temporary.replace(self._file)
        except OSError as error:  # a full disk must not end the heartbeat
            logger.warning("the pulse could not be written to %s: %s", self._file, error.strerror)


def _cpu_seconds(thread: threading.Thread) -> float:
    """The processor's time that the thread has used; where the system does not say, that of now, as if it worked."""
    if sys.platform == "darwin" or thread.ident is None or not thread.is_alive():
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def complaint(file: Path) -> str | None:
    """What is wrong with the worker of this file, in a sentence; None where its heartbeat and its loop live."""
    try:
        moments = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "The worker has not registered yet: it starts, or waits for the database."
    silence = time.monotonic() - moments["heartbeat"]
    if silence > BEATS * moments["every"]:
        return f"No heartbeat for {silence:.0f} seconds: the worker has stopped, or the database does not answer."
    pause = moments["heartbeat"] - moments["loop"]
    if pause > LOOP_SECONDS:
        return f"The heart beats, and the loop has done nothing for {pause:.0f} seconds."
    return None


def main() -> None:
    file = os.environ.get("PERCEPTUNE_PULSE_FILE")
    if not file:
        sys.exit("PERCEPTUNE_PULSE_FILE names no file.")
    sys.exit(complaint(Path(file)))


if __name__ == "__main__":
    main()
