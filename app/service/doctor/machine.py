"""What the machine has for a service: the data folder, disk, memory, and the port."""

import os
import shutil
import socket
import urllib.request
from contextlib import suppress
from pathlib import Path

from app.config import Settings, local_address
from app.host_memory import free_host_memory
from app.service.doctor.finding import Finding, fail, ok, warn

GIB = 2**30
FEW_DISK_BYTES, NO_DISK_BYTES = 5 * GIB, GIB // 2
FEW_MEMORY_BYTES, NO_MEMORY_BYTES = 2 * GIB, GIB // 2


def data_folder(settings: Settings) -> Finding:
    """Whether we can write where the database and the data sets are, or will be."""
    subject, folder = "data folder", _existing(settings.home)
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail(subject, f"{folder} can't be written: choose another folder with PERCEPTUNE_HOME.")
    if folder != settings.home:
        return ok(subject, f"{settings.home} will be made by `perceptune up`.")
    return ok(subject, f"{folder} can be written.")


def disk(settings: Settings) -> Finding:
    """How much room is left there."""
    usage = shutil.disk_usage(_existing(settings.home))
    free = f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB are free in {settings.home}"
    if usage.free < NO_DISK_BYTES:
        return fail("disk", f"{free}: Postgres stops when it is full. Delete sweeps or files, or move the folder.")
    if usage.free < FEW_DISK_BYTES:
        return warn("disk", f"{free}: weights, checkpoints and dumps take more than that soon.")
    return ok("disk", f"{free}.")


def memory() -> Finding:
    """How much is free, within the container's limit where there is one."""
    free_bytes = free_host_memory()
    if free_bytes is None:
        return warn("memory", "This system does not tell how much is free.")
    free = f"{free_bytes / GIB:.1f} GiB are free"
    if free_bytes < NO_MEMORY_BYTES:
        return fail("memory", f"{free}: a worker needs about 0.5 GiB for itself. End other programs.")
    if free_bytes < FEW_MEMORY_BYTES:
        return warn("memory", f"{free}: start few workers, --workers 1, and train small networks.")
    return ok("memory", f"{free}.")


def port(settings: Settings) -> Finding:
    """Whether the server can listen, or does."""
    place = f"{settings.host}:{settings.port}"
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host.strip("[]"), settings.port))
        except OSError as error:
            if _is_ours(settings):
                return ok("port", f"Perceptune serves on {place}.")
            return fail("port", f"{place} can't be had ({error.strerror}): choose another with --port or --host.")
    return ok("port", f"{place} is free.")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _is_ours(settings: Settings) -> bool:
    address = f"{local_address(settings.host, settings.port)}/healthz"
    with suppress(OSError, ValueError), urllib.request.urlopen(address, timeout=3) as answer:
        return bool(answer.headers.get("X-Request-ID"))
    return False
