"""One request to a webhook: to which addresses it goes, and that it takes no longer than it may."""

import http.client
import socket
import time
from typing import Any

import pytest

from app.web.webhooks import request
from app.web.webhooks.request import is_public
from tests.support.queue_examples import at_once

SECRET = "0123456789abcdef"
TLS_RECORD = b"\x16\x03\x03\x3f\x00"  # the begin of the server's part of a handshake, of 16,128 bytes


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, True) for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")),
        *((address, False) for address in ("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "0.0.0.0")),
        *((address, False) for address in ("169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255")),
        *((address, False) for address in ("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1")),
        *((address, False) for address in ("64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254")),
        *((address, False) for address in ("64:ff9b:1::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1", "fec0::1")),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """Loopback, private, link-local, shared and multicast ones are not, nor what stands for them in IPv6."""
    assert is_public(address) is public


@pytest.mark.parametrize(("scheme", "begin"), [("http", b""), ("https", TLS_RECORD)])
def test_a_server_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch, scheme: str, begin: bytes) -> None:
    """Each byte comes in time, and the whole would take for ever."""
    monkeypatch.setattr(request, "TOTAL_SECONDS", 0.5)
    seconds = 0.0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(begin)
                for _ in range(500):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return
                    time.sleep(0.02)

        def ask() -> None:
            nonlocal seconds
            started = time.monotonic()
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises((OSError, http.client.HTTPException)):
                request.post(url, SECRET, "id", b"{}", allow_private=True)
            seconds = time.monotonic() - started

        at_once([drip, ask])
    assert 0.4 < seconds < 8  # the other end would go on for ten


def test_a_host_of_many_addresses_keeps_no_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are tried: of hundreds that answer nothing each would be waited for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.1.{n}", port)) for n in range(1, 200)]
        infos.append((*infos[0][:4], ("127.0.0.1", port)))
        look_up = socket.getaddrinfo

        def look_up_many(host: str, *arguments: Any, **options: Any) -> Any:
            return infos if host == "many.example" else look_up(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up_many)
        with pytest.raises(ConnectionRefusedError):
            request.post(f"http://many.example:{port}/", SECRET, "id", b"{}", allow_private=True)
