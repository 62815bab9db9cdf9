"""The attempts at trials in real tables, as the timeline draws them."""

from sqlalchemy import Engine

from app.charts.registry import CHARTS
from app.charts.rows import AttemptRow, SweepRow
from app.db.engine import transaction
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.sweeps import trial_actions
from tests.support.queue_examples import (
    choose,
    claim,
    complete,
    create_sweep,
    end_leg,
    expire,
    finish,
    halved,
    let_lapse,
    new_worker,
    reach_rung,
    save_checkpoints,
    success,
    trials_of,
)


def attempts_of(engine: Engine, sweep_id: int) -> tuple[SweepRow, list[AttemptRow]]:
    """The sweep, and what the timeline is drawn from."""
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        row, _, attempts = chart_rows.chart_rows(session, sweep, CHARTS["timeline"])
    return row, [attempt for attempt in attempts if isinstance(attempt, AttemptRow)]


def kinds(engine: Engine, sweep_id: int) -> list[tuple[int, str]]:
    """The numbers of the trials with attempts, and what came of these."""
    return [(attempt.trial, attempt.state) for attempt in attempts_of(engine, sweep_id)[1]]


def cancel(engine: Engine, sweep_id: int, number: int) -> None:
    with transaction(engine) as session:
        trial_actions.cancel(session, sweep_id, number)


def test_a_lost_attempt_lies_before_the_next_one(engine: Engine) -> None:
    """Each with its own worker and its own times."""
    sweep = create_sweep(engine, n_trials=1)
    let_lapse(engine, claim(engine, new_worker(engine, "a"))[0].lease)
    expire(engine)
    worker = new_worker(engine, "b")
    complete(engine, sweep, worker, claim(engine, worker))
    row, (lost, last) = attempts_of(engine, sweep)
    assert not row.waits_at_rungs
    assert [(item.trial, item.worker, item.state) for item in (lost, last)] == [
        (0, "a, process 1", "lost"),
        (0, "b, process 1", "complete"),
    ]
    assert "its worker was lost" in lost.reason
    assert lost.start <= lost.end <= last.start <= last.end


def test_what_ended_at_a_rung_is_not_drawn_until_it_was_judged(engine: Engine) -> None:
    """Eight of nine trials end at rungs, long after their training; the ninth is drawn with its last leg."""
    sweep, worker = halved(engine, 9), new_worker(engine)
    quality = {number: number / 10 for number in range(9)}
    for _ in range(2):
        reach_rung(engine, sweep, claim(engine, worker), quality)
    (last,) = claim(engine, worker)
    assert kinds(engine, sweep) == [(8, "running")]
    finish(engine, sweep, worker, [success(last.lease, 0.9)])
    row, (drawn,) = attempts_of(engine, sweep)
    assert row.waits_at_rungs
    assert (drawn.trial, drawn.state, drawn.start) == (8, "complete", trials_of(engine, sweep)[8].started_at)


def test_cancelled_trials_are_drawn_where_they_trained(engine: Engine) -> None:
    """Not those that waited at a rung or between legs, not even after an attempt that was lost."""
    sweep, worker = halved(engine, 6), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 1), {0: 0.1})
    lapsing, makes_room, training = claim(engine, worker, 3)
    choose(engine, sweep, [lapsing, makes_room, training])
    let_lapse(engine, lapsing.lease)
    expire(engine)
    (again,) = [trial for trial in claim(engine, worker) if trial.number == lapsing.number]
    for trial in (again, makes_room):
        save_checkpoints(engine, sweep, [trial.lease], 1)
        end_leg(engine, sweep, {trial.lease: None})
    for number in (0, lapsing.number, makes_room.number, training.number):
        cancel(engine, sweep, number)
    drawn = [kind for kind in kinds(engine, sweep) if kind[1] != "running"]
    assert sorted(drawn) == [(lapsing.number, "lost"), (training.number, "cancelled")]
