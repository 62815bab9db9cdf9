"""What a process of ours holds: memory, open files, connections to Postgres."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text


@dataclass(frozen=True)
class Size:
    """What the process holds."""

    megabytes: float
    files: int
    connections: int


def size_of(pid: int, engine: Engine) -> Size:
    """What it holds now; its connections are those that have its number in their names."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE :name"
    with engine.begin() as connection:
        connections = connection.execute(text(connected), {"name": f"perceptune %{pid}"}).scalar_one()
    return Size(int(status["VmRSS"].split()[0]) / 1024, len(list((process / "fd").iterdir())), connections)
