"""Workers over HTTP: without a database they train the same sweeps to the same results, whatever breaks."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app.access import keys
from app.access.commands import worker_command
from app.broker import remote
from app.config import Settings
from app.db.engine import transaction
from app.db.migrations import program_version
from app.db.tables import Epoch, Trial
from app.domain.people.roles import Role
from app.errors import StartError
from app.service.up import Service
from tests.support.queue_examples import create_sweep
from tests.support.sweeps.trained_sweeps import are_done, assert_whole, training
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, environment

SEEDS, EPOCHS = 2, 60
SWEEP = {"space": {"hidden_units": {"low": 8, "high": 64}, "epochs": EPOCHS}, "n_trials": 8, "seeds": SEEDS, "seed": 3}


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """A server without workers of its own."""
    with Service(settings) as service:
        yield service


def refusal(url: str, key: str | None = None) -> str:
    """What a worker is told that may not sign on."""
    with (
        pytest.raises(StartError) as error,
        closing(remote.RemoteBroker(url, key, threading.Event())) as broker,
    ):
        broker.check()
    return error.value.detail


def curves(engine: Engine, sweep: int) -> dict[tuple[int, int, int], tuple[float | None, float | None]]:
    """The losses by number, seed and epoch."""
    columns = (Trial.number, Epoch.seed, Epoch.epoch, Epoch.train_loss, Epoch.val_loss)
    with transaction(engine) as session:
        rows = session.execute(select(*columns).join(Trial, Trial.id == Epoch.trial_id).where(Trial.sweep_id == sweep))
        return {(row.number, row.seed, row.epoch): (row.train_loss, row.val_loss) for row in rows}


def test_a_worker_without_a_database_comes_to_the_same_results_also_when_one_is_killed(
    service: Service, engine: Engine, database_url: str, nursery: Nursery, tmp_path: Path
) -> None:
    """With a key for workers alone; what a worker held that was killed is trained by the next, each result once."""
    with transaction(engine) as session:
        key = keys.create(session, "gpu-box", Role.worker)[1]
    log = tmp_path / "log"
    over_http = environment("", tmp_path, 1) | {"PERCEPTUNE_SERVER": service.url, "PERCEPTUNE_KEY": key}
    sweep = create_sweep(engine, **SWEEP)
    victim = nursery.worker(over_http, log)
    wait_until(lambda: victim in training(engine, [sweep]))
    nursery.kill(victim)
    nursery.worker(over_http, log)
    wait_until(lambda: are_done(engine, [sweep]))
    assert_whole(engine, sweep, seeds=SEEDS, epochs=EPOCHS)
    nursery.kill_all()
    direct = create_sweep(engine, **SWEEP)
    nursery.worker(environment(database_url, tmp_path, 1), log)
    wait_until(lambda: are_done(engine, [direct]))
    remote_curves, direct_curves = curves(engine, sweep), curves(engine, direct)
    assert remote_curves.keys() == direct_curves.keys()
    for point, losses in direct_curves.items():
        assert remote_curves[point] == pytest.approx(losses, abs=1e-6)
    assert "Traceback" not in log.read_text()


def test_a_worker_that_the_server_does_not_take_is_told_why(
    service: Service, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence: another version, a key of another role, no key, no server at all."""
    with transaction(engine) as session:
        roles = (Role.worker, Role.read)
        worker_key, reading_key = (keys.create(session, f"a {role} key", role)[1] for role in roles)
    assert "Send a key of this server" in refusal(service.url)
    assert refusal(service.url, reading_key) == (
        "The server refuses this worker: This needs a key with the role worker; 'a read key' has the role read."
    )
    monkeypatch.setattr(remote, "program_version", lambda: "0.0.1 (tables 0001)")
    assert refusal(service.url, worker_key) == (
        "The server refuses this worker: The worker has version 0.0.1 (tables 0001) and the server version "
        f"{program_version()}: install the server's version where the worker runs."
    )
    for address in ("gpu-box", "ftp://gpu-box", "http://"):
        assert refusal(address).endswith("is no address of a server: write https://HOST or http://HOST:PORT.")


def test_the_command_for_another_machine_has_its_key_once(engine: Engine) -> None:
    """None where none is needed; a new one where there is none for workers yet; later a word in its place."""
    command = "perceptune worker --server http://here:8000"
    with transaction(engine) as session:
        assert worker_command(session, "http://here:8000", needs_key=False) == command
        first = worker_command(session, "http://here:8000", needs_key=True)
        caller = keys.find(session, first.removeprefix(f"{command} --key "))
        assert caller is not None
        assert caller.role == Role.worker
        assert worker_command(session, "http://here:8000", needs_key=False) == f"{command} --key KEY"
