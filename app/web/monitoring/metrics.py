"""What Prometheus scrapes, in its text format: rows read at each scrape, answers as they are sent."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from app.db.tables import Counter, Sweep, Trial, WebhookDelivery, Worker
from app.domain.devices.kinds import KINDS
from app.domain.states import SweepState, TrialState, WorkerState
from app.queries.totals import trials_by_state
from app.queue.leases import EXPIRED_LEASES
from app.queue.retraining import is_due
from app.queue.workers import IS_LIVE, live_kinds


def exposition(app: FastAPI, session: Session) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Metrics([_build(), *_of_rows(session), *_of_process(app)]))
    ProcessCollector(registry=registry)
    return generate_latest(registry) + generate_latest(app.state.traffic.registry)


class _Metrics(Collector):
    """Metrics that are read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """The metrics."""
        return self._metrics


def _build() -> Metric:
    return InfoMetricFamily("perceptune_build", "What runs here.", value={"version": version("perceptune")})


def _of_rows(session: Session) -> list[Metric]:
    """What the tables say. No statement reads a large table whole: docs/operations.md has the figures."""
    sweep_counts = select(Sweep.state, func.count()).group_by(Sweep.state)
    worker_counts = select(Worker.state, func.count()).where(IS_LIVE).group_by(Worker.state)
    return [
        _by_state("perceptune_sweeps", "Sweeps by state.", SweepState, _pairs(session, sweep_counts)),
        _by_state("perceptune_trials", "Trials by state.", TrialState, trials_by_state(session)),
        _by_state(
            "perceptune_workers",
            "Living workers by state.",
            (WorkerState.idle, WorkerState.training),
            _pairs(session, worker_counts),
        ),
        _oldest_waiting(session),
        _without_device(session),
        _examples_per_second(session),
        _expired_leases(session),
        *_webhooks(session),
    ]


def _pairs(session: Session, query: Select[*tuple[Any, ...]]) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(query)}


def _by_state(name: str, meaning: str, states: Iterable[str], counts: Mapping[Any, int]) -> Metric:
    """A gauge with a line for every state, also where nothing is in it."""
    family = GaugeMetricFamily(name, meaning, labels=["state"])
    for state in states:
        family.add_metric([state], counts.get(state, 0))
    return family


_WAITS = and_(
    Sweep.state.in_([SweepState.queued, SweepState.running]),
    exists().where(Trial.sweep_id == Sweep.id, Trial.state == TrialState.waiting),
)


def _oldest_waiting(session: Session) -> Metric:
    """How long the queue is behind: what an alert looks at."""
    oldest = select(func.extract("epoch", func.clock_timestamp() - func.min(Sweep.created_at))).where(_WAITS)
    return GaugeMetricFamily(
        "perceptune_oldest_waiting_seconds",
        "Age of the oldest sweep that has trials waiting and is not paused; 0 where none waits.",
        value=float(session.scalar(oldest) or 0),
    )


def _without_device(session: Session) -> Metric:
    """What waits for a kind of device that nobody has."""
    family = GaugeMetricFamily(
        "perceptune_sweeps_without_device",
        "Sweeps with trials, or a model, that wait for a kind of device that no living worker has that is not drained.",
        labels=["device"],
    )
    wanted_model = exists().where(Trial.sweep_id == Sweep.id, is_due(Trial))
    waits = and_(Sweep.device.is_not(None), or_(_WAITS, wanted_model))
    wishes = select(Sweep.device, func.count()).where(waits).group_by(Sweep.device)
    waiting = _pairs(session, wishes)
    kinds = live_kinds(session)
    for kind in KINDS:
        family.add_metric([kind], 0 if kind in kinds else waiting.get(kind, 0))
    return family


def _examples_per_second(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "perceptune_training_examples_per_second",
        "Training examples that living workers pass through networks in a second, an example for each network.",
        labels=["device"],
    )
    query = select(Worker.device, func.sum(Worker.training_rate)).where(IS_LIVE).group_by(Worker.device)
    for device, rate in session.execute(query):
        family.add_metric([device], rate)
    return family


def _expired_leases(session: Session) -> Metric:
    count = session.scalar(select(Counter.value).where(Counter.name == EXPIRED_LEASES))
    return CounterMetricFamily(
        "perceptune_expired_leases", "Trials taken back from workers that were silent.", value=count or 0
    )


def _webhooks(session: Session) -> list[Metric]:
    age = func.extract("epoch", func.clock_timestamp() - func.min(WebhookDelivery.at))
    query = select(func.count(), age).where(WebhookDelivery.next_attempt_at.is_not(None))
    count, seconds = session.execute(query).one()
    oldest = "Age of the oldest change that its webhook was not told yet."
    return [
        GaugeMetricFamily("perceptune_webhook_backlog", "Changes that webhooks are still to be told.", value=count),
        GaugeMetricFamily("perceptune_webhook_oldest_seconds", oldest, value=float(seconds or 0)),
    ]


def _of_process(app: FastAPI) -> list[Metric]:
    """What this server holds open, and whether what runs behind its answers lives."""
    tasks = GaugeMetricFamily(
        "perceptune_background_task_up", "1 while the task lives, 0 once it died.", labels=["task"]
    )
    for name, is_alive in app.state.background.states().items():
        tasks.add_metric([name], is_alive)
    subscribers = app.state.broadcaster.subscriber_count
    return [
        *_connections({"requests": app.state.engine, "downloads": app.state.downloads.engine}),
        GaugeMetricFamily("perceptune_event_subscribers", "Streams of events that are open.", value=subscribers),
        tasks,
    ]


def _connections(engines: Mapping[str, Engine]) -> list[Metric]:
    connections = GaugeMetricFamily(
        "perceptune_database_connections", "Connections to Postgres by pool and use.", labels=["pool", "state"]
    )
    limit = GaugeMetricFamily(
        "perceptune_database_connections_limit", "Connections that a pool may have.", labels=["pool"]
    )
    for name, engine in engines.items():
        pool = engine.pool
        assert isinstance(pool, QueuePool)
        connections.add_metric([name, "in_use"], pool.checkedout())
        connections.add_metric([name, "idle"], pool.checkedin())
        limit.add_metric([name], pool.size() + pool._max_overflow)
    return [connections, limit]
