"""One signed POST to an address that a stranger may have chosen.

It never goes into our own network unless that is allowed, and never takes longer than TOTAL_SECONDS.
"""

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
TOTAL_SECONDS = 15.0  # the longest for all of it, once it is connected
MAX_ADDRESSES = 3  # of a host that are tried: one that names hundreds would keep a sender from all others
PREFIX = "whsec_"  # of a secret that is base64


class RefusedError(Exception):
    """The address is one that webhooks are not sent to."""


def signature(secret: str, delivery: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`, as in the Standard Webhooks specification 1.0.0."""
    key = base64.b64decode(secret.removeprefix(PREFIX)) if secret.startswith(PREFIX) else secret.encode()
    digest = hmac.new(key, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def post(url: str, secret: str, delivery: str, body: bytes, *, allow_private: bool) -> int:
    """The status of the answer; redirects are not followed.

    Raises RefusedError, OSError, ValueError or http.client.HTTPException, with a sentence, where there is none.
    `allow_private`: it may go to addresses of this machine and of local networks too.
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
    with _connected(parts, allow_private) as connection:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return connection.getresponse().status


@contextlib.contextmanager
def _connected(parts: SplitResult, allow_private: bool) -> Iterator[http.client.HTTPConnection]:
    """A connection to an address that was checked.

    The host is looked up once: the second time its name may stand for another address.
    """
    is_secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_secure else 80)
    connection_type = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
    with _socket(host, port, allow_private) as plain, _deadline(plain):
        connection = connection_type(host, port)
        connection.sock = plain
        if is_secure:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        with contextlib.closing(connection):
            yield connection


def _socket(host: str, port: int, allow_private: bool) -> socket.socket:
    """A connection to the first of the host's first addresses that answers."""
    last_error = OSError(f"{host} has no address")
    for address in _addresses(host, port, allow_private)[:MAX_ADDRESSES]:
        try:
            return socket.create_connection((address, port), SILENCE_SECONDS)
        except OSError as error:
            last_error = error
    raise last_error


def _addresses(host: str, port: int, allow_private: bool) -> list[str]:
    """The addresses of the host, each once. Raises RefusedError where one of them is private and may not be."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address) for *_, (address, *_) in infos))
    private_addresses = [address for address in addresses if not is_public(address)]
    if private_addresses and not allow_private:
        place = "" if host == private_addresses[0] else f"at {private_addresses[0]}, "
        raise RefusedError(
            f"{host} is {place}on this machine or in a local network: "
            "set PERCEPTUNE_WEBHOOK_PRIVATE=true if webhooks may go there"
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether the address is somewhere on the internet, whichever way it is written."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour or ip.teredo or ip.is_reserved or ip.is_site_local):
        # local, or leads to an IPv4 address by way of somebody else's gateway (64:ff9b::/96 is reserved)
        return False
    return ip.is_global and not ip.is_multicast


@contextlib.contextmanager
def _deadline(connection: socket.socket) -> Iterator[None]:
    """Cuts the connection after TOTAL_SECONDS: each byte by itself may come in time."""
    with connection.dup() as duplicate:  # TLS takes the socket itself over, which can't be cut then

        def cut() -> None:
            with contextlib.suppress(OSError):
                duplicate.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(TOTAL_SECONDS, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
