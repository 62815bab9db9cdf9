"""`perceptune ray up` on a real Ray cluster of two nodes: what is killed comes back, and nothing is lost."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.engine import connect, transaction
from app.db.tables import Trial, Worker
from app.domain.states import TrialState, WorkerState
from app.queue.workers import IS_LIVE
from tests.conftest import new_database
from tests.ray_cluster.nodes import NODE, actor_of, cluster_of, family, kill_at_once, parent, seconds_of_life
from tests.support.paths import ROOT
from tests.support.queue_examples import ENDLESS, change, create_sweep, expire, runs_of, states, trials_of
from tests.support.sweeps.trained_sweeps import are_done, assert_whole, training
from tests.support.up_process import COMMAND, environment
from tests.support.waiting import wait_until
from tests.support.worker_processes import is_alive

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]
EPOCHS = 300
SEEDS = 2
GRID: dict[str, Any] = {
    "space": {"hidden_units": [8, 12, 16, 20, 24, 28, 32, 36], "learning_rate": [0.02, 0.1], "epochs": EPOCHS},
    "sampler": "grid",
    "n_trials": None,
    "seeds": SEEDS,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of(1, 1) as cluster:
        yield cluster


@pytest.fixture
def engine(postgres: str, template: str) -> Iterator[Engine]:
    with new_database(postgres, template) as url:
        engine = connect(url)
        yield engine
        engine.dispose()


@contextmanager
def ray_up(cluster: Any, engine: Engine, folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The command on the cluster, ended at the end, with all its workers, if it still runs."""
    url = engine.url.render_as_string(hide_password=False)
    variables = environment(DATABASE_URL=url, PERCEPTUNE_HOME=folder)
    with (folder / "log").open("ab") as log:
        command = [*COMMAND, "ray", "up", "--address", cluster.address, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
    with process:
        try:
            yield process
        finally:
            process.kill()
            print((folder / "log").read_text())


def live_workers(engine: Engine) -> list[int]:
    """The process ids of workers that live, by what they say and by what the system says."""
    with transaction(engine) as session:
        pids = session.scalars(select(Worker.pid).where(IS_LIVE).order_by(Worker.started_at)).all()
    return [pid for pid in pids if is_alive(pid)]


def seconds_until(condition: Any) -> float:
    """How long it took, looked at often."""
    begin = time.monotonic()
    wait_until(condition)
    return time.monotonic() - begin


def values(engine: Engine, sweep: int) -> list[float | None]:
    """Of all runs, in the order of trials and seeds."""
    return [run.value for run in runs_of(engine, sweep)]


def both_train(engine: Engine, sweep: int) -> list[int]:
    """The workers that train the sweep, once there are two."""
    pids = list(training(engine, [sweep]))
    return pids if len(pids) == 2 else []


def test_killed_actors_and_nodes_lose_nothing(cluster: Any, engine: Engine, tmp_path: Path) -> None:
    """An actor is killed, then a node as if by a power cut: each comes back, and results are those of a calm sweep."""
    with ray_up(cluster, engine, tmp_path, "--workers", "2") as process:
        wait_until(lambda: len(live_workers(engine)) == 2)
        calm = create_sweep(engine, **GRID)
        wait_until(lambda: are_done(engine, [calm]))

        first = create_sweep(engine, **GRID)
        victim = wait_until(lambda: both_train(engine, first))[0]
        kill_at_once(actor_of(victim), victim)
        print(f"a killed actor's worker {times_of_return(engine, first, victim)}")
        wait_until(lambda: are_done(engine, [first]))

        second = create_sweep(engine, **GRID)
        by_node = {parent(actor_of(pid)): pid for pid in wait_until(lambda: both_train(engine, second))}
        (raylet,) = by_node.keys() - {node_of(cluster.head_node)}
        lost = by_node[raylet]
        kill_at_once(*family(raylet), lost)
        print(f"a killed node's trials are with others after {seconds_until(lambda: not holds(engine, lost)):.1f} s")
        wait_until(lambda: are_done(engine, [second]))
        cluster.add_node(**NODE)
        print(f"on a new node its worker is back after {seconds_until(lambda: len(live_workers(engine)) == 2):.1f} s")

        for sweep in (calm, first, second):
            assert_whole(engine, sweep, seeds=SEEDS, epochs=EPOCHS)
        assert values(engine, first) == values(engine, second) == values(engine, calm)
        assert max(trial.attempt for trial in trials_of(engine, second)) == 2
        assert end(process) == 0
    assert live_workers(engine) == []


def times_of_return(engine: Engine, sweep: int, victim: int) -> str:
    """How long after its death a worker's successor had an actor, a process, had signed on, and trained the sweep."""
    begin = time.monotonic()
    successor = wait_until(lambda: two_without(engine, victim))[0]
    signed_on = time.monotonic() - begin
    actor, process = signed_on - seconds_of_life(actor_of(successor)), signed_on - seconds_of_life(successor)
    trains = signed_on + seconds_until(lambda: holds(engine, successor) or are_done(engine, [sweep]))
    times = {"has a new actor": actor, "a process": process, "has signed on": signed_on, "trains": trains}
    return ", ".join(f"{what} after {seconds:.1f} s" for what, seconds in times.items())


def two_without(engine: Engine, victim: int) -> list[int]:
    """The workers once there are two again, the newest first."""
    pids = [pid for pid in reversed(live_workers(engine)) if pid != victim]
    return pids if len(pids) == 2 else []


def node_of(node: Any) -> int:
    """The process of a node's raylet."""
    (raylet,) = node.all_processes["raylet"]
    return int(raylet.process.pid)


def holds(engine: Engine, pid: int) -> bool:
    """Whether trials in training are still this worker's."""
    with transaction(engine) as session:
        held = select(Trial.id).join(Worker, Trial.worker_id == Worker.id)
        return session.scalar(held.where(Worker.pid == pid, Trial.state == TrialState.running).limit(1)) is not None


def end(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def test_the_queue_says_how_many_workers_there_are(cluster: Any, engine: Engine, tmp_path: Path) -> None:
    """One while nothing waits, two for two trials; the second is drained in good order once they are gone."""
    with ray_up(cluster, engine, tmp_path, "--workers", "1..2", "--idle-seconds", "1") as process:
        wait_until(lambda: len(live_workers(engine)) == 1)
        sweep = create_sweep(engine, space=ENDLESS, n_trials=2, sampler="random")
        wait_until(lambda: len(live_workers(engine)) == 2)
        change(engine, sweep, "cancel")
        wait_until(lambda: len(live_workers(engine)) == 1)
        with transaction(engine) as session:
            assert session.scalars(select(Worker.state).where(~IS_LIVE)).all() == [WorkerState.stopped]
        assert end(process) == 0


def test_workers_end_with_the_command(cluster: Any, engine: Engine, tmp_path: Path) -> None:
    """Killed itself it leaves no worker behind, and what they trained waits for others."""
    with ray_up(cluster, engine, tmp_path, "--workers", "2") as process:
        wait_until(lambda: len(live_workers(engine)) == 2)
        sweep = create_sweep(engine, space=ENDLESS, n_trials=2, sampler="random")
        pids = wait_until(lambda: both_train(engine, sweep))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not any(map(is_alive, pids)), 60)
        wait_until(lambda: all_wait(engine, sweep), 60)


def all_wait(engine: Engine, sweep: int) -> bool:
    """Whether the trials of the sweep wait, once what has run out is taken back, as servers do."""
    expire(engine)
    return set(states(engine, sweep)) == {"waiting"}
