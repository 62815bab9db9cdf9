"""How long processors were at work for this process and for a Postgres: other programs at work change little of it."""

import os
from pathlib import Path
from time import process_time

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def postmaster(folder: Path) -> int:
    """The first process of the Postgres that runs in this folder."""
    (path,) = folder.rglob("postmaster.pid")
    return int(path.read_text().split("\n", 1)[0])


def processor_seconds(postmaster_pid: int) -> float:
    """Of this process and of the Postgres."""
    return process_time() + postgres_seconds(postmaster_pid)


def postgres_seconds(postmaster_pid: int) -> float:
    """Of the Postgres' processes, and of those that have ended, by so many ticks."""
    root = Path(f"/proc/{postmaster_pid}")
    alive_ids = (root / "task" / str(postmaster_pid) / "children").read_text().split()
    alive = sum(_seconds(process) for process in alive_ids)
    ended_ticks = (root / "stat").read_text().rsplit(")", 1)[1].split()[13:15]  # of children that were waited for
    return alive + TICK_SECONDS * sum(map(int, ended_ticks))


def _seconds(process: str) -> float:
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0
