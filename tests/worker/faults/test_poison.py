"""Sweeps that no worker can fill with parameters: they end by themselves, and nothing else does."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.db.trial_rows import configuration
from app.domain.states import ENDED_SWEEPS, SweepState
from app.queue import MAX_CLAIMED_TRIALS
from tests.support.queue_examples import create_sweep, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment, is_alive, worker_process

CLAIM = MAX_CLAIMED_TRIALS["cpu"]
WIDE = {"hidden_units": {"low": 4, "high": 64}, "learning_rate": {"low": 0.1, "high": 0.5, "step": 0.1}, "epochs": 1}


def write(engine: Engine, statement: str, **values: Any) -> None:
    """Writes past all checks, as a faulty version could have."""
    with transaction(engine) as session:
        session.execute(text(statement), values)


def endless_steps(engine: Engine) -> int:
    """A sweep with a range of more steps than Optuna can count."""
    sweep = create_sweep(engine, space=WIDE, n_trials=3)
    space = WIDE | {"learning_rate": {"low": 0.1, "high": 0.5, "step": 1e-30}}
    write(engine, "UPDATE sweeps SET space = CAST(:space AS json) WHERE id = :id", space=json.dumps(space), id=sweep)
    return sweep


def value_outside_its_space(engine: Engine) -> int:
    """A sweep with a result of a configuration that its space does not hold."""
    sweep = create_sweep(engine, space=WIDE, n_trials=4, repeats="forbid")
    params = json.dumps({"hidden_units": 1000, "learning_rate": 0.1, "epochs": 1})
    _complete(engine, sweep, 0, params, first_seed=0)
    return sweep


def last_seed_given_out(engine: Engine) -> int:
    """A sweep that has given out the largest seed that a column can hold, and needs one more."""
    sweep = create_sweep(engine, space={"hidden_units": [8], "epochs": 1}, n_trials=5)
    params = json.dumps({"hidden_units": 8, "epochs": 1})
    for number, first_seed in enumerate((0, 2**31 - 1)):
        _complete(engine, sweep, number, params, first_seed)
    return sweep


def _complete(engine: Engine, sweep: int, number: int, params: str, first_seed: int) -> None:
    write(
        engine,
        """UPDATE trials SET state = 'complete', value = 0.5, params = CAST(:params AS json), cost = 1,
           epochs_total = 1, epochs_done = 1, first_seed = :seed, finished_at = now(),
           configuration = :configuration WHERE sweep_id = :sweep AND number = :number""",
        params=params,
        seed=first_seed,
        configuration=configuration(json.loads(params)),
        sweep=sweep,
        number=number,
    )


def pruner_of_no_kind(engine: Engine) -> int:
    """A sweep with a pruner that this version can't read: already claims fail."""
    sweep = create_sweep(engine, space=WIDE, n_trials=CLAIM + 1)
    write(engine, "UPDATE sweeps SET pruner = CAST(:pruner AS jsonb) WHERE id = :id", pruner='{"name": 1}', id=sweep)
    return sweep


def task_of_no_kind(engine: Engine) -> int:
    """A sweep with a task that this version does not know: it can't even be picked."""
    sweep = create_sweep(engine, space=WIDE, n_trials=CLAIM + 1)
    write(engine, "UPDATE sweeps SET task = 'train_forest' WHERE id = :id", id=sweep)
    return sweep


POISONS: dict[Callable[[Engine], int], str] = {
    endless_steps: "InvalidError",
    value_outside_its_space: "ValueError: The value 1000",
    last_seed_given_out: "out of range",
    pruner_of_no_kind: "ValidationError",
    task_of_no_kind: "KeyError: 'train_forest'",
}


def test_a_poisonous_sweep_fails_alone(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """Its trials fail with the error after three attempts each; the worker trains others before all of them have."""
    sweeps = {poison: poison(engine) for poison in POISONS}
    healthy = create_sweep(engine, space=WIDE, n_trials=3)
    everything = [*sweeps.values(), healthy]
    with worker_process(environment(database_url, tmp_path), tmp_path / "log") as process:
        wait_until(
            lambda: not is_alive(process.pid) or all(sweep_of(engine, id).state in ENDED_SWEEPS for id in everything),
            90,
        )
        assert is_alive(process.pid), (tmp_path / "log").read_text()
    assert sweep_of(engine, healthy).state == SweepState.completed
    assert states(engine, healthy) == ["complete"] * 3
    started_at = min(trial.started_at for trial in trials_of(engine, healthy) if trial.started_at)
    for claim_poison in (pruner_of_no_kind, task_of_no_kind):
        attempts = [attempt for trial in trials_of(engine, sweeps[claim_poison]) for attempt in trial.history]
        times = [datetime.fromisoformat(attempt["ended_at"]) for attempt in attempts]
        assert (len(times), sum(time < started_at for time in times)) == (3 * (CLAIM + 1), CLAIM)
    for poison, error in POISONS.items():
        unfilled = [trial for trial in trials_of(engine, sweeps[poison]) if trial.value is None]
        assert {trial.state.value for trial in unfilled} == {"failed"}
        assert {trial.attempt for trial in unfilled} == {3}
        assert all(error in (trial.error or "") for trial in unfilled), [trial.error for trial in unfilled]
