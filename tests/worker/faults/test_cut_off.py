"""A worker loses the database for a while: it goes on training, and writes if its leases still hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from app.db.engine import connect
from app.db.migrations import migrate
from app.db.tables import Trial
from app.service.postgres.server import running
from tests.chaos.proxy import Proxy
from tests.support.queue_examples import create_grid, expire, runs_of, trials_of
from tests.support.sweeps.trained_sweeps import are_done, assert_whole, training
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, environment

EPOCHS = 300
LONG_SPACE = {"hidden_units": [32, 64], "epochs": EPOCHS}


class Place:
    """A Postgres of one's own, and a network to it that can be cut."""

    def __init__(self, url: str, home: Path, nursery: Nursery) -> None:
        self.url, self.home, self.nursery = url, home, nursery
        self.engine: Engine = connect(url)
        migrate(self.engine)
        self.proxy = Proxy(Path(str(make_url(url).query["host"])) / ".s.PGSQL.5432")
        self.log = home / "log"

    def worker_through_proxy(self, lease_seconds: float) -> int:
        url = f"postgresql://perceptune@127.0.0.1:{self.proxy.port}/perceptune"
        return self.nursery.worker(environment(url, self.home, lease_seconds), self.log)

    def trials(self, sweep: int) -> list[Trial]:
        return trials_of(self.engine, sweep)


@pytest.fixture
def place(home: Path, nursery: Nursery) -> Iterator[Place]:
    with running(home, {"fsync": "off", "synchronous_commit": "off"}) as url:
        place = Place(url, home, nursery)
        yield place
        nursery.kill_all()
        place.proxy.close()
        place.engine.dispose()
    assert "Traceback" not in place.log.read_text()


def is_held(place: Place, sweep: int) -> bool:
    """Whether any trial is leased, once those whose lease has run out are taken back."""
    expire(place.engine)
    return any(trial.lease_token for trial in place.trials(sweep))


def is_logged(place: Place, words: str) -> bool:
    return words in place.log.read_text()


def test_a_worker_cut_off_for_less_than_its_lease_finishes_the_same_attempt(place: Place) -> None:
    """It trains on without the database, connects again, and its results count: no epoch is trained twice."""
    sweep = create_grid(place.engine, 32, 64, space=LONG_SPACE, seeds=2)
    worker = place.worker_through_proxy(lease_seconds=60)
    wait_until(lambda: training(place.engine, [sweep]).get(worker))
    with place.proxy.down():
        wait_until(lambda: is_logged(place, "training goes on"))
        wait_until(lambda: is_logged(place, "trying again") or place.log.read_text().count("training goes on") > 2)
    wait_until(lambda: are_done(place.engine, [sweep]))
    assert [trial.attempt for trial in place.trials(sweep)] == [1, 1]
    assert_whole(place.engine, sweep, seeds=2, epochs=EPOCHS)


def test_a_worker_cut_off_for_longer_than_its_lease_writes_nothing(place: Place) -> None:
    """Another worker takes its trials over and its results count; those of the first are refused when it is back."""
    sweep = create_grid(place.engine, 32, 64, space=LONG_SPACE, seeds=2)
    first = place.worker_through_proxy(lease_seconds=2)
    wait_until(lambda: training(place.engine, [sweep]).get(first))
    first_ids = {trial.id for trial in training(place.engine, [sweep]).get(first, [])}
    with place.proxy.down():
        wait_until(lambda: is_logged(place, "training goes on"))
        wait_until(lambda: not is_held(place, sweep))
        second = place.nursery.worker(environment(place.url, place.home, 30), place.log)
        wait_until(lambda: are_done(place.engine, [sweep]))
        place.nursery.kill(second)
        results = [(run.trial_id, run.seed, run.value, run.seconds) for run in runs_of(place.engine, sweep)]
    following = create_grid(place.engine, 8)  # which only the first can train
    wait_until(lambda: are_done(place.engine, [following]))
    assert {trial.id for trial in place.trials(sweep) if trial.attempt >= 2} >= first_ids
    assert [(run.trial_id, run.seed, run.value, run.seconds) for run in runs_of(place.engine, sweep)] == results
    assert_whole(place.engine, sweep, seeds=2, epochs=EPOCHS)
