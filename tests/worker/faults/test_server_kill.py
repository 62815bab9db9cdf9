"""kill -9 on `perceptune up`: its workers end, and the next start has all that was answered."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx2

from tests.support.queue_examples import BODY
from tests.support.up_process import up
from tests.support.waiting import wait_until
from tests.support.worker_processes import is_alive


def test_nothing_answered_is_lost_with_a_killed_server(home: Path, tmp_path: Path) -> None:
    """Killed while it trains and is asked for more: started again it has every sweep and every result, and goes on."""
    variables = {"PERCEPTUNE_HOME": home, "PERCEPTUNE_DEVICE": "cpu", "PERCEPTUNE_LEASE_SECONDS": 2}
    long = BODY | {"space": {"hidden_units": {"low": 8, "high": 32}, "epochs": 400}, "n_trials": 4}
    with up(tmp_path, "--workers", "1", **variables) as first:
        client = httpx2.Client(base_url=f"{first.url}/api/v1", timeout=10)
        answered = {answer["id"]: answer for answer in [post(client, BODY), post(client, long)]}
        short, endless = answered
        wait_until(lambda: get(client, short)["state"] == "completed")
        finished = client.get(f"/sweeps/{short}/trials").json()["items"]
        wait_until(lambda: get(client, endless)["epochs"]["done"] > 0)
        answered |= {answer["id"]: answer for answer in [post(client, BODY) for _ in range(5)]}
        (worker,) = client.get("/workers").json()["items"]
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        client.close()
        wait_until(lambda: not is_alive(worker["pid"]), 10)
    with up(tmp_path, "--workers", "1", **variables) as second:
        client = httpx2.Client(base_url=f"{second.url}/api/v1", timeout=10)
        stored = {sweep["id"]: sweep for sweep in client.get("/sweeps").json()["items"]}
        assert {number: sweep["space"] for number, sweep in stored.items()} == {
            number: sweep["space"] for number, sweep in answered.items()
        }
        assert client.get(f"/sweeps/{short}/trials").json()["items"] == finished
        wait_until(lambda: all(get(client, sweep)["state"] == "completed" for sweep in answered))
        client.close()
        assert second.end(signal.SIGTERM) == 0
    assert not list(home.glob("postgres/data/postmaster.pid"))
    assert "Traceback" not in second.log.read_text()


def post(client: httpx2.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/sweeps", json=body)
    assert answer.status_code == 201
    sweep: dict[str, Any] = answer.json()
    return sweep


def get(client: httpx2.Client, sweep: int) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/sweeps/{sweep}").json()
    return answer
