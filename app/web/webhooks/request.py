"""One signed POST to an address that a stranger may have chosen: never into our own network, never longer than said."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from urllib.parse import SplitResult, urlsplit

SILENCE_SECONDS = 5.0  # the longest wait for the next byte
TOTAL_SECONDS = 15.0  # the longest for all of it
PREFIX = "whsec_"  # of a secret that is base64


class RefusedError(Exception):
    """The address is one that webhooks are not sent to."""


def signature(secret: str, delivery: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`, as in the Standard Webhooks specification 1.0.0."""
    key = base64.b64decode(secret.removeprefix(PREFIX)) if secret.startswith(PREFIX) else secret.encode()
    digest = hmac.new(key, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def post(url: str, secret: str, delivery: str, body: bytes, *, private: bool) -> int:
    """The status of the answer; redirects are not followed.

    Raises RefusedError, OSError, ValueError or http.client.HTTPException, with a sentence, where there is none.
    `private`: addresses of this machine and of local networks are allowed too.
    """
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Perceptune/{version('perceptune')}",
        "webhook-id": delivery,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, delivery, timestamp, body),
    }
    parts = urlsplit(url)
    with _connected(parts, private) as connection:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return connection.getresponse().status


@contextlib.contextmanager
def _connected(parts: SplitResult, private: bool) -> Iterator[http.client.HTTPConnection]:
    """A connection to an address that was checked: a name that is looked up twice may mean another the second time."""
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    with _socket(host, port, private) as plain, _deadline(plain):
        connection = kind(host, port)
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
        with contextlib.closing(connection):
            yield connection


def _socket(host: str, port: int, private: bool) -> socket.socket:
    """A connection to the first of the host's addresses that answers."""
    last: OSError = OSError(f"{host} has no address")
    for address in _addresses(host, port, private):
        try:
            return socket.create_connection((address, port), SILENCE_SECONDS)
        except OSError as error:
            last = error
    raise last


def _addresses(host: str, port: int, private: bool) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    refused = [address for address in addresses if not private and not is_public(address)]
    if refused:
        raise RefusedError(
            f"{host} is at {refused[0]}, on this machine or in a local network: "
            "set PERCEPTUNE_WEBHOOK_PRIVATE=true if webhooks may go there"
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether the address is somewhere on the internet, whichever way it is written."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour or ip.teredo or ip.is_reserved or ip.is_site_local):
        return (
            False  # leads to an IPv4 address by way of somebody else's gateway (64:ff9b::/96 is reserved), or is local
        )
    return ip.is_global and not ip.is_multicast


@contextlib.contextmanager
def _deadline(connection: socket.socket) -> Iterator[None]:
    """Cuts the connection after TOTAL_SECONDS: each byte by itself may come in time."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TOTAL_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
