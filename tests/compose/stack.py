"""One running copy of docker-compose.yml, under a name, a port and a volume of its own."""

import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests.support.machine.ports import free_port
from tests.support.paths import ROOT

LEASE_SECONDS = 5
LABEL = "com.docker.compose"


def docker(*arguments: str, check: bool = True) -> str:
    """What `docker` says on standard output. Raises AssertionError with its words when it fails."""
    return _run(["docker", *arguments], check=check)


def engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


def compose_command() -> list[str] | None:
    """`docker compose` where it is installed, else `docker-compose`, else None."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


class Stack:
    """Perceptune in containers. `url` is where it is published; `close` leaves nothing behind but layers."""

    def __init__(self, command: Sequence[str], env_file: Path) -> None:
        self.project = f"perceptune-test-{os.getpid()}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = httpx2.Client(base_url=f"{self.url}/api/v1", timeout=20)
        # `env_file` is in place of the user's .env, whose settings are not those of the test
        file = str(ROOT / "docker-compose.yml")
        self._command = [*command, "--env-file", str(env_file), "-p", self.project, "-f", file]
        self._environment = os.environ | {
            "POSTGRES_PASSWORD": secrets.token_urlsafe(12) + "/@:%#",  # any characters will do
            "PERCEPTUNE_PORT": str(self.port),
            "PERCEPTUNE_LEASE_SECONDS": str(LEASE_SECONDS),
            "COMPOSE_HTTP_TIMEOUT": "300",
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        return _run([*self._command, *arguments], self._environment, check)

    def up(self, workers: int) -> None:
        try:
            self.compose("up", "-d", "--scale", f"worker={workers}")
        except AssertionError:
            print(self.compose("logs", "--no-color", "--tail", "50", check=False))
            raise

    def first_key(self) -> str:
        """The key that the server made at its first start, as its log shows it."""
        log = self.compose("logs", "--no-color", "--no-log-prefix", "app")
        (address,) = re.findall(r"open (\S+)/login#key=", log)
        assert address == self.url
        (key,) = re.findall(r"#key=(\S+)", log)
        return str(key)

    def log_in(self) -> None:
        self.api.headers["Authorization"] = f"Bearer {self.first_key()}"

    def close(self) -> None:
        self.api.close()
        self.compose("down", "-v", "--rmi", "local", "--remove-orphans", "-t", "15")

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, also of those that have ended."""
        filters = (f"label={LABEL}.project={self.project}", f"label={LABEL}.service={service}")
        return docker("ps", "-aq", "--no-trunc", "--filter", filters[0], "--filter", filters[1]).split()

    def inspect(self, container: str) -> dict[str, Any]:
        containers: list[dict[str, Any]] = json.loads(docker("inspect", container))
        return containers[0]

    def is_healthy(self, service: str) -> bool:
        return all(
            self.inspect(container)["State"]["Health"]["Status"] == "healthy" for container in self.containers(service)
        )

    def get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.get(path).raise_for_status().json()
        return answer

    def post_sweep(self, **body: Any) -> str:
        """The path of a new sweep."""
        return str(self.api.post("/sweeps", json=body).raise_for_status().headers["Location"]).removeprefix("/api/v1")


def _run(command: Sequence[str], environment: dict[str, str] | None = None, check: bool = True) -> str:
    process = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not check or process.returncode == 0, (
        f"{' '.join(command)}\n{process.stdout[-4000:]}{process.stderr[-4000:]}"
    )
    return process.stdout
