"""The nursery forks workers that live as long as who asked for them, and nobody has to wait for their imports."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app.db.engine import transaction
from app.db.tables import Worker
from app.domain.states import WorkerState
from app.errors import StartError
from app.service.ray import worker_actor
from app.service.ray.nursery import NurseryWorker
from tests.ray_cluster.nodes import parent
from tests.support.machine.other_users import AS_ROOT
from tests.support.paths import ROOT
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment, is_alive

Ask = Callable[[], NurseryWorker]


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """Of a nursery of the module's own, which is not there before it is asked; afterwards none is left."""
    name = secrets.token_hex(8)
    yield name
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"perceptune-{name}" in path.read_text():
                os.kill(int(path.parent.name), signal.SIGKILL)
    for place in (tempfile.gettempdir(), "/tmp"):
        shutil.rmtree(Path(place, f"perceptune-{name}"), ignore_errors=True)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That of the socket of a nursery that nobody has started; its name is `perceptune-` and the nursery's."""
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    folder = Path("/tmp", f"perceptune-{secrets.token_hex(8)}")
    yield folder
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def nursery_of(folder: Path) -> str:
    return folder.name.removeprefix("perceptune-")


@pytest.fixture
def ask(name: str, database_url: str, tmp_path: Path) -> Iterator[Ask]:
    """Asks for a worker on the test's database; afterwards all are gone."""
    asked: list[NurseryWorker] = []

    def ask() -> NurseryWorker:
        asked.append(NurseryWorker(name, environment(database_url, tmp_path)))
        return asked[-1]

    yield ask
    for worker in asked:
        worker.drain()
        worker.wait()


def signed_on(engine: Engine, workers: int) -> list[int]:
    """The process ids of all that have signed on, in this order, once there are so many."""

    def pids() -> list[int]:
        with transaction(engine) as session:
            return list(session.scalars(select(Worker.pid).order_by(Worker.started_at)))

    return wait_until(lambda: pids() if len(pids()) == workers else [])


def test_a_drained_worker_ends_in_good_order_and_a_killed_one_does_not(ask: Ask, engine: Engine) -> None:
    """Who has asked is told which it was; both are of one nursery."""
    drained = ask()
    (first,) = signed_on(engine, 1)
    killed = ask()
    second = signed_on(engine, 2)[1]
    assert parent(first) == parent(second)
    drained.drain()
    os.kill(second, signal.SIGKILL)
    assert (drained.wait(), killed.wait()) == (True, False)
    with transaction(engine) as session:
        worker = session.scalars(select(Worker).where(Worker.pid == first)).one()
        assert worker.state == WorkerState.stopped


def test_a_killed_worker_is_followed_by_another_and_a_drained_one_is_not(
    name: str, database_url: str, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An actor keeps one worker until it is told to drain it."""
    monkeypatch.setattr(worker_actor, "EARLY_SECONDS", 0)
    actor = worker_actor.WorkerActor(environment(database_url, tmp_path), name)
    keeping = threading.Thread(target=actor.work)
    keeping.start()
    (first,) = signed_on(engine, 1)
    os.kill(first, signal.SIGKILL)
    second = signed_on(engine, 2)[1]
    actor.drain()
    keeping.join(60)
    assert not keeping.is_alive()
    wait_until(lambda: not is_alive(second))


def test_a_worker_ends_with_who_has_asked_and_not_with_its_nursery(
    name: str, database_url: str, tmp_path: Path, engine: Engine
) -> None:
    """Both are killed: the worker goes on, then signs off; the next who asks has a new nursery."""
    program = "import os, sys; from app.service.ray.nursery import NurseryWorker as W; w = W(sys.argv[1], os.environ)"
    asks = [sys.executable, "-c", program, name]
    waits = [sys.executable, "-c", f"{program}; w.wait()", name]
    variables = environment(database_url, tmp_path)
    with subprocess.Popen(waits, cwd=ROOT, env=variables) as process:
        (pid,) = signed_on(engine, 1)
        nursery = parent(pid)
        os.kill(nursery, signal.SIGKILL)
        wait_until(lambda: not is_alive(nursery))
        subprocess.run(asks, cwd=ROOT, env=variables, check=True)  # ends as soon as somebody listens
        assert is_alive(pid)
        process.kill()
    wait_until(lambda: not is_alive(pid))
    with transaction(engine) as session:
        assert session.scalars(select(Worker.state)).all() == [WorkerState.stopped]


@pytest.mark.skipif(not AS_ROOT, reason="only root can be another user")
def test_another_user_who_listens_is_told_nothing(folder: Path) -> None:
    """Neither the environment, which has the way to the database, nor what the worker's output is."""
    folder.mkdir(0o700)
    program = """if True:
        import os, socket, sys
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        os.seteuid(65534)
        listener.listen()
        print("listens", flush=True)
        print(listener.accept()[0].recv(1))
        """
    command = [sys.executable, "-c", program, str(folder / "socket")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"
        with pytest.raises(StartError, match="Another user, of number 65534, listens at"):
            NurseryWorker(nursery_of(folder), os.environ)
        assert process.stdout.read() == "b''\n"


def open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def owned_by_another(folder: Path) -> None:
    if not AS_ROOT:
        pytest.skip("only root can give a folder away")
    folder.mkdir(0o700)
    os.chown(folder, 65534, -1)


def linked_from_elsewhere(folder: Path) -> None:
    folder.symlink_to(folder.with_suffix(".elsewhere"))


@pytest.mark.parametrize("make", [open_to_all, owned_by_another, linked_from_elsewhere])
def test_a_folder_that_others_can_change_is_refused(folder: Path, make: Callable[[Path], None]) -> None:
    """In one sentence that says what to do, before anything is started or told."""
    make(folder)
    with pytest.raises(StartError, match=f"{folder} has to be a folder .*: remove it"):
        NurseryWorker(nursery_of(folder), os.environ)


def test_a_long_name_of_the_place_for_temporary_files_is_no_obstacle(
    ask: Ask, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's address has room for 107 bytes: the nursery is then asked in /tmp."""
    place = tmp_path / ("job" * 40)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    ask()
    signed_on(engine, 1)


def test_a_worker_that_a_nursery_which_ends_did_not_take_up_has_not_ended_in_good_order(folder: Path) -> None:
    """It was asked between its last look and its end: so who has asked asks the next one."""
    folder.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        worker = NurseryWorker(nursery_of(folder), os.environ)
    assert not worker.wait()


def test_a_nursery_that_nobody_asks_ends_and_leaves_its_lock(folder: Path) -> None:
    """Who has opened the lock meanwhile and who comes later must not each hold one of their own."""
    folder.mkdir(0o700)
    program = "from worker import nursery; nursery.MODULES = (); nursery.IDLE_SECONDS = 0.01; nursery.main()"
    command = [sys.executable, "-c", program, str(folder / "socket")]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # returns when nobody can write any more
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_worker_that_hangs_ends_though_not_in_good_order(tmp_path: Path) -> None:
    """SIGTERM does not reach it, as in a call of a device that does not return: it is ended, and says where it was."""
    program = """if True:
        import signal, socket, time
        from worker import nursery
        def hang():
            signal.signal(signal.SIGTERM, lambda *_: print("told to end", flush=True))
            print("hangs", flush=True)
            time.sleep(600)
        nursery.UNWANTED_SECONDS = 5
        nursery.run_worker = hang
        nursery._work(socket.socket(fileno=0))
        """
    ours, its_end = socket.socketpair()
    log = tmp_path / "log"
    with ours, its_end, log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=its_end.fileno(), stdout=output)
        its_end.close()
        socket.send_fds(ours, [b" "], [output.fileno(), output.fileno()])
        ours.sendall(b"{}\n")
        try:
            wait_until(lambda: "hangs" in log.read_text())
            ours.shutdown(socket.SHUT_WR)
            assert process.wait(60) == 1
        finally:
            process.kill()
        assert ours.recv(1) == b""
    assert "told to end" in log.read_text()
    assert "in hang" in log.read_text()
