"""What this process has answered, counted for Prometheus by method, route and status."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30)  # 0.2 is the goal of docs/reliability.md


class Answer(NamedTuple):
    """How one request was answered."""

    method: str
    route: str
    status: int | None  # None where the client left, or the server failed, before an answer began
    seconds: float
    is_stream: bool = False  # of events, which lasts as long as the client listens


class Traffic:
    """The counters of one server; they begin at 0 when it starts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "perceptune_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "perceptune_http_request_seconds",
            "Seconds until an answer was sent whole; without streams of events.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )

    def count(self, answer: Answer) -> None:
        """Counts an answer."""
        self._requests.labels(answer.method, answer.route, str(answer.status or "none")).inc()
        if not answer.is_stream:
            self._seconds.labels(answer.route).observe(answer.seconds)
