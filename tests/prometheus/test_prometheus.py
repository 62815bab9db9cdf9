"""A real Prometheus loads deploy/prometheus and scrapes a real server: `make test-prometheus`."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from app.service.up import Service
from tests.support.machine.ports import free_port
from tests.support.paths import ROOT
from tests.support.queue_examples import create_sweep, sweep_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.prometheus
DEPLOY = ROOT / "deploy"
ALERTS = [
    rule["alert"] for rule in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
]
# what each alert is about, as series over an hour, a value a minute
TROUBLE = {
    "PerceptuneDown": {'up{job="perceptune"}': "0x60"},
    "PerceptuneBackgroundTaskDead": {'perceptune_background_task_up{task="events"}': "0x60"},
    "PerceptuneNoWorker": {'perceptune_workers{state="idle"}': "0x60", "perceptune_oldest_waiting_seconds": "1+60x60"},
    "PerceptuneNoDevice": {'perceptune_sweeps_without_device{device="cuda"}': "1x60"},
    "PerceptuneQueueStuck": {
        'perceptune_training_examples_per_second{device="cpu"}': "0x60",
        "perceptune_oldest_waiting_seconds": "1+60x60",
    },
    "PerceptuneLeasesExpire": {"perceptune_expired_leases_total": "0+2x60"},
    "PerceptuneErrors": {'perceptune_http_requests_total{status="500"}': "0+60x60"},
    "PerceptuneSlow": {
        'perceptune_http_request_seconds_bucket{route="/sweeps",le="2.5"}': "0x60",
        'perceptune_http_request_seconds_bucket{route="/sweeps",le="5"}': "0+60x60",
        'perceptune_http_request_seconds_bucket{route="/sweeps",le="+Inf"}': "0+60x60",
    },
    "PerceptuneConnectionsUsedUp": {
        'perceptune_database_connections{pool="requests",state="in_use"}': "9x60",
        'perceptune_database_connections_limit{pool="requests"}': "10x60",
    },
    "PerceptuneWebhooksLate": {"perceptune_webhook_oldest_seconds": "1+120x60"},
}
HEALTH = {
    'up{job="perceptune"}': "1x60",
    'perceptune_background_task_up{task="events"}': "1x60",
    'perceptune_workers{state="idle"}': "2x60",
    "perceptune_oldest_waiting_seconds": "0x60",
    'perceptune_sweeps_without_device{device="cuda"}': "0x60",
    'perceptune_training_examples_per_second{device="cpu"}': "100x60",
    "perceptune_expired_leases_total": "3x60",
    'perceptune_http_requests_total{status="500"}': "0x60",
    'perceptune_http_request_seconds_bucket{route="/sweeps",le="0.1"}': "0+60x60",
    'perceptune_http_request_seconds_bucket{route="/sweeps",le="+Inf"}': "0+60x60",
    'perceptune_database_connections{pool="requests",state="in_use"}': "2x60",
    'perceptune_database_connections_limit{pool="requests"}': "10x60",
    "perceptune_webhook_oldest_seconds": "0x60",
}


def program(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"these tests need {name}: apt-get install prometheus"
    return path


def test_the_configuration_is_right() -> None:
    """promtool reads it with its rules."""
    command = [program("promtool"), "check", "config", str(DEPLOY / "prometheus/prometheus.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


def test_every_alert_has_its_trouble() -> None:
    """None is left out below."""
    assert sorted(TROUBLE) == sorted(ALERTS)


def test_alerts_fire_for_their_troubles_and_not_in_health(tmp_path: Path) -> None:
    """After an hour of it, by promtool's own evaluation."""
    cases = [_case(alert, series, firing=1) for alert, series in TROUBLE.items()]
    cases += [_case(alert, HEALTH, firing=0) for alert in TROUBLE]
    rules = str(DEPLOY / "prometheus/alerts.yml")
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": cases}))
    told = subprocess.run([program("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def _case(alert: str, series: dict[str, str], *, firing: int) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    samples = [{"labels": "{}", "value": firing}] if firing else []
    return {
        "name": f"{alert}: {firing}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "60m", "exp_samples": samples}],
    }


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[httpx2.Client]:
    """A Prometheus with our configuration and rules, which asks this server each second."""
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    configuration["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    configuration["rule_files"] = [str(DEPLOY / "prometheus/alerts.yml")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client, process:
        try:
            wait_until(lambda: _is_ready(client), 60)
            yield client
        finally:
            process.terminate()


def _is_ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_prometheus_scrapes_the_server_and_answers_the_dashboard(service: Service, tmp_path: Path) -> None:
    """Its rules are loaded and evaluated without an error, and every query of the Grafana dashboard has an answer."""
    sweep = create_sweep(service.engine, n_trials=2)
    wait_until(lambda: sweep_of(service.engine, sweep).state == "completed")
    dashboard = json.loads((DEPLOY / "grafana/perceptune.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    with prometheus(service.url.removeprefix("http://"), tmp_path) as client:

        def data(path: str, **query: str) -> Any:
            return client.get(f"/api/v1/{path}", params=query).raise_for_status().json()["data"]

        wait_until(lambda: [target["health"] for target in data("targets")["activeTargets"]] == ["up"])
        wait_until(lambda: {rule["health"] for rule in data("rules")["groups"][0]["rules"]} == {"ok"})
        assert sorted(rule["name"] for rule in data("rules")["groups"][0]["rules"]) == sorted(ALERTS)

        def without_answer() -> list[str]:
            here = (query.replace("$job", "perceptune") for query in queries)
            return [query for query in here if not data("query", query=query)["result"]]

        wait_until(lambda: not without_answer(), 90)
        trials = data("query", query='perceptune_trials{state="complete"}')["result"]
        assert [trial["value"][1] for trial in trials] == ["2"]
