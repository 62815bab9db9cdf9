"""kill -9 and SIGSTOP on workers, on Postgres and on the server: nothing is lost, nothing is there twice."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine

from app.config import Settings
from app.db.engine import connect
from app.service.postgres.server import running
from app.service.up import Service
from tests.support.paths import ROOT
from tests.support.queue_examples import BODY, create_sweep, runs_of, sweep_of, trials_of
from tests.support.sweeps.trained_sweeps import are_done, assert_whole, training
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, environment, open_transactions
from worker.liveness.pulse import complaint

KILLS = 10
SEEDS = 2
EPOCHS = 120
LONG = {"hidden_units": {"low": 8, "high": 64}, "epochs": EPOCHS}
# a sampler that learns is asked for few trials at once, so that many cohorts can be killed
SMALL_COHORTS = {"name": "tpe", "n_startup_trials": 4, "n_ei_candidates": 1}


Start = Callable[..., int]


@pytest.fixture
def start(nursery: Nursery, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker on a database and gives its process id; afterwards none is left, and none had a traceback."""
    log = tmp_path / "log"

    def start(url: str, lease_seconds: float = 1) -> int:
        return nursery.worker(environment(url, tmp_path, lease_seconds), log)

    yield start
    nursery.kill_all()
    assert "Traceback" not in log.read_text()


def test_ten_killed_workers_lose_nothing(engine: Engine, database_url: str, nursery: Nursery, start: Start) -> None:
    """A worker is killed in the middle of its cohort and replaced, ten times: every trial has exactly one result."""
    sweeps: list[int] = []
    hurt: set[int] = set()

    def victim() -> int | None:
        """A worker none of whose trials was hurt before: a trial that lost three workers fails, as it should."""
        if are_done(engine, sweeps[-2:]):  # there is always enough to do, however quick the machine
            sweeps.append(create_sweep(engine, space=LONG, sampler=SMALL_COHORTS, n_trials=8, seeds=SEEDS))
        for pid, trials in training(engine, sweeps).items():
            ids = {trial.id for trial in trials}
            if not ids & hurt:
                hurt.update(ids)
                return pid
        return None

    for _ in range(2):
        start(database_url)
    for _ in range(KILLS):
        nursery.kill(wait_until(victim) or 0)
        start(database_url)
    wait_until(lambda: are_done(engine, sweeps))
    again = {trial.id for sweep in sweeps for trial in trials_of(engine, sweep) if trial.attempt > 1}
    assert len(again & hurt) >= KILLS  # not all: some were finished between the look and the kill
    for sweep in sweeps:
        assert_whole(engine, sweep, seeds=SEEDS, epochs=EPOCHS)


def test_a_worker_that_was_frozen_past_its_lease_writes_nothing(
    engine: Engine, database_url: str, nursery: Nursery, start: Start
) -> None:
    """Stopped in the middle, overtaken by another, and woken: it finds its leases gone, and goes on with new work."""
    epochs = 200
    sweep = create_sweep(engine, space=LONG | {"epochs": epochs}, n_trials=4, seeds=SEEDS)
    frozen = start(database_url)

    def is_frozen() -> bool:
        """In the middle of its cohort, and of no transaction, whose locks nobody could wait for."""
        if frozen not in training(engine, [sweep]):
            return False
        os.kill(frozen, signal.SIGSTOP)
        if not open_transactions(engine):
            return True
        os.kill(frozen, signal.SIGCONT)
        return False

    wait_until(is_frozen)
    frozen_trials = training(engine, [sweep])[frozen]
    other_worker = start(database_url)
    wait_until(lambda: are_done(engine, [sweep]))
    before = [(trial.id, trial.value, trial.attempt) for trial in trials_of(engine, sweep)]
    runs = [(run.trial_id, run.seed, run.value, run.seconds) for run in runs_of(engine, sweep)]
    wait_until(lambda: sweep_of(engine, sweep).scored)
    revision = sweep_of(engine, sweep).revision
    os.kill(frozen, signal.SIGCONT)
    nursery.kill(other_worker)
    following = create_sweep(engine, n_trials=2)  # which the other one can't do: it is dead
    wait_until(lambda: are_done(engine, [following]))
    assert {trial.id for trial in frozen_trials} <= {
        trial.id for trial in trials_of(engine, sweep) if trial.attempt >= 2
    }
    assert [(trial.id, trial.value, trial.attempt) for trial in trials_of(engine, sweep)] == before
    assert [(run.trial_id, run.seed, run.value, run.seconds) for run in runs_of(engine, sweep)] == runs
    assert sweep_of(engine, sweep).revision == revision
    assert_whole(engine, sweep, seeds=SEEDS, epochs=epochs)
    assert_whole(engine, following, seeds=1, epochs=2)


def family(pid: int) -> list[int]:
    """A process and its children, by /proc."""
    children = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == pid]
    return [pid, *children]


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has just ended
        return None


class Poster(threading.Thread):
    """Posts sweeps, one after the other; `answered` are the ids of those that were answered 201."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.answered: list[int] = []
        self.refused = 0
        self.enough = threading.Event()

    def run(self) -> None:
        with httpx2.Client(base_url=self.url, timeout=5) as client:
            while not self.enough.wait(0.1):
                try:
                    answer = client.post("/api/v1/sweeps", json=BODY | {"n_trials": 1})
                except httpx2.HTTPError:
                    self.refused += 1
                    continue
                if answer.status_code == 201:
                    self.answered.append(answer.json()["id"])
                else:
                    assert answer.status_code == 503, answer.text
                    self.refused += 1

    def stop(self) -> None:
        self.enough.set()
        self.join(10)
        assert not self.is_alive()


def check(file: Path) -> "subprocess.CompletedProcess[str]":
    """The health check, as a container runs it."""
    command = [sys.executable, "-m", "worker.liveness.pulse"]
    variables = os.environ | {"PERCEPTUNE_PULSE_FILE": str(file)}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=30)


def test_a_worker_is_healthy_until_its_heart_stops(nursery: Nursery, database_url: str, tmp_path: Path) -> None:
    """Not before it has registered, not while it is frozen, and again once it goes on."""
    file = tmp_path / "pulse"
    assert "has not registered yet" in check(file).stderr
    variables = environment(database_url, tmp_path, 3) | {"PERCEPTUNE_PULSE_FILE": str(file)}
    pid = nursery.worker(variables, tmp_path / "log")
    wait_until(lambda: check(file).returncode == 0)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: complaint(file) is not None)
    frozen = check(file)
    assert (frozen.returncode, "No heartbeat for" in frozen.stderr) == (1, True)
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: complaint(file) is None)
    nursery.kill(pid)


def test_nothing_answered_is_lost_with_a_killed_postgres(home: Path, start: Start) -> None:
    """kill -9 on every process of Postgres while sweeps are posted and trained: it is back, and so is all."""
    with running(home) as url:
        settings = Settings(home=home, DATABASE_URL=url, port=0, workers=0, device="cpu", lease_seconds=5)
        with Service(settings) as service:
            engine = connect(url)
            sweep = create_sweep(engine, space=LONG, sampler=SMALL_COHORTS, n_trials=12, seeds=SEEDS)
            start(url, lease_seconds=5)
            poster = Poster(service.url)
            poster.start()
            wait_until(lambda: training(engine, [sweep]) and len(poster.answered) > 5)
            engine.dispose()
            killed = int((home / "postgres/data/postmaster.pid").read_text().partition("\n")[0])
            for pid in family(killed):
                with contextlib.suppress(ProcessLookupError):  # one that served a connection may have ended by itself
                    os.kill(pid, signal.SIGKILL)
            before = len(poster.answered)
            wait_until(lambda: len(poster.answered) > before + 5)
            poster.stop()
            assert poster.refused
            wait_until(lambda: are_done(engine, [sweep]))
            assert_whole(engine, sweep, seeds=SEEDS, epochs=EPOCHS)
            for answered in poster.answered:
                assert len(trials_of(engine, answered)) == 1
            engine.dispose()
