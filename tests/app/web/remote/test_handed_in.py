"""What workers over HTTP hand in: only what a trial of theirs can have, in its own columns, is taken."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text

from app import queue
from app.broker.serving import signature
from app.db.engine import transaction
from app.db.tables import Run, Trial
from app.domain.diagnostics import NetworkDiagnostics
from app.queue import retraining
from app.queue.leases import TooLargeTrial
from app.queue.legs import LegResult, TrialCheckpoint
from app.queue.progress import DiagnosticsPoint, EpochPoint
from app.search.proposals import Proposer
from tests.support.queue_examples import (
    claim,
    create_grid,
    create_sweep,
    create_timing,
    failure,
    finish,
    new_worker,
    states,
    success,
    trials_of,
)
from tests.support.web.worker_calls import post, send


def test_no_other_column_than_a_score_is_written(client: TestClient, engine: Engine) -> None:
    sweep = create_grid(engine, 1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    finish(engine, sweep, worker_id, [success(trial.lease)])
    signed = signature("next_unscored")
    assert signed is not None
    content = send(client, worker_id, "next_unscored", leave_out=[]).content
    unscored = signed.answer.dump_python(signed.answer_of(content))
    answer = send(client, worker_id, "write_scores", unscored=unscored, scores={0: {"value": 0.99}})
    assert answer.status_code == 422
    assert "'test_accuracy', 'test_r2' or 'test_mae'" in answer.json()["detail"]
    with transaction(engine) as session:
        assert session.scalars(select(Run.value)).all() == [0.5]
    answer = send(client, worker_id, "write_scores", unscored=unscored, scores={0: {"test_accuracy": 7.5}})
    assert answer.json()["detail"].startswith("The scores of run 0 can't be used: test_accuracy must be less than")
    assert client.get("/api/v1/sweeps").status_code == 200  # whose answer says what a score may be
    send(client, worker_id, "write_scores", unscored=unscored, scores={0: {"test_accuracy": 0.75}}).raise_for_status()
    with transaction(engine) as session:
        assert session.scalars(select(Run.test_accuracy)).all() == [0.75]


def test_weights_are_stored_only_of_a_trial_that_waits_for_them(client: TestClient, engine: Engine) -> None:
    """Of this sweep; and only its best trial is had trained again to be scored."""
    sweep, another_sweep = create_grid(engine, 1, 2), create_grid(engine, 3)
    worker_id = new_worker(engine)
    for _ in range(2):
        trials = claim(engine, worker_id)
        of_sweep = sweep if len(trials) == 2 else another_sweep
        finish(engine, of_sweep, worker_id, [success(trial.lease, 0.5 + 0.1 * trial.number) for trial in trials])
    worse_trial, best_trial = trials_of(engine, sweep)

    def stored_weights(sweep_id: int) -> list[bytes | None]:
        arguments = {"sweep_id": sweep_id, "trial_id": worse_trial.id, "weights": {0: b"weights"}}
        send(client, worker_id, "store_retrained", **arguments).raise_for_status()
        with transaction(engine) as session:
            return list(session.scalars(select(Run.weights).where(Run.trial_id == worse_trial.id)))

    signed = signature("next_unscored")
    assert signed is not None
    content = send(client, worker_id, "next_unscored", leave_out=[]).content
    unscored = signed.answer.dump_python(signed.answer_of(content)) | {"sweep_id": sweep}
    send(client, worker_id, "request_weights", unscored=unscored | {"trial_id": worse_trial.id}).raise_for_status()
    assert stored_weights(sweep) == [None]
    with transaction(engine) as session:
        retraining.request(session, session.get_one(Trial, worse_trial.id))
    assert stored_weights(another_sweep) == [None]
    assert stored_weights(sweep) == [b"weights"]
    assert best_trial.retrain_at is None


def test_a_checkpoint_of_another_trial_ends_none(client: TestClient, engine: Engine) -> None:
    sweep = create_grid(engine, 1, 2)
    worker_id = new_worker(engine)
    first, second = claim(engine, worker_id)
    signed = signature("finish")
    assert signed is not None
    trial_id = first.lease.trial_id
    arguments = {
        "sweep_id": sweep,
        "results": [success(first.lease)],
        "weights": {trial_id: {}},
        "checkpoints": {trial_id: TrialCheckpoint(second.lease, 1, 1, b"checkpoint")},
    }
    answer = post(client, worker_id, "finish", signed.packed_arguments(arguments))
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        f"The checkpoint of trial {trial_id} is another trial's.",
    )
    assert states(engine, sweep) == ["running", "running"]


def test_circumstances_that_no_page_could_show_are_refused(client: TestClient, engine: Engine) -> None:
    """The sentence says which of them; the trial is held as before."""
    sweep = create_timing(engine, 1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("finish")
    assert signed is not None
    result = replace(success(trial.lease), circumstances={"host": ["here"]})
    arguments = {"sweep_id": sweep, "results": [result], "weights": {}, "checkpoints": None}
    answer = post(client, worker_id, "finish", signed.packed_arguments(arguments))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"The circumstances of trial {trial.lease.trial_id} can't be used: host")
    assert states(engine, sweep) == ["running"]


def test_no_worker_chooses_parameters_itself(client: TestClient, engine: Engine) -> None:
    """Nor the number by which the sampler draws: what it sends of its trials beside their leases is not believed."""
    sweep = create_sweep(engine, n_trials=1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("assign_params")
    assert signed is not None
    odd_trial = replace(trial, params={"hidden_units": "many", "<b>": 1}, number=77)
    message = signed.packed_arguments({"sweep_id": sweep, "trials": [odd_trial]})
    (assigned,) = signed.answer_of(post(client, worker_id, "assign_params", message).raise_for_status().content)
    (row,) = trials_of(engine, sweep)
    assert (assigned.number, assigned.params) == (row.number, row.params)
    assert 1 <= (row.params or {})["hidden_units"] <= 64


def test_the_sampler_is_asked_for_trials_alone_that_are_held(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For thousands of others it would think for hours."""
    sweep = create_sweep(engine, n_trials=3)
    worker_id = new_worker(engine)
    trials = claim(engine, worker_id)
    asked_numbers: list[int] = []
    propose = Proposer.propose

    def noting(proposer: Proposer, number: int) -> dict[str, Any]:
        asked_numbers.append(number)
        return propose(proposer, number)

    monkeypatch.setattr(Proposer, "propose", noting)
    strange_trials = [replace(trial, lease=replace(trial.lease, token=uuid4())) for trial in trials[1:]]
    signed = signature("assign_params")
    assert signed is not None
    message = signed.packed_arguments({"sweep_id": sweep, "trials": [trials[0], *strange_trials]})
    (assigned,) = signed.answer_of(post(client, worker_id, "assign_params", message).raise_for_status().content)
    assert asked_numbers == [assigned.number] == [trials[0].number]


def test_values_of_another_number_of_objectives_are_refused(client: TestClient, engine: Engine) -> None:
    """No sampler could be told of them: the sweep's next trials would fail, whoever trains them."""
    objectives = [
        {"metric": "val_accuracy", "direction": "maximize"},
        {"metric": "parameters", "direction": "minimize"},
    ]
    sweep = create_sweep(engine, n_trials=1, sampler="tpe", objectives=objectives)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("finish")
    assert signed is not None
    for other_values in (None, [1.0, 2.0]):
        result = replace(success(trial.lease), other_values=other_values)
        arguments = {"sweep_id": sweep, "results": [result], "weights": {}, "checkpoints": None}
        answer = post(client, worker_id, "finish", signed.packed_arguments(arguments))
        assert answer.json()["detail"] == (
            f"The values of trial {trial.lease.trial_id} can't be used: its sweep has 1 further objectives."
        )
    assert states(engine, sweep) == ["running"]


def test_a_complete_trial_without_the_values_of_its_runs_is_refused(client: TestClient, engine: Engine) -> None:
    """No chart could draw their mean."""
    sweep = create_grid(engine, 1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("finish")
    assert signed is not None
    result = success(trial.lease)
    for runs in ([], [replace(result.runs[0], value=None, error="diverged")]):
        arguments = {"sweep_id": sweep, "results": [replace(result, runs=runs)], "weights": {}, "checkpoints": None}
        answer = post(client, worker_id, "finish", signed.packed_arguments(arguments))
        assert answer.json()["detail"].startswith(f"The runs of trial {trial.lease.trial_id} can't be used")
    assert states(engine, sweep) == ["running"]


def test_more_runs_than_a_trial_can_have_are_refused(client: TestClient, engine: Engine) -> None:
    """Lists and charts show all of them."""
    sweep = create_grid(engine, 1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("finish")
    assert signed is not None
    result = success(trial.lease)
    result = replace(result, runs=[replace(result.runs[0], seed=seed) for seed in range(101)])
    arguments = {"sweep_id": sweep, "results": [result], "weights": {}, "checkpoints": None}
    answer = post(client, worker_id, "finish", signed.packed_arguments(arguments))
    assert answer.json()["detail"] == (
        f"The runs of trial {trial.lease.trial_id} can't be used: they are more than 100."
    )
    assert states(engine, sweep) == ["running"]


def test_a_heartbeat_locks_the_sweeps_of_its_own_trials_alone(engine: Engine) -> None:
    """Who names all trials there are, without their tokens, keeps nobody waiting."""
    sweeps = [create_grid(engine, 1), create_grid(engine, 2)]
    worker_id = new_worker(engine)
    leases = [trial.lease for _ in sweeps for trial in claim(engine, worker_id)]
    locked = text("SELECT id FROM sweeps FOR UPDATE SKIP LOCKED")
    foreign = [replace(leases[0], token=uuid4()), leases[1]]
    with transaction(engine) as session, transaction(engine) as other:
        assert queue.heartbeat(session, worker_id, foreign, 30.0) == {leases[1].trial_id}
        assert len(other.scalars(locked).all()) == 1


def test_measurements_that_no_network_has_are_refused(client: TestClient, engine: Engine) -> None:
    """No page could show them."""
    sweep = create_grid(engine, 1, diagnostics=True)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = signature("record")
    assert signed is not None
    measured = NetworkDiagnostics([2.0], [1.0, 1.0], [1.0, 1.0], 10, 0.5, 100, None)
    arguments = {"sweep_id": sweep, "leases": [trial.lease], "epochs_done": [1], "points": [], "lease_seconds": 5.0}
    point = DiagnosticsPoint(trial.lease.trial_id, 0, 1, measured)
    answer = post(client, worker_id, "record", signed.packed_arguments(arguments | {"diagnostics": [point]}))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(
        f"A measurement of trial {trial.lease.trial_id} can't be used: dead_share"
    )
    deep = replace(measured, dead_share=[0.5] * 9, activation_rms=[1.0] * 10, gradient_rms=[1.0] * 10)
    message = signed.packed_arguments(arguments | {"diagnostics": [replace(point, measured=deep)]})
    assert "at most 8 numbers" in post(client, worker_id, "record", message).json()["detail"]
    possible_point = replace(point, measured=replace(measured, dead_share=[0.5]))
    message = signed.packed_arguments(arguments | {"diagnostics": [possible_point]})
    post(client, worker_id, "record", message).raise_for_status()


@pytest.mark.parametrize("number", [1.7e308, -1.7e308])
def test_numbers_whose_squares_are_beyond_all_floats_are_refused(
    client: TestClient, engine: Engine, number: float
) -> None:
    """Means and spreads are made of them for each list of sweeps: with one of them no list would be answered again."""
    sweep = create_grid(engine, 1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    signed = {call: signature(call) for call in ("finish", "record", "end_leg")}
    result = success(trial.lease)
    point = EpochPoint(trial.lease.trial_id, 0, 1, 1.0, 0.5, 1.0, 0.5, 1.0)
    recorded = {"leases": [trial.lease], "epochs_done": [1], "lease_seconds": 5.0, "diagnostics": []}
    finished: dict[str, Any] = {"weights": {}, "checkpoints": None}
    messages: list[tuple[str, dict[str, Any]]] = [
        ("finish", {"results": [replace(result, value=number)], **finished}),
        ("finish", {"results": [replace(result, std=number)], **finished}),
        ("finish", {"results": [replace(result, runs=[replace(result.runs[0], value=number)])], **finished}),
        ("finish", {"results": [replace(result, runs=[replace(result.runs[0], seconds=number)])], **finished}),
        ("record", {"points": [replace(point, val_loss=number)], **recorded}),
        ("record", {"points": [replace(point, seconds=number)], **recorded}),
        ("end_leg", {"results": [LegResult(trial.lease, number)]}),
    ]
    for call, arguments in messages:
        signed_call = signed[call]
        assert signed_call is not None
        message = signed_call.packed_arguments({"sweep_id": sweep, **arguments})
        assert post(client, worker_id, call, message).status_code == 422, (call, arguments)
    assert states(engine, sweep) == ["running"]


def test_of_a_long_error_the_begin_is_stored(client: TestClient, engine: Engine) -> None:
    """Pages and answers have it in every list."""
    sweep = create_grid(engine, 1)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    result = failure(trial.lease, "no\0 " + "memory " * 10_000)
    signed = signature("finish")
    assert signed is not None
    arguments = {"sweep_id": sweep, "results": [result], "weights": {}, "checkpoints": None}
    post(client, worker_id, "finish", signed.packed_arguments(arguments)).raise_for_status()
    assert (trials_of(engine, sweep)[0].error or "").startswith("no memory memory ")
    assert len(trials_of(engine, sweep)[0].error or "") < 2_001


def test_a_trial_is_written_to_under_its_own_sweep(client: TestClient, engine: Engine) -> None:
    """Another sweep's checks and lock say nothing of it."""
    sweep, another_sweep = create_grid(engine, 1), create_grid(engine, 2)
    worker_id = new_worker(engine)
    (trial,) = claim(engine, worker_id)
    checkpoint = TrialCheckpoint(trial.lease, 1, 1, b"checkpoint")
    calls: dict[str, dict[str, Any]] = {
        "finish": {"results": [success(trial.lease)], "weights": {}, "checkpoints": None},
        "end_leg": {"results": [LegResult(trial.lease, 0.5)]},
        "save_checkpoints": {"checkpoints": [checkpoint]},
        "give_back": {"leases": [trial.lease]},
        "fail_attempt": {"leases": [trial.lease], "reason": "no reason"},
        "leave_to_larger": {"trials": [TooLargeTrial(trial.lease, 2**40, "too large")]},
    }
    for call, arguments in calls.items():
        signed = signature(call)
        assert signed is not None
        content = {name: signed.arguments[name].adapter.dump_python(value) for name, value in arguments.items()}
        send(client, worker_id, call, sweep_id=another_sweep, **content).raise_for_status()
        assert states(engine, sweep) == ["running"], call
    finish(engine, sweep, worker_id, [success(trial.lease)])
    assert states(engine, sweep) == ["complete"]


def test_as_many_epochs_as_leases_are_recorded(client: TestClient, engine: Engine) -> None:
    """What a worker of ours never sends is refused with a sentence."""
    sweep, worker_id = create_grid(engine, 1), new_worker(engine)
    (trial,) = claim(engine, worker_id)
    lease = {"trial_id": trial.lease.trial_id, "token": str(trial.lease.token)}
    arguments = {"leases": [lease], "epochs_done": [], "points": [], "lease_seconds": 5.0, "diagnostics": []}
    answer = send(client, worker_id, "record", sweep_id=sweep, **arguments)
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "The message of record can't be used: it must have as many epochs_done as leases.",
    )
