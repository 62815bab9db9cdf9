"""The whole service as `perceptune up` runs it, and sweeps that are posted to it over HTTP."""

import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.config import Settings
from app.service.up import Service

POLL_SECONDS = 0.5  # no finer: the server that answers takes time from the workers
Answer = dict[str, Any]


class Perceptune:
    """A service that runs; `engine` is its database."""

    def __init__(self, url: str, engine: Engine) -> None:
        self._api = f"{url}/api/v1"
        self.engine = engine

    def sweep(self, body: Answer) -> Answer:
        """Posts a sweep and waits until it has completed and its best trial has met the test images."""
        sweep = self._ask("/sweeps", body)
        while sweep["state"] != "completed" or sweep["best"]["test_accuracy"] is None:
            if sweep["state"] in ("failed", "cancelled"):
                raise RuntimeError(f"the sweep {body['name']} {sweep['state']}")
            time.sleep(POLL_SECONDS)
            sweep = self._ask(f"/sweeps/{sweep['id']}")
        return sweep

    def post(self, body: Answer) -> int:
        """The id of a sweep that begins."""
        return int(self._ask("/sweeps", body)["id"])

    def state(self, sweep_id: int) -> str:
        """The state of a sweep. Raises RuntimeError where it has failed."""
        sweep = self._ask(f"/sweeps/{sweep_id}")
        if sweep["state"] == "failed":
            raise RuntimeError(f"the sweep {sweep['name']} failed")
        return str(sweep["state"])

    def clear(self, sweep_id: int) -> None:
        """Ends and removes a sweep, and waits until no worker has anything of it to do."""
        if self.state(sweep_id) != "completed":
            self._ask(f"/sweeps/{sweep_id}/cancel", {})
        while self.state(sweep_id) == "stopping" or any(
            worker["state"] != "idle" for worker in self._ask("/workers")["items"]
        ):
            time.sleep(POLL_SECONDS)
        self._ask(f"/sweeps/{sweep_id}", method="DELETE")

    def params(self, sweep: Answer) -> list[Answer]:
        """What its trials were, in the order of their numbers."""
        trials = self._ask(f"/sweeps/{sweep['id']}/trials?limit=200")["items"]
        return [trial["params"] for trial in sorted(trials, key=lambda trial: int(trial["number"]))]

    def worker_pids(self) -> list[int]:
        """The processes of its workers."""
        return [int(worker["pid"]) for worker in self._ask("/workers")["items"]]

    def _ask(self, path: str, body: Answer | None = None, method: str | None = None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._api + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: Answer = json.loads(response.read() or b"{}")
        return answer


def seconds(sweep: Answer) -> float:
    """From the POST to completed, by the database's clock."""
    created, finished = (datetime.fromisoformat(sweep[name]) for name in ("created_at", "finished_at"))
    return (finished - created).total_seconds()


@contextmanager
def service(home: Path, workers: int, log: Path | None = None, device: str = "cpu") -> Iterator[Perceptune]:
    """A service with a database of its own, and the data sets of the data folder `home`."""
    with tempfile.TemporaryDirectory(prefix="perceptune-bench.") as folder:
        own = Path(folder)
        own.chmod(0o755)  # as root the database runs as a user of its own
        if (home / "datasets").is_dir():
            (own / "datasets").symlink_to(home / "datasets")
        settings = Settings(home=own, port=0, workers=workers, device=device)
        settings = settings.model_copy(update={"database_url": None})
        with Service(settings, log or own / "log") as served:
            yield Perceptune(served.url, served.engine)


def peak_bytes(pid: int) -> int | None:
    """The most memory that a process has had, resident; None where /proc does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
