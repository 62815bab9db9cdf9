"""The metrics that Prometheus scrapes, the files in `deploy` that use them, and the probe that tells of dead tasks."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, func, select, text

from app.db.engine import transaction
from app.db.tables import Sweep, Trial, Worker
from app.domain.states import TrialState
from app.queries.totals import trials_by_state
from app.service.up import Service
from app.sweeps import deletion
from app.web import downloads
from app.web.api.health import HOLDS_SECONDS, NO_WORKER
from app.web.webhooks import delivery
from tests.support.paths import ROOT
from tests.support.queue_examples import (
    change,
    claim,
    complete,
    create_grid,
    create_sweep,
    expire,
    heartbeat,
    let_lapse,
    new_worker,
    states,
)
from tests.support.waiting import wait_until

Samples = dict[tuple[str, tuple[str, ...]], float]


def scrape(client: TestClient) -> Samples:
    """Each sample by its name and the values of its labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def names_in(expressions: list[str]) -> set[str]:
    """The names of metrics in expressions of Prometheus."""
    return set(re.findall(r"\b(?:perceptune|process)_\w+", " ".join(expressions)))


def test_metrics_are_the_counts_of_the_rows(client: TestClient, engine: Engine) -> None:
    """Prometheus reads sweeps and trials by state; a state that nothing is in is there with 0."""
    create_sweep(engine, n_trials=5)
    samples = scrape(client)
    assert samples["perceptune_trials", ("waiting",)] == 5
    assert samples["perceptune_trials", ("complete",)] == 0
    assert samples["perceptune_sweeps", ("queued",)] == 1
    assert samples["perceptune_oldest_waiting_seconds", ()] > 0
    assert client.get("/api/v1/metrics").status_code == 200


def test_counts_follow_every_change(engine: Engine) -> None:
    """What is stored and what is running give what counting all rows gives, after each kind of change."""
    worker = new_worker(engine)

    def check() -> None:
        with transaction(engine) as session:
            of_sweeps = select(Trial.state, func.count()).join(Sweep, Sweep.id == Trial.sweep_id)
            rows = session.execute(of_sweeps.group_by(Trial.state))
            counts = {state: trials for state, trials in rows}  # noqa: C416 (of rows mypy knows no types)
            assert trials_by_state(session) == {state: counts.get(state, 0) for state in TrialState}

    check()
    first, second = create_grid(engine, 4, 8, 16), create_grid(engine, 8, 16)
    check()
    trials = claim(engine, worker)
    check()
    let_lapse(engine, trials[0].lease)
    expire(engine)
    check()
    complete(engine, first, worker, trials[1:])
    check()
    for call in ("pause", "resume", "cancel"):
        change(engine, second, call)
        check()
    with transaction(engine) as session:
        deletion.delete(session, second)
    check()


def test_expired_leases_are_counted(client: TestClient, engine: Engine) -> None:
    """Each trial that is taken back, also after its sweep is gone."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    assert scrape(client)["perceptune_expired_leases_total", ()] == 0
    for _ in range(2):
        trials = claim(engine, worker)
        let_lapse(engine, *(trial.lease for trial in trials))
        expire(engine)  # or the server does so at this very moment
        wait_until(lambda: set(states(engine, sweep)) == {"waiting"})
    with transaction(engine) as session:
        session.execute(text("DELETE FROM sweeps WHERE id = :id"), {"id": sweep})
    assert scrape(client)["perceptune_expired_leases_total", ()] == 4


def test_requests_are_counted_by_template(client: TestClient) -> None:
    """By method, route and status, and the seconds by route; a path that nobody thought of makes no new line."""
    for path in ("/api/v1/sweeps/1", "/api/v1/sweeps/2", "/odd/1", "/odd/2"):
        client.get(path)
    samples = scrape(client)
    assert samples["perceptune_http_requests_total", ("GET", "/api/v1/sweeps/{sweep_id}", "404")] == 2
    assert samples["perceptune_http_request_seconds_count", ("/api/v1/sweeps/{sweep_id}",)] == 2
    routes = {labels[1] for name, labels in samples if name == "perceptune_http_requests_total"}
    assert routes == {"/api/v1/sweeps/{sweep_id}", "(none)"}


def test_what_the_process_holds_is_there(client: TestClient, engine: Engine) -> None:
    """Connections by pool, streams of events, webhooks that wait, and tasks."""
    webhook = {"url": "https://127.0.0.1:9/", "secret": "s" * 20}
    change(engine, create_sweep(engine, webhook=webhook), "pause")
    samples = scrape(client)
    assert samples["perceptune_database_connections", ("requests", "in_use")] >= 1
    assert samples["perceptune_database_connections_limit", ("downloads",)] == downloads.MAX_DOWNLOADS + 1
    assert samples["perceptune_event_subscribers", ()] == 0
    assert samples["perceptune_webhook_backlog", ()] == 1
    assert [samples["perceptune_background_task_up", (task,)] for task in ("events", "webhooks")] == [1, 1]
    assert samples["process_open_fds", ()] > 0


def test_training_examples_a_second_are_told(service: Service) -> None:
    """While a real worker trains its row has a rate, which is that of its device; once it is idle there is none."""
    create_sweep(service.engine, space={"hidden_units": 8, "batch_size": 16, "epochs": 10_000}, n_trials=1)

    def rate() -> float:
        with transaction(service.engine) as session:
            return session.scalar(select(func.max(Worker.training_rate))) or 0

    assert wait_until(rate) > 1
    with transaction(service.engine) as session:  # by its speed it shares a sweep with others
        assert (session.scalar(select(func.max(Worker.speed))) or 0) > 1


def test_the_rate_is_by_device_and_of_living_workers(client: TestClient, engine: Engine) -> None:
    """Two workers of one device are added; one that was not heard of for long is not."""
    workers = [new_worker(engine) for _ in range(3)]
    for worker in workers:
        heartbeat(engine, worker, [])
    with transaction(engine) as session:
        session.execute(text("UPDATE workers SET training_rate = 50"))
        silent = {"id": workers[0]}
        session.execute(text("UPDATE workers SET last_seen = now() - interval '1 hour' WHERE id = :id"), silent)
    assert scrape(client)["perceptune_training_examples_per_second", ("cpu",)] == 100


def test_what_waits_for_a_device_that_nobody_has_is_counted(client: TestClient, engine: Engine) -> None:
    """Until such a worker lives; what ended, is paused or takes any device is no part of it."""
    for changes in ({"device": "cuda"}, {"device": "cuda"}, {"device": "cpu"}, {}):
        create_sweep(engine, **changes)
    change(engine, 2, "pause")
    new_worker(engine)
    samples = scrape(client)
    counts = [samples["perceptune_sweeps_without_device", (kind,)] for kind in ("cpu", "cuda", "mps")]
    assert counts == [0, 1, 0]
    new_worker(engine, device="NVIDIA H200")
    assert scrape(client)["perceptune_sweeps_without_device", ("cuda",)] == 0


def test_every_metric_of_the_dashboard_and_the_alerts_exists(client: TestClient, engine: Engine) -> None:
    """Both files can be read, and what they ask for is in a scrape."""
    new_worker(engine)
    client.get("/api/v1/sweeps")
    scraped_names = {name for name, _ in scrape(client)}
    dashboard = _dashboard()
    expressions = [*_expressions(), *(entry["query"] for entry in dashboard["templating"]["list"])]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) > 8
    rules = [rule for group in _yaml("alerts.yml")["groups"] for rule in group["rules"]]
    assert all({"alert", "expr", "for", "labels", "annotations"} == set(rule) for rule in rules)
    assert names_in(expressions) - scraped_names == set()
    assert len(names_in(expressions)) > 15
    assert _yaml("prometheus.yml")["rule_files"] == ["alerts.yml"]


def test_what_every_server_tells_alike_is_not_added_up() -> None:
    """Of several servers of one database the dashboard and the alerts take the maximum."""
    counted = "sweeps|trials|workers|oldest_waiting|training_examples|expired_leases|webhook"
    assert [query for query in _expressions() if re.search(rf"\bsum\b.*perceptune_({counted})", query)] == []


def _expressions() -> list[str]:
    """What the dashboard and the alerts ask."""
    rules = [rule["expr"] for group in _yaml("alerts.yml")["groups"] for rule in group["rules"]]
    return [target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"]] + rules


def _dashboard() -> Any:
    return json.loads((ROOT / "deploy/grafana/perceptune.json").read_text())


def _yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy/prometheus" / Path(name)).read_text())


def test_a_scrape_reads_no_large_table_whole(client: TestClient, engine: Engine) -> None:
    """With 20,000 finished trials, the first scrape of a server takes no statement that walks through them."""
    create_grid(engine, 4)
    with transaction(engine) as session:
        session.execute(MANY_TRIALS, {"trials": 20_000})
    with transaction(engine) as session:
        session.execute(text("ANALYZE trials"))
        before = _rows_read(session)
    scrape(client)
    with transaction(engine) as session:
        assert _rows_read(session) - before < 1000


MANY_TRIALS = text("""
    INSERT INTO trials (sweep_id, number, state, params, cost, epochs_total, value, finished_at)
    SELECT sweeps.id, n, 'complete', '{}', 1, 1, 0.5, now() FROM sweeps, generate_series(1, :trials) AS n
""")


def _rows_read(session: Any) -> int:
    """Rows of `trials` that were read so far, by whatever scan."""
    session.execute(text("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()"))
    query = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'trials'"
    return int(session.scalar(text(query)))


def readyz(client: TestClient) -> tuple[int, dict[str, Any]]:
    """What the probe says anew."""
    client.app.state.readiness._looked_at = time.monotonic() - HOLDS_SECONDS  # type: ignore[attr-defined]
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_no_worker_is_a_warning(client: TestClient, engine: Engine) -> None:
    """The server is ready, but says that sweeps will wait."""
    assert readyz(client) == (200, {"status": "ready", "warnings": [NO_WORKER]})
    new_worker(engine)
    assert readyz(client) == (200, {"status": "ready", "warnings": []})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_task_is_not_ready(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 names what has died: first what sends webhooks, then what sends events too."""
    assert readyz(client)[0] == 200

    def end(*_: object, **__: object) -> bool:
        raise SystemExit

    monkeypatch.setattr(delivery, "send_next", end)
    background = client.app.state.background  # type: ignore[attr-defined]
    wait_until(lambda: background.dead() == ["webhooks"])
    status, problem = readyz(client)
    assert (status, "(webhooks)" in problem["detail"]) == (503, True)
    assert scrape(client)["perceptune_background_task_up", ("webhooks",)] == 0
    broadcaster = client.app.state.broadcaster  # type: ignore[attr-defined]
    monkeypatch.setattr(broadcaster._listener, "take", _raise)
    broadcaster._listener._wake.set()
    wait_until(lambda: "events" in background.dead())
    assert "(events and webhooks)" in readyz(client)[1]["detail"]


def _raise() -> set[int]:
    raise RuntimeError("died")
