"""The tables of transitions: what the docs print, and what every call answers in every state."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.domain.states import ENDED_SWEEPS, LIVE_TRIALS, SweepState, TrialState
from app.domain.transitions import MORE_TO_DO, SWEEP_CALLS, SWEEPS, TRIALS
from tests.support.paths import ROOT
from tests.support.queue_examples import create_grid, states, sweep_of

DOCS = ROOT / "docs" / "lifecycle.md"


@pytest.mark.parametrize("table", [SWEEPS, TRIALS], ids=["sweeps", "trials"])
def test_the_documentation_has_the_table(table: object) -> None:
    """What the docs say of each call is what the code does."""
    assert isinstance(table, type(SWEEPS))
    assert table.markdown() in DOCS.read_text(encoding="utf-8")


def put(engine: Engine, sweep: int, state: SweepState) -> None:
    """The sweep in this state, whatever led there."""
    ended = "clock_timestamp()" if state in ENDED_SWEEPS else "NULL"
    with transaction(engine) as session:
        values = f"state = CAST(:state AS sweep_state), finished_at = {ended}"
        session.execute(text(f"UPDATE sweeps SET {values} WHERE id = :id"), {"state": state.value, "id": sweep})


def put_trial(engine: Engine, sweep: int, state: TrialState) -> None:
    """The first trial of the sweep in this state, whatever led there."""
    lease = "gen_random_uuid(), lease_until = clock_timestamp() + interval '1 h'" if state == "running" else "NULL"
    ended = "NULL" if state in LIVE_TRIALS else "clock_timestamp()"
    values = f"state = CAST(:state AS trial_state), lease_token = {lease}, finished_at = {ended}, "
    values += "value = CASE WHEN :state = 'complete' THEN 0.5 END, error = CASE WHEN :state = 'failed' THEN 'why' END"
    with transaction(engine) as session:
        statement = text(f"UPDATE trials SET {values} WHERE sweep_id = :id AND number = 0")
        session.execute(statement, {"state": state.value, "id": sweep})


@pytest.mark.parametrize("call", SWEEP_CALLS)
def test_every_call_on_a_sweep_answers_as_the_table_says(client: TestClient, engine: Engine, call: str) -> None:
    """In each state: to a target of the table, nothing to do, or 409 that names both states."""
    for state in SweepState:
        sweep = create_grid(engine, 4, 8)
        put(engine, sweep, state)
        if call in {"stop", "cancel"} and state not in ENDED_SWEEPS:
            put_trial(engine, sweep, TrialState.running)  # so that a stop has something to wait for
        answer = client.post(f"/api/v1/sweeps/{sweep}/{call}")
        transition = SWEEPS.transitions[call]
        if state in transition.sources:
            assert (answer.status_code, sweep_of(engine, sweep).state in transition.targets) == (200, True), state
        elif state in transition.already:
            assert (answer.status_code, sweep_of(engine, sweep).state) == (200, state)
        else:
            wanted = f"Sweep {sweep} is {state}: it can't become {transition.targets[0]}."
            assert (answer.status_code, answer.json()["detail"]) == (409, wanted)


@pytest.mark.parametrize("state", SweepState)
def test_more_to_do_reopens_what_the_table_says(client: TestClient, engine: Engine, state: SweepState) -> None:
    """Further trials let an ended sweep go on, wait in a live one, and are refused in one that stops."""
    sweep = create_grid(engine, 4, 8)
    put(engine, sweep, state)
    answer = client.patch(f"/api/v1/sweeps/{sweep}", json={"space": {"hidden_units": [4, 8, 16], "epochs": 2}})
    transition = SWEEPS.transitions[MORE_TO_DO]
    if state in transition.sources:
        assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    elif state in transition.already:
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    else:
        assert (answer.status_code, len(states(engine, sweep))) == (409, 2)


@pytest.mark.parametrize("call", ["cancel", "retry"])
def test_every_call_on_a_trial_answers_as_the_table_says(client: TestClient, engine: Engine, call: str) -> None:
    """In each state: to the target of the table, nothing to do, or 409 that names both states."""
    for state in TrialState:
        sweep = create_grid(engine, 4, 8)
        put_trial(engine, sweep, state)
        answer = client.post(f"/api/v1/sweeps/{sweep}/trials/0/{call}")
        transition = TRIALS.transitions[call]
        if state in transition.sources:
            assert (answer.status_code, answer.json()["state"]) == (200, transition.targets[0]), state
        elif state in transition.already:
            assert (answer.status_code, answer.json()["state"]) == (200, state)
        else:
            wanted = f"Trial 0 of sweep {sweep} is {state}: it can't become {transition.targets[0]}."
            assert (answer.status_code, answer.json()["detail"]) == (409, wanted)
