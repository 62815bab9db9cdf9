"""A real worker with PERCEPTUNE_BF16: what it begins is trained so, and what others have begun is trained exactly."""

import threading
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine, select

from app import queue
from app.broker import Broker
from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Epoch, Trial, Worker
from app.domain.devices.products import EXACT
from app.domain.states import SweepState
from app.errors import StartError
from tests.support.queue_examples import LEASE_SECONDS, create_sweep, new_worker, sweep_of
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment, worker_process
from worker import loop
from worker.device import products
from worker.device.products import rounds_to_bfloat16

SPACE = {"hidden_units": [64, 128], "epochs": 2}


def train_losses(engine: Engine, sweep: int) -> list[float | None]:
    """By trial and epoch."""
    with transaction(engine) as session:
        epochs = select(Epoch.train_loss).join(Trial, Trial.id == Epoch.trial_id).where(Trial.sweep_id == sweep)
        return list(session.scalars(epochs.order_by(Trial.number, Epoch.epoch)))


@pytest.mark.skipif(not rounds_to_bfloat16(), reason="needs a processor with AMX")
def test_who_begins_a_sweep_decides_how_it_is_trained(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """The same sweep three times: what a worker without the setting has begun one with it goes on with exactly."""
    variables = environment(database_url, tmp_path)
    body = {"space": SPACE, "sampler": "grid", "n_trials": None}
    exact = create_sweep(engine, **body)
    with worker_process(variables, tmp_path / "exact.log"):
        wait_until(lambda: sweep_of(engine, exact).state == SweepState.completed)
    begun = create_sweep(engine, **body)
    with transaction(engine) as session:
        claimed = queue.claim(session, new_worker(engine), 64, LEASE_SECONDS)
        assert claimed is not None
        queue.note_environment(claimed[0], {"device": "cpu", "torch": torch.__version__})
        queue.give_back(session, begun, [trial.lease for trial in claimed[1]])
    fresh = create_sweep(engine, **body)
    with worker_process(variables | {"PERCEPTUNE_BF16": "true"}, tmp_path / "rounding.log"):
        wait_until(lambda: all(sweep_of(engine, s).state == SweepState.completed for s in (begun, fresh)))
    losses = [train_losses(engine, sweep) for sweep in (exact, begun, fresh)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    assert losses[2] == pytest.approx(losses[0], rel=0.05)
    assert losses[2] != pytest.approx(losses[0], abs=1e-6)
    assert [sweep_of(engine, s).environment.get("products", EXACT) for s in (begun, fresh)] == [EXACT, "bfloat16"]
    with transaction(engine) as session:
        newest = select(Worker.products).order_by(Worker.started_at.desc()).limit(1)
        assert session.scalar(newest) == "bfloat16"


def test_a_processor_that_rounds_nothing_says_so_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And trains nothing."""

    def no_broker(_: threading.Event) -> Broker:
        raise AssertionError("it has begun to work")

    monkeypatch.setattr(products, "rounds_to_bfloat16", lambda: False)
    with pytest.raises(StartError, match="PERCEPTUNE_BF16=true: torch rounds no products on this processor, which has"):
        loop.run(Settings(home=tmp_path, device="cpu", bf16=True), no_broker)
