"""Who holds a machine: many that train, or one that times; on real connections."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.queue import machines
from app.queue.machines import is_wanted, machine_held
from tests.support.waiting import wait_until

HOST = "host"


class Holder:
    """Holds a machine in a thread of its own until it is told to let go."""

    def __init__(self, engine: Engine, pool: ThreadPoolExecutor, *, alone: bool, host: str = HOST) -> None:
        self.engine, self.alone, self.host = engine, alone, host
        self.stopping, self.over, self.entered = threading.Event(), threading.Event(), threading.Event()
        self.was_held: Future[bool] = pool.submit(self._hold)

    def _hold(self) -> bool:
        with machine_held(self.engine, self.host, self.stopping, alone=self.alone) as is_held:
            self.entered.set()
            self.over.wait(30)
        return is_held

    def let_go(self) -> bool:
        """Whether it had the machine."""
        self.over.set()
        return self.was_held.result(30)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def wanted(engine: Engine, host: str = HOST) -> bool:
    with transaction(engine) as session:
        return is_wanted(session, host)


def test_many_train_together(engine: Engine, pool: ThreadPoolExecutor) -> None:
    """What trains does not wait for what trains, and nobody is asked to make room."""
    holders = [Holder(engine, pool, alone=False) for _ in range(3)]
    assert all(holder.entered.wait(10) for holder in holders)
    assert not wanted(engine)
    assert [holder.let_go() for holder in holders] == [True] * 3


@pytest.mark.parametrize("first_alone", [True, False])
def test_what_is_timed_has_the_machine_to_itself(engine: Engine, pool: ThreadPoolExecutor, first_alone: bool) -> None:
    """Timing waits for training, training for timing, and one timing for another; each comes in once the first goes."""
    first = Holder(engine, pool, alone=first_alone)
    assert first.entered.wait(10)
    second = Holder(engine, pool, alone=True)
    wait_until(lambda: wanted(engine))
    third = Holder(engine, pool, alone=False)
    assert not second.entered.wait(0.5)
    assert not third.entered.is_set()
    assert first.let_go()
    assert second.entered.wait(10)
    assert second.let_go()
    assert third.entered.wait(10)
    assert third.let_go()
    assert not wanted(engine)


def test_another_machine_is_another_matter(engine: Engine, pool: ThreadPoolExecutor) -> None:
    """Workers of other hosts neither wait nor are asked for room."""
    holders = [Holder(engine, pool, alone=True), Holder(engine, pool, alone=True, host="elsewhere")]
    assert all(holder.entered.wait(10) for holder in holders)
    waiting = Holder(engine, pool, alone=True)
    wait_until(lambda: wanted(engine))
    assert not wanted(engine, "elsewhere")
    assert [holder.let_go() for holder in (*holders, waiting)] == [True] * 3


def test_who_is_told_to_stop_waits_no_longer(engine: Engine, pool: ThreadPoolExecutor) -> None:
    """It goes on at once, and does not have the machine."""
    first = Holder(engine, pool, alone=True)
    assert first.entered.wait(10)
    second = Holder(engine, pool, alone=True)
    wait_until(lambda: wanted(engine))
    second.stopping.set()
    assert second.entered.wait(10)
    assert not second.let_go()
    assert first.let_go()


def test_waiting_has_an_end(engine: Engine, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it a trial is timed beside the others, and knows it."""
    monkeypatch.setattr(machines, "TIMING_WAIT_SECONDS", 0.1)
    first = Holder(engine, pool, alone=False)
    assert first.entered.wait(10)
    second = Holder(engine, pool, alone=True)
    assert second.entered.wait(10)
    assert not second.let_go()
    assert first.let_go()


def test_a_lost_worker_lets_go(engine: Engine, pool: ThreadPoolExecutor) -> None:
    """With its connection goes its lock."""
    first = Holder(engine, pool, alone=True)
    assert first.entered.wait(10)
    with transaction(engine) as session:
        ended = session.scalars(
            text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        ).all()
    assert ended == [True]
    second = Holder(engine, pool, alone=True)
    assert second.entered.wait(10)
    assert second.let_go()
    first.let_go()
