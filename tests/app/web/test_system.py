"""What the installation says of itself: figures for Prometheus, and the page of the API."""

import re

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


def test_the_page_of_the_api_loads_nothing_from_elsewhere(client: TestClient) -> None:
    """Every script and style of /api/docs comes from this server."""
    page = client.get("/api/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert links
    for link in links:
        assert link.startswith("/static/")
        assert client.get(link).status_code == 200
