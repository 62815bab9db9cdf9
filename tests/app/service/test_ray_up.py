"""How many workers `perceptune ray up` keeps, by what it was told and what there is to train, and when it refuses."""

import os

import pytest
from sqlalchemy import Engine, text

from app import queries
from app.config import load_settings
from app.db.engine import connect, transaction
from app.domain.devices.kinds import DeviceKind
from app.errors import StartError
from app.service.ray.fleet_size import FleetSize, parse
from app.service.ray.up import check_tables, worker_variables
from app.service.ray.worker_actor import for_workers
from tests.support.queue_examples import change, claim, complete, create_sweep, new_worker


@pytest.mark.parametrize(
    ("workers", "gpus", "expected"),
    [
        (None, None, FleetSize("CPU", None, None)),
        ("3", None, FleetSize("CPU", 3, 3)),
        ("1..8", None, FleetSize("CPU", 1, 8)),
        (None, "all", FleetSize("GPU", None, None)),
        (None, "2..4", FleetSize("GPU", 2, 4)),
    ],
)
def test_a_size_is_read(workers: str | None, gpus: str | None, expected: FleetSize) -> None:
    """A number, a range or all, of processors or of graphics cards."""
    assert parse(workers, gpus) == expected


@pytest.mark.parametrize(("workers", "gpus"), [("0", None), ("8..1", None), ("many", None), (None, "-1"), ("1", "1")])
def test_a_size_that_can_not_be_is_refused(workers: str | None, gpus: str | None) -> None:
    """With what would be right."""
    with pytest.raises(StartError, match=r"write a number, a range like 1\.\.8, or all|not both"):
        parse(workers, gpus)


@pytest.mark.parametrize(
    ("size", "open_trials", "expected"),
    [
        (FleetSize("CPU", 1, 8), 0, 1),
        (FleetSize("CPU", 1, 8), 5, 5),
        (FleetSize("CPU", 1, 8), 100, 8),
        (FleetSize("GPU", 3, 3), 0, 3),
        (FleetSize("GPU", None, None), 0, 6),
    ],
)
def test_the_queue_decides_within_the_range(size: FleetSize, open_trials: int, expected: int) -> None:
    """One worker for each trial that trains or waits; `all` is as many as the cluster has room for."""
    assert size.workers(6, lambda most: min(open_trials, most)) == expected


def test_open_trials_train_or_can_be_claimed(engine: Engine) -> None:
    """Those of paused sweeps only while they train, and none that has ended; no more are counted than matter."""

    def count(most: int = 100, kind: DeviceKind = "cpu") -> int:
        with transaction(engine) as session:
            return queries.open_trials(session, most, kind)

    assert count() == 0
    first = create_sweep(engine, n_trials=6)
    worker = new_worker(engine)
    trials = claim(engine, worker, 2)
    assert (count(), count(4)) == (6, 4)
    create_sweep(engine, n_trials=3)
    assert count() == 9
    change(engine, first, "pause")
    assert count() == len(trials) + 3
    complete(engine, first, worker, trials)
    assert count() == 3
    create_sweep(engine, n_trials=2, device="cuda")
    assert (count(), count(kind="cuda")) == (3, 5)  # those that such a fleet may train


def test_without_its_tables_it_does_not_start(engine: Engine) -> None:
    """A sentence says whether the database or its tables are missing; actors would start and end for ever."""
    check_tables(engine, ours=False)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(StartError, match="run `perceptune db upgrade`"):
        check_tables(engine, ours=False)
    with pytest.raises(StartError, match="The database can't be reached"):
        check_tables(connect("postgresql://nobody@127.0.0.1:1/none"), ours=False)


def test_workers_have_no_key_and_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by what they are told nor by what their node has: they take their work from the database alone."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://everywhere/perceptune")
    monkeypatch.setenv("PERCEPTUNE_CHECKPOINT_SECONDS", "7")
    monkeypatch.setenv("PERCEPTUNE_SERVER", "https://sweeps.example.org")
    for name in ("PERCEPTUNE_KEY", "PERCEPTUNE_API_KEY"):
        monkeypatch.setenv(name, "a secret of this machine")
        monkeypatch.setenv(f"{name}_FILE", "/run/secrets/key")
    told = worker_variables(load_settings(), FleetSize("CPU", 1, 1))
    worker_environment = for_workers(os.environ) | told
    assert (told["DATABASE_URL"], told["PERCEPTUNE_CHECKPOINT_SECONDS"]) == ("postgresql://everywhere/perceptune", "7")
    assert not [name for name in worker_environment if "KEY" in name and name.startswith("PERCEPTUNE_")]
    assert "PERCEPTUNE_SERVER" not in worker_environment
