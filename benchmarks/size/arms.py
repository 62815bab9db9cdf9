"""What is measured of each database: what workers ask of it, and what pages and monitors do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.config import Settings
from app.db.engine import connect, transaction
from app.queries.standing import facts
from app.queue.claims import ClaimedTrial
from app.web.app import create_app
from benchmarks.fleet.workers import EPOCHS, Plan, SimulatedWorker

CHARTS = ("history", "curves", "importance")

OF_ALL = ("first list of sweeps", "list of sweeps", "page of sweeps", "page of workers", "scrape")


class Arm:
    """One database, with a server and a worker on it; `calls` are what is measured, by name, in this order."""

    def __init__(self, engine: Engine, client: TestClient) -> None:
        self.engine = engine
        self._client = client
        self._worker = SimulatedWorker(engine, "machine", Plan(1, 1))
        self._claimed: tuple[int, list[ClaimedTrial]] | None = None
        with transaction(engine) as session:
            self._ended = session.scalars(text("SELECT min(id) FROM sweeps WHERE state = 'completed'")).one()
            self._live = session.scalars(text("SELECT max(id) FROM sweeps WHERE state = 'running'")).one()
        self.calls: dict[str, Callable[[], object]] = {
            "claim": self._claim,
            "first record": lambda: self._record(1),
            "further record": lambda: self._record(1 + EPOCHS),
            "finish": self._finish,
            "first list of sweeps": self._first_list,
            "list of sweeps": lambda: self._get("/api/v1/sweeps"),
            "page of sweeps": lambda: self._get("/"),
            "page of a sweep": lambda: self._get(f"/sweeps/{self._ended}"),
            "page of a running sweep": lambda: self._get(f"/sweeps/{self._live}"),
            "page of workers": lambda: self._get("/workers"),
            **{f"chart {name}": lambda name=name: self._chart(name) for name in CHARTS},  # type: ignore[misc]
            "scrape": lambda: self._get("/metrics"),
        }

    def prepare(self, name: str) -> None:
        """Makes the sweep that is asked for look changed, so that no answer is one that was kept.

        What is asked of all sweeps finds the running one changed, as it is while it trains.
        """
        with transaction(self.engine) as session:
            session.execute(
                text("UPDATE sweeps SET revision = revision + 1 WHERE id = ANY(:ids)"),
                {"ids": [self._live] if name in OF_ALL else [self._ended, self._live]},
            )

    def _claim(self) -> None:
        self._claimed = self._worker.claim()

    def _record(self, first: int) -> None:
        assert self._claimed is not None
        self._worker.record(*self._claimed, first)

    def _finish(self) -> None:
        assert self._claimed is not None
        self._worker.finish(*self._claimed)

    def _get(self, path: str) -> None:
        self._client.get(path).raise_for_status()

    def _chart(self, name: str) -> None:
        self._get(f"/api/v1/sweeps/{self._ended}/charts/{name}")

    def _first_list(self) -> None:
        facts.forget()
        self._get("/api/v1/sweeps")


@contextmanager
def arm(url: str, home: Path) -> Iterator[Arm]:
    """The arm on this database."""
    engine = connect(url, "worker")
    with TestClient(create_app(Settings(home=home, DATABASE_URL=url)), base_url="http://localhost") as client:
        yield Arm(engine, client)
    engine.dispose()
