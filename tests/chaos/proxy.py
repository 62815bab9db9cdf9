"""A network of our own between workers and what they work for, that can be cut and can stall."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK = 2**16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset, as a firewall or a dead host's successor does


class Proxy:
    """Takes connections on a port of loopback and passes them on to a Unix socket, or another port of loopback."""

    def __init__(self, target: Path | int) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._down = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Resets every connection; returns how many there were."""
        with self._lock:
            cut, self._open = self._open, set()
        for end in cut:
            _reset(end)
        return len(cut) // 2

    @contextmanager
    def down(self) -> Iterator[None]:
        """Cuts, and refuses whoever connects until the block ends."""
        self._down = True
        self.cut()
        yield
        self._down = False

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Lets nothing through until the block ends, as a network does that drops packets."""
        self._flows.clear()
        yield
        self._flows.set()

    def close(self) -> None:
        self._flows.set()
        self._down = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_INET if isinstance(self._target, int) else socket.AF_UNIX)
        try:
            if self._down:
                raise ConnectionRefusedError
            server.connect(("127.0.0.1", self._target) if isinstance(self._target, int) else str(self._target))
        except OSError:
            _reset(client)
            server.close()
            return
        with self._lock:
            self._open |= {client, server}
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Passes bytes one way until either end is closed, then closes both."""
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                target.sendall(data)
        with self._lock:
            self._open -= {source, target}
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        if end.family == socket.AF_INET:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
    end.close()
