"""Sources of a model: the service by its numbers, an address, a file; and what stands where the service should."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from app.config import Settings
from app.errors import InvalidError
from worker.predict.model_source import read_model


def test_a_model_that_is_not_there_is_refused(settings: Settings) -> None:
    """Neither a file nor numbers, and a server that does not answer."""
    with pytest.raises(InvalidError, match="There is no file nowhere: name a model file, its address on a server"):
        read_model("nowhere", settings)
    with pytest.raises(InvalidError, match="can't be read: File name too long"):
        read_model("n" * 300, settings)
    for model in ("http://127.0.0.1:9/model", "1/2", "http://[", "http://127.0.0.1:port/"):
        with pytest.raises(InvalidError, match="can't be reached: "):
            read_model(model, settings.model_copy(update={"port": 9}))


@contextmanager
def answering(status: int, content: str, **headers: str) -> Iterator[tuple[int, list[str | None]]]:
    """The port of a program that gives this answer, and the keys that it is given."""
    keys: list[str | None] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers["Authorization"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, keys
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("content", ["<html>", "{}", "[]"])
def test_another_program_in_place_of_the_service_is_named(settings: Settings, content: str) -> None:
    """Its address, and that it does not speak as the service does."""
    with (
        answering(200, content) as (port, _),
        pytest.raises(InvalidError, match=r"/sweeps/7 answers, but not as Perceptune does\.$"),
    ):
        read_model("7", settings.model_copy(update={"port": port}))


def test_the_key_is_for_the_service_alone(settings: Settings) -> None:
    """It goes to the service's port, by number or by address; not to another one, and not where an answer leads."""
    with (
        answering(200, "x") as (port, keys),
        answering(302, "", Location=f"http://localhost:{port}/") as (other_port, _),
    ):
        our_settings = settings.model_copy(update={"port": port, "api_key": "long enough"})
        for model in ("1/2", f"http://localhost:{port}/model"):
            assert read_model(model, our_settings) == b"x"
        assert read_model(f"http://localhost:{port}/", our_settings.model_copy(update={"port": other_port})) == b"x"
        assert keys == ["Bearer long enough"] * 2 + [None]
        with pytest.raises(InvalidError, match="answers 302: Found"):
            read_model("1/2", our_settings.model_copy(update={"port": other_port}))
        assert len(keys) == 3


def test_the_service_is_where_all_commands_find_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """PERCEPTUNE_URL is asked, with the key, and not the port of the settings."""
    with answering(200, "x") as (port, keys), answering(200, "y") as (other_port, other_keys):
        monkeypatch.setenv("PERCEPTUNE_URL", f"http://127.0.0.1:{port}/")
        assert read_model("1/2", settings.model_copy(update={"port": other_port, "api_key": "long enough"})) == b"x"
        assert (keys, other_keys) == (["Bearer long enough"], [])
