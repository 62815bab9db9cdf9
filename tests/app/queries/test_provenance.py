"""What a report says of where its figures are from."""

from sqlalchemy import Engine

from app.db.engine import transaction
from app.db.tables import Sweep
from app.queries.provenance import sweep_provenance
from tests.support.queue_examples import claim, complete, create_grid, create_sweep, create_timing, new_worker, record


def provenance(engine: Engine, sweep: int) -> dict[str, str]:
    with transaction(engine) as session:
        return {fact.name: fact.text for fact in sweep_provenance(session, session.get_one(Sweep, sweep))}


def test_a_training_names_its_data(engine: Engine) -> None:
    """The data set, its split, the seeds, and that nobody looked at the test images."""
    facts = provenance(engine, create_sweep(engine, seeds=2))
    assert facts["Data"] == "digits, holdout split, 2 seeds per trial, seed 0"
    assert facts["Test images"] == "not looked at"


def test_a_timing_has_repeats(engine: Engine) -> None:
    """And no images: a product of matrices has no data set either, an epoch does."""
    product = provenance(engine, create_timing(engine, 1))
    assert (product["Repeats"], "Data" in product, "Test images" in product) == (
        "1 repeat per trial, seed 0",
        False,
        False,
    )
    epoch = provenance(engine, create_timing(engine, 1, task="time_training", space={"hidden_units": [8]}))
    assert epoch["Data"].endswith("1 repeat per trial, seed 0")
    assert epoch["Data"].startswith("fashion_mnist, ")
    assert "Test images" not in epoch


def test_each_of_several_devices_has_its_trials_counted(engine: Engine) -> None:
    """A sweep on one device is the host's; on two, each says how many trials it trained."""
    sweep = create_grid(engine, 8, 16, 24)
    for device in ("cpu", "NVIDIA H200", "NVIDIA H200"):
        worker = new_worker(engine, device=device)
        trials = claim(engine, worker, max_trials=1)
        record(engine, sweep, [trial.lease for trial in trials])
        complete(engine, sweep, worker, trials)
        if device == "cpu":
            assert provenance(engine, sweep)["Machine"] == "here"
    assert provenance(engine, sweep)["Machine"] == "here, NVIDIA H200 (2 trials), cpu (1 trial)"
