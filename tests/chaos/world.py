"""What is under attack: a real Postgres, a real server process, real workers behind a network of our own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx2
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.schemas import SweepCreate
from app.service.postgres.server import running
from app.sweeps import creation
from tests.chaos.fleets import Fleet, ForkedWorkers, RayWorkers
from tests.chaos.proxy import Proxy
from tests.support.forking import Child, shared_parent
from tests.support.paths import ROOT
from tests.support.up_process import COMMAND, environment
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment as worker_environment

LEASE_SECONDS = 2.0
PATIENCE_SECONDS = 120.0


class World:
    """Everything that runs; `engine` reads the truth past all of it."""

    def __init__(
        self, home: Path, *, over_http: bool = False, on_ray: bool = False, forks_server: bool = False
    ) -> None:
        self.home = home
        self._over_http = over_http  # workers reach the server alone, and not the database
        self._on_ray = on_ray
        self._forks_server = forks_server  # as workers are, rather than started, which takes seconds
        self.url = ""
        self._stack = ExitStack()
        self._server: Child | subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            database = stack.enter_context(running(self.home, {"log_min_messages": "warning"}))
            self.engine: Engine = create_engine(connect(database).url, poolclass=NullPool)
            migrate(self.engine)
            self._database = database
            self.socket = Path(str(make_url(database).query["host"])) / ".s.PGSQL.5432"
            self.start_server()
            stack.callback(self.kill_server)
            self.proxy = Proxy(make_url(self.url).port or 80 if self._over_http else self.socket)
            stack.callback(self.proxy.close)
            self.fleet: Fleet = stack.enter_context(self._new_fleet())
            self.client = stack.enter_context(httpx2.Client(timeout=20))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _new_fleet(self) -> Fleet:
        """Workers that reach Postgres, or the server, through the proxy alone."""
        place = f"127.0.0.1:{self.proxy.port}"
        url = "" if self._over_http else f"postgresql://perceptune@{place}/perceptune"
        variables = worker_environment(url, self.home, LEASE_SECONDS) | {"PERCEPTUNE_CHECKPOINT_SECONDS": "1"}
        if self._over_http:
            variables["PERCEPTUNE_SERVER"] = f"http://{place}"
        log = self.home / "log"
        return RayWorkers(variables, self.engine, log) if self._on_ray else ForkedWorkers(variables, log)

    def start_server(self) -> None:
        """Starts the server on the port that it had before, and waits until it says that it is ready."""
        port = make_url(self.url).port if self.url else 0
        log = self.home / "server.log"
        log.write_bytes(b"")
        arguments = ["up", "--workers", "0", "--port", str(port)]
        variables = environment(DATABASE_URL=self._database, PERCEPTUNE_HOME=self.home)
        if self._forks_server:
            self._server = shared_parent().fork("perceptune", arguments, variables, log)
        else:
            with log.open("wb") as output:
                command = [*COMMAND, *arguments]
                self._server = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output)

        def said_url() -> str:
            assert self._server is not None
            assert self._server.poll() is None, log.read_text()
            lines = log.read_text().splitlines()
            return next((line.split()[3] for line in lines if line.startswith("Perceptune serves on ")), "")

        self.url = wait_until(said_url, PATIENCE_SECONDS)

    @property
    def server_pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def kill_server(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def postgres_processes(self) -> list[int]:
        """The postmaster, then its children."""
        main = int((self.home / "postgres/data/postmaster.pid").read_text().partition("\n")[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The answer, asked for again while the server or its database is away. A post needs a key of its own."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(httpx2.TransportError):
                answer = self.client.request(method, f"{self.url}/api/v1{path}", **options)
                if answer.status_code < 500:
                    return answer
                assert answer.status_code == 503, answer.text
            assert time.monotonic() < end, f"{method} {path} was not answered"
            time.sleep(0.1)

    def post_sweep(self, key: str, body: dict[str, Any]) -> int:
        answer = self.call("POST", "/sweeps", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def store_sweep(self, body: dict[str, Any], **columns: Any) -> int:
        """A sweep stored past all checks, with these columns in place of the body's; again while Postgres recovers."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with transaction(self.engine) as session:
                    sweep = creation.create(session, SweepCreate.model_validate(body))
                    for name, value in columns.items():
                        setattr(sweep, name, value)
                return sweep.id
            except DBAPIError:
                assert time.monotonic() < end, "Postgres did not come back"
                time.sleep(0.1)

    def sweep(self, sweep: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("GET", f"/sweeps/{sweep}").raise_for_status().json()
        return answer

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Rows, past proxy and server; again while Postgres recovers."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with transaction(self.engine) as session:
                    return list(session.execute(text(statement), values).all())
            except DBAPIError:
                assert time.monotonic() < end, "Postgres did not come back"
                time.sleep(0.1)

    @contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        os.kill(pid, signal.SIGSTOP)
        yield
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
