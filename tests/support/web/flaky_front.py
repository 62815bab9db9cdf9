"""A web server before the real one that refuses, drops and loses as it is told, and knows no streams."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Fault = Literal["busy", "unavailable", "refused before", "answer lost"]
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Front:
    """`faults`: what befalls the next requests; `calls`: method and path of each that came."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


@contextmanager
def before(server: str) -> Iterator[Front]:
    """A front of this server."""
    front = Front()
    target = urlsplit(server)

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            front.calls.append(f"{self.command} {self.path}")
            fault = front.faults.pop(0) if front.faults else None
            if self.path.endswith("/events"):
                self._answer(404, [], b"")
            elif fault == "busy":
                self._answer(503, [("Retry-After", "0")], json.dumps(_BUSY).encode())
            elif fault == "unavailable":
                self._answer(503, [], json.dumps(_BUSY).encode())
            elif fault == "refused before":
                self.close_connection = True
            else:
                self._pass_on(body, loses_answer=fault == "answer lost")

        def _pass_on(self, body: bytes, *, loses_answer: bool) -> None:
            connection = HTTPConnection(str(target.hostname), target.port, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if not loses_answer:
                self._answer(answer.status, answer.getheaders(), content)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    for method in ("GET", "POST", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._handle)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    front.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield front
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


_BUSY = {"type": "about:blank", "title": "Not available", "status": 503, "detail": "Try again in a moment."}
