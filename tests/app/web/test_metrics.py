"""The metrics that Prometheus scrapes."""

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.support.queue_examples import create_sweep


def test_metrics_are_the_counts_of_the_rows(client: TestClient, engine: Engine) -> None:
    """Prometheus reads sweeps and trials by state; a state that nothing is in is there with 0."""
    create_sweep(engine, n_trials=5)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'perceptune_trials{state="waiting"} 5.0' in lines
    assert 'perceptune_trials{state="complete"} 0.0' in lines
    assert 'perceptune_sweeps{state="queued"} 1.0' in lines
    assert client.get("/api/v1/metrics").text.splitlines()[0] == lines[0]
