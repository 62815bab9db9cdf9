"""Sweeps that were begun with products that are not exact: nobody else trains them with others."""

from uuid import UUID

from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import queue
from app.db.engine import transaction
from app.db.tables import Trial, Worker
from app.domain.devices.products import EXACT
from app.domain.states import WorkerState
from app.queue import retraining
from app.queue.leases import TooLargeTrial
from tests.support.queue_examples import (
    LEASE_SECONDS,
    complete,
    create_grid,
    create_timing,
    new_worker,
    sweep_of,
    trials_of,
)


def claim(engine: Engine, worker: UUID, max_trials: int = 64) -> list[queue.ClaimedTrial]:
    """What the worker gets, as its broker claims it."""
    with transaction(engine) as session:
        claimed = queue.claim(session, worker, max_trials, LEASE_SECONDS)
        if claimed is None:
            return []
        products = session.get_one(Worker, worker).products
        inexact = {} if products == EXACT else {"products": products}
        queue.note_environment(claimed[0], {"dtype": "float32", **inexact, "device": "cpu"})
        return claimed[1]


def leave(engine: Engine, sweep: int, worker: UUID) -> None:
    """The worker claims a trial, which takes 3 GB, and has too little memory for it."""
    (trial,) = claim(engine, worker, max_trials=1)
    with transaction(engine) as session:
        queue.leave_to_larger(session, sweep, worker, [TooLargeTrial(trial.lease, 3 * 10**9, "too large")])


def test_who_begins_a_sweep_decides_for_all_its_workers(engine: Engine) -> None:
    """Workers without its products, or with others, get nothing of it, nor hold it up; one that has them does."""
    sweep = create_grid(engine, 8, 16, 24, priority=1)
    other = create_grid(engine, 8)
    rounding, exact = new_worker(engine, products="bfloat16"), new_worker(engine)
    first = claim(engine, rounding, max_trials=1)
    assert sweep_of(engine, sweep).environment == {"dtype": "float32", "products": "bfloat16", "devices": ["cpu"]}
    assert [trial.number for trial in claim(engine, exact)] == [0]
    assert [trial.state for trial in trials_of(engine, other)] == ["running"]
    assert claim(engine, exact) == claim(engine, new_worker(engine, products="TF32")) == []
    assert len(first + claim(engine, new_worker(engine, products="bfloat16"))) > 1


def test_an_exact_sweep_stays_exact_whoever_trains_it(engine: Engine) -> None:
    """A worker with the setting takes part in it, and is told to train it exactly."""
    sweep = create_grid(engine, 8, 16)
    claim(engine, new_worker(engine), max_trials=1)
    assert len(claim(engine, new_worker(engine, products="bfloat16"))) == 1
    assert (sweep_of(engine, sweep).products, "products" in sweep_of(engine, sweep).environment) == (EXACT, False)


def test_a_model_is_trained_again_with_the_products_of_its_sweep(engine: Engine) -> None:
    """A worker without them leaves it to one that has them."""
    sweep, worker, exact = create_grid(engine, 8), new_worker(engine, products="bfloat16"), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET weights = NULL"))
        retraining.request(session, session.get_one(Trial, trials_of(engine, sweep)[0].id))
        assert retraining.claim(session, exact, LEASE_SECONDS) is None
        again = retraining.claim(session, worker, LEASE_SECONDS)
    assert again is not None
    assert again.sweep.products == "bfloat16"


def test_what_is_timed_says_its_own_products(engine: Engine) -> None:
    """A worker with the setting times it as any other does."""
    sweep = create_timing(engine, 2)
    assert len(claim(engine, new_worker(engine, products="bfloat16"))) == 1
    assert "products" not in sweep_of(engine, sweep).environment


def test_a_sweep_whose_products_nobody_computes_says_so(client: TestClient, engine: Engine) -> None:
    """On its page and in the API, as long as no worker lives that computes them; it shows its products."""
    sweep, worker = create_grid(engine, 8, 16), new_worker(engine, products="bfloat16")
    claim(engine, worker, max_trials=1)
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["warnings"] == []
    new_worker(engine)
    with transaction(engine) as session:
        queue.set_worker_state(session, worker, WorkerState.stopped)
    (warning,) = client.get(f"/api/v1/sweeps/{sweep}").json()["warnings"]
    assert warning.startswith("It was begun with bfloat16 products, and no worker is connected")
    assert warning.endswith("it waits for one with PERCEPTUNE_BF16=true.")
    page = client.get(f"/sweeps/{sweep}").text
    assert warning in page
    assert "products bfloat16" in page


def test_a_sweep_that_lacks_a_device_and_products_says_both(client: TestClient, engine: Engine) -> None:
    """A sentence of one thing does not take the place of the other's."""
    sweep = create_grid(engine, 8, 16, device="cuda")
    worker = new_worker(engine, device="NVIDIA H200", products="TF32")
    claim(engine, worker, max_trials=1)
    with transaction(engine) as session:
        queue.set_worker_state(session, worker, WorkerState.stopped)
    of_device, of_products = client.get(f"/api/v1/sweeps/{sweep}").json()["warnings"]
    assert of_device.startswith("No worker with the device cuda is connected")
    assert of_products.startswith("It was begun with TF32 products, and no worker is connected")


def test_a_worker_makes_no_room_for_products_that_it_may_lack(engine: Engine) -> None:
    """A sweep that waits for others keeps nobody from going on with its own."""
    first, second = create_grid(engine, 8, 16), create_grid(engine, 8)
    worker, rounding = new_worker(engine), new_worker(engine, products="bfloat16")
    claim(engine, worker)
    leases = [trial.lease for trial in claim(engine, rounding)]
    with transaction(engine) as session:
        assert not queue.must_make_room(session, first, worker)
        queue.give_back(session, second, leases)
    with transaction(engine) as session:
        assert not queue.must_make_room(session, first, worker)


def test_what_is_too_large_is_not_left_to_a_worker_without_its_products(engine: Engine) -> None:
    """It fails with its sizes, and does not wait for who may not train it; one with its products gets it."""
    small, _ = new_worker(engine, memory=10**9, products="TF32"), new_worker(engine, memory=10**12)
    sweep = create_grid(engine, 8)
    leave(engine, sweep, small)
    assert (trials_of(engine, sweep)[0].history[0]["reason"], trials_of(engine, sweep)[0].least_memory) == (
        "too large",
        None,
    )
    large = new_worker(engine, memory=8 * 10**9, products="TF32")
    leave(engine, sweep, small)
    assert claim(engine, small) == []
    assert len(claim(engine, large)) == 1


def test_what_was_left_to_a_larger_worker_fails_once_it_has_gone(engine: Engine) -> None:
    """Though a still larger one lives, which computes other products."""
    small, large = (new_worker(engine, memory=memory, products="TF32") for memory in (10**9, 8 * 10**9))
    new_worker(engine, memory=10**12)
    sweep = create_grid(engine, 8)
    leave(engine, sweep, small)
    assert claim(engine, small) == []
    with transaction(engine) as session:
        session.execute(text("DELETE FROM workers WHERE id = :id"), {"id": large})
    assert len(claim(engine, small)) == 1


def test_a_share_counts_only_workers_with_the_products(engine: Engine) -> None:
    """Those without them take nothing of it."""
    create_grid(engine, *range(8, 24))
    worker = new_worker(engine, products="bfloat16")
    first = claim(engine, worker, max_trials=1)
    for _ in range(3):
        new_worker(engine)
    assert len(first) + len(claim(engine, worker)) == 16
