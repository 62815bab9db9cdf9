"""A process that has imported all that a worker needs, and forks one for whoever asks: at once, not in seconds.

`python -m worker.nursery PATH` returns as soon as somebody listens at this socket: the nursery that it has left behind,
or the one that was there. Who asks keeps the connection open as long as it wants the worker, and is told by END that
the worker has ended in good order.
"""

import faulthandler
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from app.errors import exit_on_error
from worker.__main__ import main as run_worker
from worker.signals import end_main_thread

MODULES = ("worker.loop", "app.service.database", "sklearn.datasets")  # what a worker imports by and by
IDLE_SECONDS = 60.0  # without a worker, and nobody has asked for one
UNWANTED_SECONDS = 60.0  # in which a worker ends its epoch and gives its trials back: one that takes longer hangs
END = b"\n"


def main() -> None:
    path = Path(sys.argv[1])
    with path.with_name("lock").open("w") as lock:  # stays: two could each hold the lock of a name that went
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # there is a nursery
            return
        listener = _listen(path)
        if os.fork():
            os._exit(0)  # now the nursery is nobody's child, and outlives whom it was started by
        connection = _serve(listener, path)
        listener.close()
    if connection is not None:
        _work(connection)


def _listen(path: Path) -> socket.socket:
    """A socket that no other user can reach."""
    path.unlink(missing_ok=True)  # of a nursery that was killed
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    listener.bind(str(path))
    os.umask(mask)
    listener.listen(128)
    return listener


def _serve(listener: socket.socket, path: Path) -> socket.socket | None:
    """In each worker the connection of who wants it; in the nursery None, once it is not needed any more."""
    if sys.platform == "linux":  # elsewhere a process with such libraries can't be forked
        with exit_on_error({"torch", "safetensors", "sklearn"}):
            for module in MODULES:
                import_module(module)
    gc.freeze()  # what was imported is in memory once: no worker goes through it, and so writes to it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the workers
    listener.settimeout(IDLE_SECONDS)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if _has_workers():
                continue
            path.unlink(missing_ok=True)
            return None
        if os.fork() == 0:
            return connection
        connection.close()


def _has_workers() -> bool:
    with suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
        return True
    return False


def _work(connection: socket.socket) -> None:
    """Is a worker as long as it is wanted, in the environment and with the output of who asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not _take_request(connection):
        return
    sys.argv[1:] = []
    threading.Thread(target=_end_when_unwanted, args=(connection,), daemon=True).start()
    try:
        run_worker()
    except SystemExit as end:
        if end.code:
            raise
    with suppress(OSError):
        connection.send(END)
    sys.stderr.flush()
    os._exit(0)  # taking apart what was imported would take longer than the fork


def _take_request(connection: socket.socket) -> bool:
    """Puts the environment and the output of who asks in place of ours; False where that one is gone already."""
    _, outputs, _, _ = socket.recv_fds(connection, 1, 2)
    request = connection.makefile().readline()
    if not request:
        return False
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
        os.close(output)
    os.environ.clear()
    os.environ.update(json.loads(request))
    return True


def _end_when_unwanted(connection: socket.socket) -> None:
    """Has this process end once who asked for it has closed the connection, or is gone; by force where it hangs.

    What it has keeps a device that others may have by then; its trials come back with their leases.
    """
    with suppress(OSError):
        connection.recv(1)
    faulthandler.dump_traceback_later(UNWANTED_SECONDS, exit=True)  # and says where it hung
    end_main_thread()


if __name__ == "__main__":
    main()
