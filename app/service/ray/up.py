"""`perceptune ray up`: starts or joins a Ray cluster, and keeps as many workers there as the queue wants."""

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import queries
from app.config import Settings
from app.db.engine import connect, first_line, transaction
from app.db.migrations import is_migrated, migrate
from app.domain.devices.kinds import device_kind
from app.errors import StartError, in_short
from app.service.database import database
from app.service.ray import cluster
from app.service.ray.fleet_size import FleetSize
from app.service.ray.worker_actor import for_workers
from app.service.up import stop_on_signals

if TYPE_CHECKING:
    from app.service.ray.fleet import Fleet

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
LEASE_SECONDS = 5  # where nobody says otherwise: so long after a node's death its trials go to others


def run(settings: Settings, size: FleetSize, *, address: str | None, idle_seconds: float) -> None:
    """Runs until SIGTERM or SIGINT, and drains all workers then. Raises StartError."""
    address = address or os.environ.get("RAY_ADDRESS")
    if address is not None and settings.database_url is None:
        raise StartError("The nodes of a cluster need one database: set DATABASE_URL to a Postgres that all can reach.")
    with cluster.connected(address), database(settings) as settings:
        from app.service.ray.fleet import Fleet  # only now: it imports Ray

        assert settings.database_url is not None
        engine = connect(settings.database_url, "ray")
        check_tables(engine, ours=settings.has_embedded_database)
        leaving = stop_on_signals()  # after Ray, which has handlers of its own
        resources = {"num_cpus": 1} if size.resource == "CPU" else {"num_cpus": 1, "num_gpus": 1}
        fleet = Fleet(resources, worker_variables(settings, size))
        try:
            _keep(fleet, partial(_target_size, settings, size, engine), idle_seconds, leaving)
        finally:
            logger.info("draining %d workers", fleet.size)
            fleet.drain()
            engine.dispose()


def check_tables(engine: Engine, *, ours: bool) -> None:
    """Makes the tables where the database is the embedded one; raises StartError where others have to do so."""
    if ours:
        migrate(engine)
        return
    try:
        with transaction(engine) as session:
            if not is_migrated(session):
                raise StartError("The tables are not those of this version: run `perceptune db upgrade`.")
    except OperationalError as error:
        raise StartError(f"The database can't be reached: {first_line(error)} (DATABASE_URL)") from error


def worker_variables(settings: Settings, size: FleetSize) -> dict[str, str]:
    """What every worker is told: what this process was told, where the database is, and the device."""
    variables = {name: value for name, value in for_workers(os.environ).items() if name.startswith("PERCEPTUNE_")}
    database = {"DATABASE_URL": settings.database_url or ""}
    if settings.has_embedded_database:
        database = {"PERCEPTUNE_HOME": str(settings.home)}
    device = {"PERCEPTUNE_DEVICE": device_of(settings, size)}
    return {"PERCEPTUNE_LEASE_SECONDS": str(LEASE_SECONDS), "OMP_NUM_THREADS": "1"} | variables | database | device


def device_of(settings: Settings, size: FleetSize) -> str:
    """The device of every worker, as settings name it."""
    return settings.device or ("cpu" if size.resource == "CPU" else "cuda")


def _keep(fleet: "Fleet", read_size: Callable[[], int], idle_seconds: float, leaving: threading.Event) -> None:
    """Keeps as many workers as are wanted; fewer only once fewer were wanted for `idle_seconds`."""
    enough_until = time.monotonic()
    while not leaving.is_set():
        try:
            target_size = read_size()
        except (DBAPIError, PoolTimeoutError) as error:
            logger.warning("the queue can't be read: %s", in_short(error))
            target_size = fleet.size
        if target_size >= fleet.size:
            enough_until = time.monotonic() + idle_seconds
        if target_size > fleet.size or time.monotonic() > enough_until:
            logger.info("%d workers wanted, in place of %d", target_size, fleet.size)
            fleet.scale(target_size)
        fleet.watch(POLL_SECONDS)


def _target_size(settings: Settings, size: FleetSize, engine: Engine) -> int:
    kind = device_kind(device_of(settings, size))

    def open_trials(most: int) -> int:
        with transaction(engine) as session:
            return queries.open_trials(session, most, kind)

    return size.workers(cluster.size(size.resource), open_trials)
