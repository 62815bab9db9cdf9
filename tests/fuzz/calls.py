"""The kinds of calls: forms, bodies, files, headers, pages, and clients that are slow or leave."""

import io
import json
import random
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import optuna
from sqlalchemy import Engine

from app.db.engine import transaction
from app.errors import PerceptuneError
from app.files import optuna_import
from app.web.pages.new_sweep.form import EXAMPLE, FIELDS
from tests.fuzz.mutations import HEADER_VALUES, HEADERS, TEXTS, mutate, mutated_bytes

BODY: dict[str, Any] = {
    "name": "fuzz",
    "dataset": "digits",
    "space": {"hidden_units": {"low": 4, "high": 64, "step": 4}, "learning_rate": [0.1, 0.5], "epochs": 2},
    "sampler": {"name": "tpe", "n_startup_trials": 4},
    "pruner": {"name": "median", "n_startup_trials": 2},
    "constraints": ["parameters <= 100000"],
    "n_trials": 3,
}
PATHS = ["/", "/sweeps/1", "/sweeps/new", "/workers", "/datasets", "/exercises/1", "/login", "/metrics", "/readyz"]
PATHS += ["/api/v1/sweeps", "/api/v1/sweeps/1", "/api/v1/sweeps/1/trials", "/api/v1/sweeps/1/charts/effect"]
ACTIONS = ["edit", "extend", "retry", "clone", "pause", "resume", "trials/1/retry", "trials/1/exclude", "x"]
SILENT_CLIENTS = 50
PATIENCE_SECONDS = 0.5


class Caller:
    """Makes one call after the other; each kind gives the status of its answer, None where none was waited for."""

    def __init__(self, url: str, engine: Engine, exports: dict[str, bytes], folder: Path, seed: int) -> None:
        self._url, self._engine, self._exports, self._folder = urlsplit(url), engine, exports, folder
        self._chance = random.Random(seed)
        self._client = httpx2.Client(base_url=url, timeout=60)
        self._silent: deque[socket.socket] = deque(maxlen=SILENT_CLIENTS)

    def close(self) -> None:
        self._client.close()
        for connection in self._silent:
            connection.close()

    def call(self) -> tuple[str, int | None]:
        """A call of a kind that chance decides, and the status of its answer."""
        kind = self._chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        return kind, KINDS[kind][1](self)

    def form(self) -> int:
        """The form of a new sweep, of which some fields are odd."""
        names = self._chance.sample(FIELDS, self._chance.choice([1, 2, 5]))
        fields = {**EXAMPLE, "dataset": "digits"} | {name: self._chance.choice(TEXTS) for name in names}
        if self._chance.random() < 0.2:
            query = "&".join(f"{name}={quote(text[:8_000])}" for name, text in fields.items())
            return self._client.get(f"/sweeps/new?{query[:60_000]}").status_code
        path = self._chance.choice(["/sweeps/new", "/sweeps/new/preview", "/sweeps/new/preview"])
        return self._client.post(path, data=fields).status_code

    def action(self) -> int:
        """A button of a sweep's page, with odd fields."""
        names = ["name", "notes", "tags", "priority", "more", "next", "dataset"]
        fields = {name: self._chance.choice(TEXTS) for name in self._chance.sample(names, 3)}
        return self._client.post(f"/sweeps/1/{self._chance.choice(ACTIONS)}", data=fields).status_code

    def body(self) -> int:
        """A sweep as JSON in which something is odd."""
        document = json.loads(json.dumps(BODY))
        mutate(document, self._chance)
        path, headers = self._chance.choice(["", "/preview", "/1"]), {"Content-Type": "application/json"}
        method = "PATCH" if path == "/1" else "POST"
        content = json.dumps(document).encode()
        return self._client.request(method, f"/api/v1/sweeps{path}", content=content, headers=headers).status_code

    def json_import(self) -> int:
        document = json.loads(self._exports["json"])
        mutate(document, self._chance)
        return self._import(json.dumps(document).encode())

    def csv_import(self) -> int:
        lines = self._exports["csv"].split(b"\r\n")
        index = self._chance.randrange(len(lines))
        cells = lines[index].split(b",")
        cells[self._chance.randrange(len(cells))] = self._chance.choice(TEXTS)[:2_000].encode("utf-8", "replace")
        lines[index] = b",".join(cells)
        return self._import(b"\r\n".join(lines))

    def parquet_import(self) -> int:
        """With a column exchanged for one of odd values, or bytes."""
        import pyarrow
        from pyarrow import parquet

        table = parquet.read_table(io.BytesIO(self._exports["parquet"]))
        index = self._chance.randrange(table.num_columns)
        values = self._chance.choice([["x"], [1], [-1.5], [None], [True], [2**62], ["9" * 5_000], [float("nan")]])
        column, output = pyarrow.array(values * table.num_rows), io.BytesIO()
        parquet.write_table(table.set_column(index, table.column_names[index], column), output)
        return self._import(output.getvalue())

    def bytes_import(self) -> int:
        return self._import(mutated_bytes(self._exports[self._chance.choice(list(self._exports))], self._chance))

    def optuna_import(self) -> int | None:
        """A study of somebody else, with odd distributions, values and steps; read by our own process."""
        address = f"sqlite:///{self._folder / f'{self._chance.getrandbits(60)}.db'}"
        study = optuna.create_study(storage=address, study_name=self._chance.choice(["a", "", "é" * 300]))
        numbers = [0, 1e-9, 0.5, 1, 3, 64, 1e9, -1]
        choices = self._chance.sample([8, 16, "x", None, True, "[4]", "[["], 3)
        for _ in range(2):
            trial = study.ask()
            low, high = sorted(self._chance.sample(numbers, 2))
            trial.suggest_float(self._chance.choice(["learning_rate", "dropout", "lr"]), low, high)
            trial.suggest_categorical("hidden_units", choices)
            trial.report(self._chance.choice([0.5, float("nan"), float("inf")]), self._chance.choice([0, 1, 7, 2**40]))
            if self._chance.random() < 0.8:
                study.tell(trial, self._chance.choice([0.5, 1e300]))
        with suppress(PerceptuneError), transaction(self._engine) as session:
            optuna_import.restore(session, address, dataset="digits")
        return None

    def headers(self) -> int | None:
        """A request with odd headers, sent as bytes."""
        names = self._chance.sample(HEADERS, self._chance.choice([1, 2, 4]))
        lines = [f"{name}: {self._chance.choice(HEADER_VALUES)}" for name in names]
        lines += [] if "Host" in names else [f"Host: {self._url.netloc}"]
        method = self._chance.choice(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "BREW", "get", ""])
        path = self._chance.choice([*PATHS, "/%", "/../..", "//", "*", "/" + "x" * 9_000, "/sweeps/%00", "/\xff"])
        head = f"{method} {path} HTTP/1.{self._chance.choice('110')}\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        return self._answer_to(head.encode("latin-1"))

    def page(self) -> int:
        """A page or a list with odd parameters."""
        names = self._chance.sample(["name", "state", "limit", "cursor", "sort", "x", "metric", "format", "next"], 2)
        query = {name: self._chance.choice(TEXTS)[:2_000] for name in names}
        return self._client.get(self._chance.choice(PATHS), params=query).status_code

    def silence(self) -> None:
        """A client that says half of something and stays."""
        content = b"POST /sweeps/new HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nname=x"
        self._silent.append(self._connection())
        self._silent[-1].sendall(content[: self._chance.randrange(len(content))])

    def abandoned_download(self) -> None:
        """A client that leaves in the middle of a file."""
        ending = self._chance.choice(list(self._exports))
        with self._connection() as connection:
            connection.sendall(
                f"GET /api/v1/sweeps/1/export.{ending} HTTP/1.1\r\nHost: {self._url.netloc}\r\n\r\n".encode()
            )
            connection.recv(self._chance.choice([1, 100, 60_000]))

    def _import(self, content: bytes) -> int:
        return self._client.post("/api/v1/sweeps/import", content=content).status_code

    def _connection(self) -> socket.socket:
        return socket.create_connection((self._url.hostname or "", self._url.port or 0), timeout=20)

    def _answer_to(self, request: bytes) -> int | None:
        with self._connection() as connection, suppress(TimeoutError, ConnectionError):
            connection.sendall(request)
            connection.settimeout(PATIENCE_SECONDS)
            first_line = connection.recv(100)
            if first_line.startswith(b"HTTP/1."):
                return int(first_line[9:12])
        return None


KINDS: dict[str, tuple[float, Callable[[Caller], int | None]]] = {
    "form of a new sweep": (20, Caller.form),
    "button of a sweep": (10, Caller.action),
    "sweep as JSON": (10, Caller.body),
    "import of JSON": (10, Caller.json_import),
    "import of CSV": (8, Caller.csv_import),
    "import of Parquet": (6, Caller.parquet_import),
    "import of broken bytes": (8, Caller.bytes_import),
    "import of an Optuna study": (0.3, Caller.optuna_import),
    "odd headers": (15, Caller.headers),
    "page or list": (8, Caller.page),
    "silent client": (2, Caller.silence),
    "abandoned download": (3, Caller.abandoned_download),
}
