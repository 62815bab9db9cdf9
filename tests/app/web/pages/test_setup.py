"""The setup of a sweep: what is shown makes an equal sweep, by whichever way it is posted."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.schemas import SweepCreate
from app.service.up import Service

ODD_NAME = 'it\'s "odd" $HOME `id` \\ – ünï\n<END>'
BODIES: Mapping[str, dict[str, Any]] = {
    "grid": {
        "name": ODD_NAME,
        "dataset": "digits",
        "space": {"hidden_layers": [[8], [8, 4]], "learning_rate": [0.1, 1], "epochs": 2, "activation": "relu"},
        "sampler": "grid",
        "notes": "two\nlines of 'notes'\nEND\n",
    },
    "everything": {
        "name": "everything",
        "dataset": "digits",
        "space": {
            "learning_rate": {"low": 0.01, "high": 1, "log": True},
            "depth": [1, 2],
            "hidden_units_2": {"low": 4, "high": 8, "when": {"depth": [2]}},
        },
        "sampler": {"name": "tpe", "n_startup_trials": 3},
        "pruner": {"name": "median", "n_startup_trials": 2},
        "n_trials": 4,
        "seeds": {"first": 1, "survivors": 3},
        "objective": {"metric": "val_loss", "direction": "minimize"},
        "stop": {"no_improvement": 50, "seconds": 60},
        "best_by": "lower_bound",
        "repeats": "reuse",
        "seed": 7,
        "split": "book",
        "keep_models": "all",
        "tags": ["a", "b"],
        "priority": 2,
        "constraints": ["parameters <= 500000"],
        "diagnostics": True,
    },
    "objectives": {
        "name": "front",
        "dataset": "digits",
        "space": {"hidden_units": {"low": 4, "high": 32}},
        "sampler": "nsgaii",
        "n_trials": 4,
        "objectives": [
            {"metric": "val_accuracy", "direction": "maximize"},
            {"metric": "parameters", "direction": "minimize"},
        ],
    },
    "timing": {"name": "products", "task": "time_matmul", "space": {"size": [64, 65]}, "sampler": "grid", "seeds": 3},
}


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """A real server on a real socket, and nobody who trains."""
    with Service(settings) as service:
        yield service


def shown(page: str) -> dict[str, str]:
    """The texts on the page, by their labels."""
    found = re.findall(r'<pre [^>]*aria-label="([^"]+)">(.*?)</pre>', page, re.DOTALL)
    return {label: unescape(text) for label, text in found}


def posted_fields(sweep: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sweep[name] for name in SweepCreate.model_fields if name != "webhook"}


@pytest.mark.parametrize("kind", BODIES)
def test_the_shown_json_makes_an_equal_sweep(client: TestClient, kind: str) -> None:
    """Every field of the body is the same, and so is what is shown of the new sweep."""
    original = client.post("/api/v1/sweeps", json=BODIES[kind])
    assert original.status_code == 201, original.text
    page = client.get(f"/sweeps/{original.json()['id']}/setup").text
    copy = client.post("/api/v1/sweeps", json=json.loads(shown(page)["JSON"]))
    assert copy.status_code == 201, copy.text
    assert posted_fields(copy.json()) == posted_fields(original.json())
    assert shown(client.get(f"/sweeps/{copy.json()['id']}/setup").text) == shown(page)


def test_a_webhook_is_not_shown(client: TestClient) -> None:
    """Its secret stays where it is, and the page says that it is left out."""
    webhook = {"url": "https://example.org/hook", "secret": "whsec_" + "c2VjcmV0" * 4}
    answer = client.post("/api/v1/sweeps", json=BODIES["grid"] | {"webhook": webhook})
    assert answer.status_code == 201, answer.text
    page = client.get(f"/sweeps/{answer.json()['id']}/setup").text
    assert ("c2VjcmV0" in page, "example.org" in page) == (False, False)
    assert "Its webhook is left out" in page


def test_each_way_makes_an_equal_sweep(service: Service, tmp_path: Path) -> None:
    """curl and the command line as a real shell runs them, and Python; the copy buttons have the same texts."""
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    sweeps = f"{service.url}/api/v1/sweeps"
    original = httpx.post(sweeps, json=BODIES["grid"]).json()
    page = httpx.get(f"{service.url}/sweeps/{original['id']}/setup").text
    texts = shown(page)
    copies = re.findall(r'data-copy="([^"]*)"', page)
    assert [unescape(text) for text in copies] == [*texts.values()]
    curl = json.loads(_shell(texts["curl"], tmp_path))["id"]
    script = tmp_path / "post.py"
    script.write_text(texts["Python"], encoding="utf-8")
    python = int(_run([sys.executable, str(script)], tmp_path))
    command = int(_shell(texts["Command line"], tmp_path).rpartition("/")[2])
    for number in (curl, python, command):
        assert posted_fields(httpx.get(f"{sweeps}/{number}").json()) == posted_fields(original)


def _shell(text: str, folder: Path) -> str:
    return _run(["sh", "-c", text], folder)


def _run(arguments: list[str], folder: Path) -> str:
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PERCEPTUNE_HOME": str(folder)}
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout
