"""When a sweep stops before its budget is used up: each rule, what it says, and what becomes of the trials."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import queries, queue
from app.db.engine import transaction
from app.db.tables import Trial
from app.domain.states import SweepState
from app.lifecycle import stop_rules
from app.queue.claims import ClaimedTrial
from app.queue.progress import TrialResult
from tests.support.queue_examples import claim, create_grid, failure, finish, new_worker, success, sweep_of, trials_of


class Running:
    """A grid of ten with the rules, and a worker that holds some of its trials."""

    def __init__(self, engine: Engine, n_claimed: int, **body: Any) -> None:
        self.engine = engine
        self.sweep = create_grid(engine, *range(1, 11), **body)
        self.worker: UUID = new_worker(engine)
        trials = claim(engine, self.worker, max_trials=n_claimed)
        self.trials: dict[int, ClaimedTrial] = {trial.number: trial for trial in trials}

    def end(self, *results: TrialResult) -> None:
        assert len(finish(self.engine, self.sweep, self.worker, results)) == len(results)

    def completes(self, values: dict[int, float]) -> None:
        self.end(*(success(self.trials[number].lease, value) for number, value in values.items()))

    def fails(self, errors: dict[int, str]) -> None:
        self.end(*(failure(self.trials[number].lease, error) for number, error in errors.items()))

    @property
    def state(self) -> SweepState:
        return sweep_of(self.engine, self.sweep).state

    def reason(self) -> str | None:
        return sweep_of(self.engine, self.sweep).stop_reason

    def count(self, state: str) -> int:
        return [trial.state for trial in trials_of(self.engine, self.sweep)].count(state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("direction", "values", "words"),
    [
        ("maximize", {9: 0.5, 8: 0.90123, 7: 0.7}, "target: trial 8 reached 0.9012"),
        ("minimize", {9: 0.99, 8: 0.95, 7: 0.25}, "target: trial 7 reached 0.25"),
    ],
)
def test_a_value_that_reaches_the_target_stops_the_sweep(
    engine: Engine, direction: str, values: dict[int, float], words: str
) -> None:
    """Waiting trials are cancelled, the running one finishes, and then the sweep has completed."""
    objective = {"metric": "val_loss", "direction": direction}
    target = 0.9 if direction == "maximize" else 0.3
    sweep = Running(engine, 4, objective=objective, stop={"target": target})
    sweep.completes(values)
    assert (sweep.state, sweep.reason()) == (SweepState.stopping, words)
    assert (sweep.count("cancelled"), sweep.count("running")) == (6, 1)
    sweep.completes({6: 0.5})
    assert (sweep.state, sweep.reason()) == (SweepState.completed, words)


def test_without_a_rule_that_holds_the_sweep_goes_on(engine: Engine) -> None:
    """Values below the target, fewer trials without improvement, failures that are not in a row, and time enough."""
    sweep = Running(engine, 5, stop={"target": 0.9, "no_improvement": 4, "failures": 3, "seconds": 1000})
    sweep.completes({7: 0.8})
    sweep.fails({9: "no", 8: "no", 6: "no"})
    assert (sweep.state, sweep.reason(), sweep.count("waiting")) == (SweepState.running, None, 5)


def test_trials_without_improvement_stop_the_sweep(engine: Engine) -> None:
    """Counted since the best one ended, failed ones too."""
    sweep = Running(engine, 5, stop={"no_improvement": 4})
    sweep.completes({5: 0.3})
    sweep.completes({9: 0.5, 8: 0.4})
    sweep.fails({7: "diverged at epoch 1"})
    sweep.completes({6: 0.5})
    assert sweep.reason() is None
    trials = claim(engine, sweep.worker, max_trials=1)
    finish(engine, sweep.sweep, sweep.worker, [success(trials[0].lease, 0.4)])
    assert sweep.reason() is None  # trial 8 ended together with trial 9, and has the smaller number
    trials = claim(engine, sweep.worker, max_trials=1)
    finish(engine, sweep.sweep, sweep.worker, [success(trials[0].lease, 0.4)])
    assert sweep.reason() == "no_improvement: 4 trials since trial 9, the best with 0.5"
    assert sweep.state == SweepState.completed


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (
            {5: "diverged at epoch 1", 6: "diverged at epoch 3", 7: "out of memory"},
            "failures: trials 5 to 7 failed, 2 of them with: diverged at epoch 1 to 3",
        ),
        (dict.fromkeys((7, 8, 9), "no data"), "failures: trials 7 to 9 failed, all with: no data"),
    ],
)
def test_failures_in_a_row_break_the_circuit(engine: Engine, errors: dict[int, str], words: str) -> None:
    """With the reason that most of them share; a sweep without a complete trial has failed."""
    sweep = Running(engine, 5, stop={"failures": 3})
    sweep.fails(errors)
    assert (sweep.state, sweep.reason()) == (SweepState.stopping, words)
    with_others = [number for number in sweep.trials if number not in errors]
    sweep.fails(dict.fromkeys(with_others, "another"))
    assert (sweep.state, sweep.reason()) == (SweepState.failed, words)


def test_trials_that_still_train_interrupt_a_row_of_failures(engine: Engine) -> None:
    """Of a cohort the bad ones fail first: that says nothing of those that still train."""
    sweep = Running(engine, 5, stop={"failures": 3})
    sweep.fails(dict.fromkeys((5, 7, 9), "diverged at epoch 1"))
    assert sweep.reason() is None


def test_the_time_is_looked_at_when_a_trial_ends_and_by_the_poll(engine: Engine) -> None:
    """Also when no trial ends at all; the trials that run may finish."""
    sweep, idle_sweep = (Running(engine, 2, stop={"seconds": 60}) for _ in range(2))
    poll(engine)
    assert (sweep.reason(), idle_sweep.reason()) == (None, None)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET started_at = started_at - interval '61 s'"))
    sweep.completes({9: 0.5})
    assert (sweep.state, sweep.reason()) == (SweepState.stopping, "seconds: 60 have passed")
    assert (idle_sweep.state, idle_sweep.reason()) == (SweepState.running, None)
    poll(engine)
    assert (idle_sweep.state, idle_sweep.reason(), idle_sweep.count("running")) == (
        SweepState.stopping,
        "seconds: 60 have passed",
        2,
    )


def test_the_time_in_which_a_sweep_had_ended_does_not_count(engine: Engine, client: TestClient) -> None:
    """A sweep that is taken up again an hour later has the time that was left of its limit."""
    sweep = Running(engine, 10, stop={"seconds": 60})
    sweep.completes(dict.fromkeys(range(10), 0.5))
    with transaction(engine) as session:
        hour = "started_at = started_at - interval '1 h', finished_at = finished_at - interval '1 h'"
        session.execute(text(f"UPDATE sweeps SET {hour}"))
    client.post(f"/api/v1/sweeps/{sweep.sweep}/rerun-top", json={"k": 1, "seeds": 1}).raise_for_status()
    poll(engine)
    assert (sweep.state, sweep.reason()) == (SweepState.running, None)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET started_at = started_at - interval '61 s'"))
        session.execute(text("UPDATE trials SET enqueued = false"))  # one's own trial would keep it going
    poll(engine)
    assert sweep.reason() == "seconds: 60 have passed"


def poll(engine: Engine) -> None:
    with transaction(engine) as session:
        stop_rules.stop_overdue(session)


def test_a_trial_that_comes_back_to_a_stopped_sweep_is_cancelled(engine: Engine) -> None:
    """Its worker was asked to leave when the rule had fired."""
    sweep = Running(engine, 2, stop={"target": 0.9})
    sweep.completes({9: 0.95})
    with transaction(engine) as session:
        queue.give_back(session, sweep.sweep, [sweep.trials[8].lease])
    assert (sweep.state, sweep.count("cancelled")) == (SweepState.completed, 9)


def test_rules_sleep_while_one_s_own_trials_wait(engine: Engine) -> None:
    """What was asked for by hand is trained, whatever the rules say; then they are looked at again."""
    sweep = Running(engine, 9, stop={"target": 0.9})
    (waiting,) = [trial for trial in trials_of(engine, sweep.sweep) if trial.state == "waiting"]
    with transaction(engine) as session:
        session.get_one(Trial, waiting.id).enqueued = True
    sweep.completes({9: 0.95})
    assert (sweep.state, sweep.reason()) == (SweepState.running, None)
    (own,) = claim(engine, sweep.worker)
    finish(engine, sweep.sweep, sweep.worker, [success(own.lease, 0.1)])
    assert (sweep.state, sweep.reason()) == (SweepState.stopping, "target: trial 9 reached 0.95")


def test_of_equal_values_the_target_names_the_trial_that_pages_call_the_best(engine: Engine) -> None:
    """That of the lowest number, also where it was the last to end."""
    sweep = Running(engine, 9, stop={"target": 0.9})
    (waiting,) = [trial for trial in trials_of(engine, sweep.sweep) if trial.state == "waiting"]
    with transaction(engine) as session:
        session.get_one(Trial, waiting.id).enqueued = True  # the rules sleep until it has ended
    sweep.completes({9: 0.95})
    sweep.completes({7: 0.95})
    (own,) = claim(engine, sweep.worker)
    finish(engine, sweep.sweep, sweep.worker, [success(own.lease, 0.1)])
    with transaction(engine) as session:
        best = queries.summary(session, sweep.sweep).best
    assert best is not None
    assert (best.number, sweep.reason()) == (7, "target: trial 7 reached 0.95")


def test_a_trial_whose_luck_did_not_last_reaches_no_target(engine: Engine) -> None:
    """The target is compared with the mean over all runs of the best configuration, as pages show it."""
    sweep = create_grid(engine, 1, 2, 3, stop={"target": 0.9}, best_by="mean")
    with transaction(engine) as session:  # trials that were asked for by hand: the rules sleep until they have ended
        session.execute(text("UPDATE trials SET enqueued = true"))
        session.execute(text("UPDATE trials SET first_seed = 1, configuration = 'same' WHERE number = 1"))
        session.execute(text("UPDATE trials SET configuration = 'same' WHERE number = 0"))
    worker = new_worker(engine)
    leases = {trial.number: trial.lease for trial in claim(engine, worker)}
    values = {0: 0.95, 1: 0.8, 2: 0.6}
    finish(engine, sweep, worker, [success(leases[number], value) for number, value in values.items()])
    with transaction(engine) as session:
        best = queries.summary(session, sweep).best
    assert best is not None
    assert (best.number, round(best.value, 6), best.runs) == (0, 0.875, 2)
    assert sweep_of(engine, sweep).stop_reason is None


def test_rules_and_reason_are_shown(client: TestClient, engine: Engine) -> None:
    """As they were posted, and in words on the sweep's page."""
    rules = {"target": 0.9, "failures": 5}
    sweep = Running(engine, 2, stop=rules)
    answer = client.get(f"/api/v1/sweeps/{sweep.sweep}").json()
    assert {name: rule for name, rule in answer["stop"].items() if rule is not None} == rules
    assert answer["stop_reason"] is None
    sweep.completes({9: 0.95})
    assert client.get(f"/api/v1/sweeps/{sweep.sweep}").json()["stop_reason"] == "target: trial 9 reached 0.95"
    page = client.get(f"/sweeps/{sweep.sweep}", headers={"Accept": "text/html"}).text
    assert '<strong class="warning-text">Stopped by its target: trial 9 reached 0.95.</strong>' in page
