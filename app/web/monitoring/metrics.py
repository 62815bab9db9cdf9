"""Sweeps, trials and workers in Prometheus' text format, counted from the rows at each scrape."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial, Worker
from app.domain.states import SweepState, TrialState, WorkerState
from app.queue.workers import IS_LIVE


def exposition(session: Session) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_RowCounts(session))
    return generate_latest(registry)


class _RowCounts(Collector):
    """Counts the rows when it is asked to collect."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def describe(self) -> list[Metric]:
        """No metrics, so that registering does not read the rows."""
        return []

    def collect(self) -> list[Metric]:
        build = InfoMetricFamily("perceptune_build", "What runs here.", value={"version": version("perceptune")})
        return [build, self._sweeps(), self._trials(), self._oldest_waiting(), self._workers()]

    def _sweeps(self) -> Metric:
        counts = select(Sweep.state, func.count()).group_by(Sweep.state)
        return self._by_state("perceptune_sweeps", "Sweeps by state.", SweepState, counts)

    def _trials(self) -> Metric:
        counts = select(Trial.state, func.count()).group_by(Trial.state)
        return self._by_state("perceptune_trials", "Trials by state.", TrialState, counts)

    def _workers(self) -> Metric:
        counts = select(Worker.state, func.count()).where(IS_LIVE).group_by(Worker.state)
        states = (WorkerState.idle, WorkerState.training)
        return self._by_state("perceptune_workers", "Living workers by state.", states, counts)

    def _by_state(self, name: str, meaning: str, states: Iterable[str], query: Select[*tuple[Any, ...]]) -> Metric:
        """A gauge with a line for every state, also where nothing is in it; `query` gives states and counts."""
        family = GaugeMetricFamily(name, meaning, labels=["state"])
        counts = {row[0]: row[1] for row in self._session.execute(query)}
        for state in states:
            family.add_metric([state], counts.get(state, 0))
        return family

    def _oldest_waiting(self) -> Metric:
        """How long the queue is behind: what an alert looks at."""
        oldest = (
            select(func.extract("epoch", func.clock_timestamp() - func.min(Sweep.created_at)))
            .join(Trial)
            .where(Trial.state == TrialState.waiting, Sweep.state.in_([SweepState.queued, SweepState.running]))
        )
        return GaugeMetricFamily(
            "perceptune_oldest_waiting_seconds",
            "Age of the oldest sweep that has trials waiting and is not paused; 0 where none waits.",
            value=float(self._session.scalar(oldest) or 0),
        )
