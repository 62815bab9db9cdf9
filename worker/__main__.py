"""The program `python -m worker`: runs one worker, or with --fetch-data fetches the data set alone."""

import argparse
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

from app import logs
from app.config import Settings, load_settings
from app.errors import StartError, exit_on_error


def main() -> None:
    # until the loop has its own handler: importing torch takes seconds, and in a container, as process 1, SIGTERM
    # would be ignored meanwhile
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parser = argparse.ArgumentParser(prog="perceptune worker")
    parser.add_argument("--parent", type=int, help="process id of the server that started this worker")
    parser.add_argument("--siblings", type=int, default=1, help="workers that start together with this one")
    parser.add_argument("--fetch-data", action="store_true", help="only make the data set be there")
    parser.add_argument("--describe", metavar="HOME", help="only print what there is to train with, as JSON")
    arguments = parser.parse_args()
    with exit_on_error({"torch", "safetensors", "sklearn"}):
        if arguments.describe is not None:
            _describe(Path(arguments.describe))
        elif arguments.fetch_data:
            _fetch_data()
        else:
            _work(arguments.parent, arguments.siblings)


def _work(parent: int | None, siblings: int) -> None:
    configured = load_settings()
    logs.configure(f"worker {os.getpid()}", log_format=configured.log_format)
    if configured.server is None:
        _work_on_database(configured, parent, siblings)
    else:
        _work_for_server(configured, configured.server)


def _work_for_server(settings: Settings, server: str) -> None:
    from app.broker.remote import RemoteBroker
    from worker.loop import run

    if settings.database_url is not None:
        raise StartError(
            "PERCEPTUNE_SERVER and DATABASE_URL are both set: a worker takes its work from one of them, leave one out."
        )
    run(settings, partial(RemoteBroker, server, settings.key))


def _work_on_database(configured: Settings, parent: int | None, siblings: int) -> None:
    from app.broker import database_broker
    from app.db.engine import connect
    from app.db.migrations import migrate
    from app.service.database import database
    from worker.loop import run

    with database(configured) as settings:
        assert settings.database_url is not None
        if configured.database_url is None:
            migrate(connect(settings.database_url))  # the embedded one is ours
        run(settings, partial(database_broker, settings.database_url), parent=parent, siblings=siblings)


def _describe(home: Path) -> None:
    import torch

    from worker.data import datasets
    from worker.device.devices import device_name

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    devices = ["cpu", *(f"{name} {device_name(torch.device(name))}" for name in names)]
    folder = datasets.available("fashion_mnist", home)
    description = {"torch": torch.__version__, "devices": devices, "cores": os.cpu_count(), "fashion_mnist": folder}
    print(json.dumps(description))


def _fetch_data() -> None:
    from worker.data.fetch import fetch

    fetch(load_settings().home)


if __name__ == "__main__":
    main()
