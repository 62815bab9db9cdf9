"""Server and workers through a real PgBouncer in both modes, as docs/security.md has it: `make test-pgbouncer`."""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine, make_url, text

from app.config import Settings
from app.service.up import Service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.pgbouncer

CONNECTIONS = text("""
    SELECT regexp_replace(application_name, ' [0-9]+$', '') FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'perceptune worker%'
""")
CONFIGURATION = """
[databases]
* = host={socket} port=5432 user=perceptune
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {connections}
logfile = {folder}/log
"""


@contextmanager
def bouncer(socket_folder: Path, port: int, folder: Path, mode: str) -> Iterator[None]:
    """PgBouncer on this port, as the user of Postgres: it refuses to be root."""
    connections = 40 if mode == "session" else 6  # shared by the server and two workers
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    assert program is not None, "these tests need pgbouncer: apt-get install pgbouncer"
    (folder / "users.txt").write_text('"perceptune" ""\n')
    values = {"socket": socket_folder, "port": port, "folder": folder, "mode": mode, "connections": connections}
    (folder / "ini").write_text(CONFIGURATION.format(**values))
    user = pwd.getpwnam(socket_folder.owner())
    command = [program, str(folder / "ini")]
    if os.geteuid() == 0:
        shutil.chown(folder, user.pw_name)
        command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--", *command]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), 20)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def most_connections(engine: Engine) -> Iterator[Counter[str]]:
    """How many connections the workers had at most at one time, by what they are for, looked at many times a second."""
    most: Counter[str] = Counter()
    leaving = threading.Event()

    def look() -> None:
        while not leaving.wait(0.05):
            with engine.connect() as connection:
                names = Counter(connection.execute(CONNECTIONS).scalars())
            most.update({"all": max(0, names.total() - most["all"])})
            most.update({name: max(0, count - most[name]) for name, count in names.items()})

    thread = threading.Thread(target=look)
    thread.start()
    yield most
    leaving.set()
    thread.join()


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("session", ""),
        ("transaction", "?pool_mode=transaction&direct={socket}"),
        ("transaction", "?pool_mode=transaction"),  # without live events, by polls
    ],
)
def test_a_sweep_is_trained_through_it(engine: Engine, settings: Settings, home: Path, mode: str, suffix: str) -> None:
    """Search, pruning, live events and all; a worker has at most two connections."""
    url = make_url(str(settings.database_url))
    with engine.begin() as connection:  # whoever PgBouncer runs as may come in as our role
        data = Path(str(connection.scalar(text("SHOW data_directory"))))
        identities = data / "pg_ident.conf"
        identities.write_text(identities.read_text() + f'clients "{data.owner()}" perceptune\n')
        connection.execute(text("SELECT pg_reload_conf()"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = home / "bouncer"
    folder.mkdir()
    socket_folder = Path(str(url.query["host"]))
    address = f"postgresql://perceptune@127.0.0.1:{port}/{url.database}{suffix.format(socket=socket_folder)}"
    through = settings.model_copy(update={"database_url": address, "workers": 2})
    with (
        bouncer(socket_folder, port, folder, mode),
        most_connections(engine) as most,
        Service(through) as service,
        httpx2.Client(base_url=service.url, timeout=60) as api,
    ):
        space = {"hidden_units": {"low": 4, "high": 64}, "epochs": 20}
        body = {"name": "through", "dataset": "digits", "space": space, "sampler": "tpe", "n_trials": 60}
        sweep = api.post("/api/v1/sweeps", json=body | {"pruner": "median"}).raise_for_status().headers["Location"]
        with api.stream("GET", f"{sweep}/events") as stream:
            assert any('"state":"completed"' in line.replace(" ", "") for line in stream.iter_lines())
        counts = api.get(sweep).json()["counts"]
        assert (counts["complete"] + counts["pruned"], counts["failed"]) == (60, 0)
    print(f"connections of two workers at most: {dict(most)}")
    assert mode == "transaction" or most["all"] <= 4
