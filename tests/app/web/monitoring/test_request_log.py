"""A line a request, ids of requests, and traces."""

import json
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy.exc import OperationalError

from app import logs
from app.broker.wire import VERSION_HEADER, pack
from app.config import Settings
from app.db.migrations import program_version
from app.web.app import create_app
from app.web.security.bodies import MAX_BODY_BYTES
from tests.support.up_process import say_forked, up
from tests.support.waiting import wait_until

KEY = "a key of the environment"


class Lines(logging.Handler):
    """What is logged, as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.formatter("test", "json"))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    def of_requests(self) -> list[dict[str, Any]]:
        """The lines that tell of a request."""
        return [line for line in map(json.loads, self.texts) if "route" in line]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger("app")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def locked_client(settings: Settings) -> Iterator[TestClient]:
    """A server that needs a key."""
    app = create_app(settings.model_copy(update={"api_key": KEY}))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def test_each_request_is_one_line(locked_client: TestClient, lines: Lines) -> None:
    """Who, what by its template, how it ended, how long; neither the key, nor the path, nor the query is in it."""
    headers = {"Authorization": f"Bearer {KEY}", "X-Request-ID": "from-a-proxy.1"}
    assert locked_client.get("/api/v1/sweeps/4711?name=hidden", headers=headers).status_code == 422
    (line,) = lines.of_requests()
    assert 0 < line.pop("milliseconds") < 60_000
    assert line.pop("at").endswith("Z")
    assert line == {
        "source": "test",
        "level": "info",
        "logger": "app.web.monitoring.request_log",
        "event": line["event"],
        "request_id": "from-a-proxy.1",
        "method": "GET",
        "route": "/api/v1/sweeps/{sweep_id}",
        "status": 422,
        "key": "PERCEPTUNE_API_KEY",
    }
    written = "".join(lines.texts)
    assert KEY not in written
    assert "hidden" not in written
    assert "4711" not in written


def test_what_is_refused_or_unknown_is_a_line_too(locked_client: TestClient, lines: Lines) -> None:
    """Without a key there is no name; what has no route has no path either."""
    locked_client.get("/api/v1/sweeps")
    locked_client.get("/no/such/place", headers={"Authorization": f"Bearer {KEY}"})
    locked_client.request("BREW", "/api/v1/sweeps")
    assert [(line["method"], line["route"], line["status"], line.get("key")) for line in lines.of_requests()] == [
        ("GET", "(none)", 401, None),
        ("GET", "(none)", 404, "PERCEPTUNE_API_KEY"),
        ("OTHER", "(none)", 401, None),
    ]


def test_probes_are_no_lines(client: TestClient, lines: Lines) -> None:
    """They come every few seconds and say nothing while all is well."""
    assert client.get("/healthz").status_code == 200
    assert lines.of_requests() == []


def test_calls_of_workers_are_no_lines_unless_they_are_refused(client: TestClient, lines: Lines) -> None:
    """Each worker over HTTP makes several a second."""
    call = f"/api/v1/worker/{uuid4()}/check"
    answer = client.post(call, content=pack({}), headers={VERSION_HEADER: program_version()})
    assert (answer.status_code, lines.of_requests()) == (200, [])
    assert client.post(call, content=pack({})).status_code == 426
    assert [line["status"] for line in lines.of_requests()] == [426]


@pytest.mark.parametrize("sent_id", ["", "x" * 65, "two words", "a\tb", "é", "<script>", '"', "a;b"])
def test_an_odd_id_is_replaced(refusing: TestClient, sent_id: str) -> None:
    """What is long, or could break a line or a page, is not said again."""
    answer = refusing.get("/healthz", headers={b"X-Request-ID": sent_id.encode()})
    assert answer.headers["X-Request-ID"] != sent_id
    assert len(answer.headers["X-Request-ID"]) == 32


def test_every_answer_has_an_id_of_its_own(client: TestClient) -> None:
    """Also errors, refusals before a route, and bodies that the framework refuses in plain text; problems repeat it."""
    answers = [
        client.get("/api/v1/sweeps"),
        client.get("/api/v1/sweeps/1"),
        client.get("/api/v1/sweeps", headers={"Host": "a.stranger"}),
        client.post("/api/v1/sweeps", content=b" " * (MAX_BODY_BYTES + 1)),
        client.get("/nowhere"),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 403, 413, 404]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(ids)) == len(ids)
    problems = [answer for answer in answers if answer.headers["Content-Type"] == "application/problem+json"]
    assert [answer.status_code for answer in problems] == [404, 403, 404]
    assert all(problem.json()["request_id"] == problem.headers["X-Request-ID"] for problem in problems)


def test_what_happens_meanwhile_is_logged_with_the_id(client: TestClient, lines: Lines) -> None:
    """An event of the log leads to the request that met it: here the database is gone."""
    engine = client.app.state.engine  # type: ignore[attr-defined]
    wait_until(lambda: not engine.pool.checkedout())  # what the server does as it starts
    engine.dispose()
    engine.pool._creator = _refuse
    answer = client.get("/api/v1/sweeps", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.json()["request_id"]) == (503, "mine")
    events = [line for line in map(json.loads, lines.texts) if line.get("request_id") == "mine"]
    assert [event["level"] for event in events] == ["warning", "warning"]
    assert "the database is gone" in events[0]["event"]


def _refuse(*_: object) -> object:
    raise OperationalError("connect", None, ConnectionRefusedError("gone"))


def test_a_line_of_json_stays_one_line() -> None:
    """Whatever is in a message or a traceback; texts have their traceback below, indented."""
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("app", logging.ERROR, "", 0, "odd\n\u2028 %s", ("é",), (ValueError, error, None))
    line = logs.formatter("test", "json").format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ValueError: two\nlines")
    first_line, *traceback = logs.formatter("test", "text").format(record).splitlines()
    assert first_line.endswith(r"odd\n\u2028 é")
    assert [line for line in traceback if not line.startswith("    ")] == []


def test_the_log_of_a_real_server_is_json_on_request(database_url: str, tmp_path: Path) -> None:
    """PERCEPTUNE_LOG_FORMAT=json: every line of the log is an object, those of the requests among them."""
    variables = {"PERCEPTUNE_HOME": tmp_path, "DATABASE_URL": database_url, "PERCEPTUNE_LOG_FORMAT": "json"}
    with up(tmp_path, "--workers", "0", **variables) as server:
        httpx2.get(f"{server.url}/api/v1/sweeps", headers={"X-Request-ID": "one"})
        server.end(15)
    texts = [text for text in server.log.read_text().splitlines() if text.startswith("{")]
    requests = [line for line in map(json.loads, texts) if line.get("request_id") == "one"]
    assert [(line["source"], line["route"], line["status"]) for line in requests] == [("server", "/api/v1/sweeps", 200)]


def test_a_wrong_format_is_a_sentence() -> None:
    """And says what there is."""
    result: subprocess.CompletedProcess[str] = say_forked("up", PERCEPTUNE_LOG_FORMAT="xml")
    assert result.returncode == 1
    assert "PERCEPTUNE_LOG_FORMAT='xml' can't be used: it should be 'text' or 'json'." in result.stderr


def test_traces_are_off_unless_asked_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PERCEPTUNE_OTEL a request is a span, named after its template, without the address that was sent."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    for otel in (False, True):
        app = create_app(settings.model_copy(update={"otel": otel}))
        with TestClient(app, base_url="http://localhost") as client:
            client.get("/api/v1/sweeps/4711?name=hidden", headers={"X-Request-ID": "mine"})
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /api/v1/sweeps/{sweep_id}"
    assert span.attributes is not None
    assert span.attributes["perceptune.request_id"] == "mine"
    assert span.attributes["url.path"] == "/api/v1/sweeps/{sweep_id}"
    assert span.attributes["http.response.status_code"] == 422
    assert "hidden" not in str(dict(span.attributes))
    assert "4711" not in str(dict(span.attributes))
