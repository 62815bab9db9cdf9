"""Sweeps that wish for a kind of device, and trials that tell on which devices they were trained."""

from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import queue
from app.db.engine import transaction
from app.db.tables import Trial
from app.domain.states import WorkerState
from app.queue import retraining
from tests.support.queue_examples import (
    BODY,
    claim,
    complete,
    create_grid,
    create_sweep,
    end_leg,
    expire,
    halved,
    let_lapse,
    new_worker,
    reach_rung,
    save_checkpoints,
    states,
    trials_of,
)

CARD = "NVIDIA H200"
NOBODY = "No worker with the device cuda is connected, or each is drained"


def sweep_out(client: TestClient, sweep: int) -> dict[str, object]:
    answer: dict[str, object] = client.get(f"/api/v1/sweeps/{sweep}").json()
    return answer


def claimed_count(engine: Engine, worker: UUID) -> int:
    return len(claim(engine, worker, max_trials=64))


@pytest.mark.parametrize(
    ("wish", "processor_takes", "card_takes"), [("cuda", 0, 4), ("cpu", 4, 0), ("mps", 0, 0), (None, 1, 1)]
)
def test_a_wish_is_heeded(engine: Engine, wish: str | None, processor_takes: int, card_takes: int) -> None:
    """Workers of another kind take nothing of the sweep, and have no share of it; any do where it has no wish."""
    create_sweep(engine, n_trials=4, device=wish)
    processor, card = new_worker(engine), new_worker(engine, device=CARD)
    assert (claimed_count(engine, processor), claimed_count(engine, card)) == (processor_takes, card_takes)


def test_what_wishes_for_another_device_holds_up_nobody(engine: Engine) -> None:
    """A sweep of the highest priority that this worker can't claim from keeps it from no other one."""
    create_sweep(engine, device="cuda", priority=100)
    sweep = create_sweep(engine, n_trials=2)
    assert claimed_count(engine, new_worker(engine)) == 2
    assert states(engine, sweep) == ["running"] * 2


def test_a_sweep_without_its_device_says_so(client: TestClient, engine: Engine) -> None:
    """In the API and on its page, until such a worker is there or the wish is dropped."""
    sweep = create_sweep(engine, device="cuda")
    new_worker(engine)
    sentence = f"{NOBODY}: the sweep waits for one, or until its device is changed."
    assert sweep_out(client, sweep)["warnings"] == [sentence]
    assert sentence in client.get(f"/sweeps/{sweep}").text
    answer = client.patch(f"/api/v1/sweeps/{sweep}", json={"device": None})
    assert (answer.json()["device"], answer.json()["warnings"]) == (None, [])
    assert claimed_count(engine, new_worker(engine)) > 0
    other = create_sweep(engine, device="cuda")
    card = new_worker(engine, device=CARD)
    assert sweep_out(client, other)["warnings"] == []
    assert sentence not in client.get(f"/sweeps/{other}").text
    with transaction(engine) as session:
        queue.set_draining(session, card, draining=True)
    assert sweep_out(client, other)["warnings"] == [sentence]


def test_a_model_that_waits_for_its_device_says_so(client: TestClient, engine: Engine) -> None:
    """Though its sweep has ended, and no trial waits; Prometheus counts it too."""
    sweep = create_grid(engine, 8, device="cuda")
    card = new_worker(engine, device=CARD)
    complete(engine, sweep, card, claim(engine, card))
    with transaction(engine) as session:
        session.execute(text("UPDATE runs SET weights = NULL"))
        retraining.request(session, session.get_one(Trial, trials_of(engine, sweep)[0].id))
    assert sweep_out(client, sweep)["warnings"] == []
    with transaction(engine) as session:
        queue.set_worker_state(session, card, WorkerState.stopped)
    new_worker(engine)
    sentence = f"{NOBODY}: a model that is to be trained again waits for one, or until the device is changed."
    assert sweep_out(client, sweep)["warnings"] == [sentence]
    assert sentence in client.get(f"/sweeps/{sweep}").text
    assert 'perceptune_sweeps_without_device{device="cuda"} 1.0' in client.get("/metrics").text
    assert client.patch(f"/api/v1/sweeps/{sweep}", json={"device": None}).json()["warnings"] == []


def test_the_preview_says_that_nobody_has_the_device(client: TestClient, engine: Engine) -> None:
    """With the same sentence, and no time by the speed of others."""
    new_worker(engine)
    preview = client.post("/api/v1/sweeps/preview", json=BODY | {"device": "cuda"}).json()
    assert preview["estimate"].startswith("No worker with the device cuda is connected")
    assert preview["warnings"][0].startswith("No worker with the device cuda is connected")


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("gpu", "must be cuda for NVIDIA GPUs, or mps for Apple's, not gpu"),
        ("cudo", "must be 'cpu', 'cuda' or 'mps', not \"cudo\"; did you mean cuda?"),
    ],
)
def test_an_unknown_device_is_refused_with_what_would_be_right(client: TestClient, device: str, sentence: str) -> None:
    """422 at the field, with the kinds that there are."""
    answer = client.post("/api/v1/sweeps", json=BODY | {"device": device})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["loc"], error["msg"]) == (422, ["device"], sentence)


def test_workers_tell_their_kind(client: TestClient, engine: Engine) -> None:
    """A card is known by its model, and is of the kind that sweeps wish for."""
    new_worker(engine, device=CARD)
    (worker,) = client.get("/api/v1/workers").json()["items"]
    assert (worker["device"], worker["device_kind"]) == (CARD, "cuda")


def test_a_trial_tells_on_which_devices_it_was_trained(client: TestClient, engine: Engine) -> None:
    """All of them, where it went from one to another between two legs; in the API, in its panel and in a CSV."""
    sweep = halved(engine, 3)
    reach_rung(engine, sweep, claim(engine, new_worker(engine)), {0: 0.1, 1: 0.9, 2: 0.2})
    card = new_worker(engine, "gpu-1", CARD)
    (promoted,) = claim(engine, card)
    end_leg(engine, sweep, {promoted.lease: 0.9})
    trial = client.get(f"/api/v1/sweeps/{sweep}/trials/1").json()
    assert trial["devices"] == ["cpu", CARD]
    assert client.get(f"/api/v1/sweeps/{sweep}/trials/0").json()["devices"] == ["cpu"]
    assert '"[""cpu"", ""NVIDIA H200""]"' in client.get(f"/api/v1/sweeps/{sweep}/export.csv").text
    (promoted,) = claim(engine, card)
    complete(engine, sweep, card, [promoted])
    panel = client.get(f"/sweeps/{sweep}/trials/1", headers={"HX-Request": "true"}).text
    assert "on gpu-1 (cpu and then NVIDIA H200)" in panel


def test_a_trial_that_begins_anew_tells_of_its_new_device_alone(engine: Engine) -> None:
    """What it was trained on before is no part of its results; given back it was trained on nothing."""
    sweep = create_grid(engine, 8)
    (trial,) = claim(engine, new_worker(engine))
    with transaction(engine) as session:
        queue.give_back(session, sweep, [trial.lease])
    assert trials_of(engine, sweep)[0].devices == []
    claim(engine, new_worker(engine, device=CARD))
    assert trials_of(engine, sweep)[0].devices == [CARD]


@pytest.mark.parametrize("way", ["given back", "lost"])
def test_a_trial_forgets_a_device_that_added_nothing(engine: Engine, way: str) -> None:
    """It goes on from a checkpoint of before, and what was trained beyond that is trained again."""
    sweep = halved(engine, 3)
    reach_rung(engine, sweep, claim(engine, new_worker(engine)), {0: 0.1, 1: 0.9, 2: 0.2})
    (promoted,) = claim(engine, new_worker(engine, device=CARD))
    if way == "lost":
        let_lapse(engine, promoted.lease)
        expire(engine)
    else:
        with transaction(engine) as session:
            queue.give_back(session, sweep, [promoted.lease])
    trial = trials_of(engine, sweep)[promoted.number]
    assert (trial.state, trial.devices) == ("waiting", ["cpu"])


def test_a_device_that_stored_a_checkpoint_stays(engine: Engine) -> None:
    """Though the trial was given back: it goes on from what that device has trained."""
    sweep = halved(engine, 3)
    reach_rung(engine, sweep, claim(engine, new_worker(engine)), {0: 0.1, 1: 0.9, 2: 0.2})
    (promoted,) = claim(engine, new_worker(engine, device=CARD))
    save_checkpoints(engine, sweep, [promoted.lease], 2)
    with transaction(engine) as session:
        queue.give_back(session, sweep, [promoted.lease])
    assert trials_of(engine, sweep)[promoted.number].devices == ["cpu", CARD]


def test_the_preview_counts_no_drained_worker(client: TestClient, engine: Engine) -> None:
    """It will claim nothing of the sweep: nobody knows how long that takes."""
    worker = new_worker(engine)
    with transaction(engine) as session:
        queue.set_draining(session, worker, draining=True)
    preview = client.post("/api/v1/sweeps/preview", json=BODY).json()
    assert preview["estimate"].startswith("No worker is connected")


def test_the_preview_says_that_nobody_has_the_memory(client: TestClient, engine: Engine) -> None:
    """With the sizes; a worker with enough of it ends the warning."""
    body = BODY | {"space": {"hidden_units": 4096, "epochs": 2}}
    new_worker(engine, memory=2**20)
    (warning, *_) = client.post("/api/v1/sweeps/preview", json=body).json()["warnings"]
    assert warning.startswith("Its largest trial takes up to ")
    assert "no worker that is connected for it has more than 1 MiB free" in warning
    new_worker(engine)
    assert not any("MiB" in words for words in client.post("/api/v1/sweeps/preview", json=body).json()["warnings"])
