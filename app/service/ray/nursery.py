"""A worker that the nursery of this machine forks for us, and how it is told that it is wanted no more."""

import json
import os
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from app.errors import StartError

RETRY_SECONDS = 0.05
MAX_PATH_BYTES = 103  # of a socket: for more there is no room in its address, on Linux for 107
PEER = struct.Struct("3i")  # process, user and group of who listens


class NurseryWorker:
    """A worker process that lives as long as this one: also where we are killed, it ends in good order."""

    def __init__(self, nursery: str, environment: Mapping[str, str]) -> None:
        """`nursery`: the name of the one to ask, which is started where there is none; `environment`: the worker's.

        Raises StartError where that name is another user's: whoever is asked gets all of the environment.
        """
        self._connection = _connected(_socket_path(nursery), environment)
        request = json.dumps(dict(environment)).encode() + b"\n"
        with suppress(OSError):  # `wait` notices
            socket.send_fds(self._connection, [b" "], [1, 2])  # what it says goes where we say it
            self._connection.sendall(request)

    def wait(self) -> bool:
        """Returns when the worker has ended: whether that was in good order."""
        with self._connection, suppress(OSError):
            return self._connection.recv(1) != b""
        return False

    def drain(self) -> None:
        """Has the worker end its epoch, give its trials back, and end."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)


def _socket_path(nursery: str) -> Path:
    """In a folder that no other user can open; it stays, so that no other user can have its name later."""
    path = Path(tempfile.gettempdir()) / f"perceptune-{nursery}" / "socket"
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        path = Path("/tmp", *path.parts[-2:])
    folder = path.parent
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise StartError(f"{folder} has to be a folder that this user has, and no other can open: remove it.")
    return path


def _connected(path: Path, environment: Mapping[str, str]) -> socket.socket:
    """A connection to the nursery; it takes us up as soon as it has imported everything."""
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            _check_peer(connection, path)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
        command = [sys.executable, "-m", "worker.nursery", str(path)]
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, check=True)
        time.sleep(RETRY_SECONDS)  # for the one that another has just started


def _check_peer(connection: socket.socket, path: Path) -> None:
    if sys.platform == "linux":  # elsewhere the folder alone keeps others out
        _, user, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if user != os.geteuid():
            connection.close()
            raise StartError(f"Another user, of number {user}, listens at {path}: end that program.")
