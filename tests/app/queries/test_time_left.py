"""How long a sweep still takes, and how long it took."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.engine import transaction
from tests.support.queue_examples import BODY, change, choose, claim, complete, create_sweep, new_worker, record


def limited_sweep(engine: Engine, **stop: float) -> int:
    """A sweep of 100 trials with this rule, of which 50 are complete after an hour of training."""
    sweep, worker = create_sweep(engine, n_trials=100, stop=stop), new_worker(engine)
    claimed = claim(engine, worker, max_trials=50)
    choose(engine, sweep, claimed)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET started_at = started_at - interval '1 h'"))
        session.execute(text("UPDATE trials SET started_at = started_at - interval '1 h' WHERE state = 'running'"))
    complete(engine, sweep, worker, claimed)
    return sweep


def test_the_time_left_is_that_of_the_time_limit_where_it_is_less(client: TestClient, engine: Engine) -> None:
    """An hour of work is left and a minute of the limit; a pause does not stop that clock."""
    sweep = limited_sweep(engine, seconds=3660)
    for call in ("", "pause"):
        if call:
            change(engine, sweep, call)
        answer = client.get(f"/api/v1/sweeps/{sweep}").json()
        assert answer["eta_by"] == "seconds"
        assert answer["eta_seconds"] == pytest.approx(60, abs=20)


def test_the_time_left_names_what_bounds_it(client: TestClient, engine: Engine) -> None:
    """Without a better trial the next 11 of 50 are the last; without the rule it is the work."""
    sweep = limited_sweep(engine, no_improvement=60)
    answer = client.get(f"/api/v1/sweeps/{sweep}").json()
    assert answer["eta_by"] == "no_improvement"
    assert answer["eta_seconds"] == pytest.approx(3600 * 11 / 50, rel=0.05)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET stop_rules = '{}'"))
    answer = client.get(f"/api/v1/sweeps/{sweep}").json()
    assert answer["eta_by"] == "work"
    assert answer["eta_seconds"] == pytest.approx(3600, rel=0.05)


def test_nothing_is_called_estimated_where_nobody_knows(client: TestClient) -> None:
    """Without a worker there is no time left on the page, and so no word of where it is from."""
    sweep = client.post("/api/v1/sweeps", json=BODY).json()
    assert sweep["eta_seconds"] is None
    assert "estimated" not in client.get(f"/sweeps/{sweep['id']}").text


def test_the_time_left_begins_with_the_estimate(client: TestClient, engine: Engine) -> None:
    """As the preview says before it is posted; a first slow epoch does not multiply it by twenty."""
    first, worker = create_sweep(engine, n_trials=4), new_worker(engine)
    complete(engine, first, worker, claim(engine, worker))
    with transaction(engine) as session:
        finished = "epochs_done = epochs_total, started_at = finished_at - interval '40 s'"
        session.execute(text(f"UPDATE trials SET {finished} WHERE state = 'complete'"))
    body = BODY | {"name": "next", "n_trials": 50}
    estimate = client.post("/api/v1/sweeps/preview", json=body).json()["estimated_seconds"]
    sweep = client.post("/api/v1/sweeps", json=body).json()
    assert sweep["eta_by"] == "work"
    assert sweep["eta_seconds"] == pytest.approx(estimate, rel=0.3)
    trial = claim(engine, worker, max_trials=1)
    choose(engine, sweep["id"], trial)
    record(engine, sweep["id"], [trial[0].lease])
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET started_at = started_at - interval '80 s' WHERE state = 'running'"))
    left = client.get(f"/api/v1/sweeps/{sweep['id']}").json()["eta_seconds"]
    assert left < 4 * estimate


def test_what_a_sweep_took_leaves_out_the_time_in_which_it_had_ended(client: TestClient, engine: Engine) -> None:
    """Ten seconds of training, an hour later ten more: it took twenty."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    earlier = text("""
        UPDATE sweeps SET started_at = started_at - CAST(:time AS interval),
                          finished_at = finished_at - CAST(:ended AS interval)
    """)
    complete(engine, sweep, worker, claim(engine, worker))
    with transaction(engine) as session:
        session.execute(earlier, {"time": "3610 s", "ended": "3600 s"})
    client.patch(f"/api/v1/sweeps/{sweep}", json={"n_trials": 2})
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["took_seconds"] is None
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET started_at = started_at - interval '10 s'"))
    complete(engine, sweep, worker, claim(engine, worker))
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["took_seconds"] == pytest.approx(20, abs=9)
