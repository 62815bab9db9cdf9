"""Trials at rungs, on a real Postgres: who waits there, who goes on, and why the others end."""

import pytest
from sqlalchemy import Engine, text

from app import queue
from app.db.engine import transaction
from app.domain.states import RunState, SweepState, TrialState
from app.errors import InvalidError
from app.schemas import SweepPatch
from app.search.history import observations
from app.sweeps import changes, trial_actions
from tests.support.queue_examples import (
    HALVING,
    LEASE_SECONDS,
    change,
    checkpointed_ids,
    choose,
    claim,
    create_sweep,
    end_leg,
    expire,
    failure,
    finish,
    halved,
    let_lapse,
    new_worker,
    reach_rung,
    record,
    runs_of,
    save_checkpoints,
    states,
    success,
    sweep_of,
    trials_of,
)


def test_a_sweep_is_halved_by_promotion(engine: Engine) -> None:
    """Nine trials reach epoch 1, three of them epoch 3, and one goes to its end; the others hear why they ended."""
    sweep, worker = halved(engine, 9), new_worker(engine)
    quality = {number: number / 10 for number in range(9)}
    first = claim(engine, worker)
    assert {(trial.epochs_trained, trial.rung_epoch) for trial in first} == {(0, 1)}
    reach_rung(engine, sweep, first, quality)
    second = claim(engine, worker)
    assert {trial.number for trial in second} == {6, 7, 8}
    assert {(trial.epochs_trained, trial.rung_epoch) for trial in second} == {(1, 3)}
    reach_rung(engine, sweep, second, quality)
    third = claim(engine, worker)
    assert [(trial.number, trial.epochs_trained, trial.rung_epoch) for trial in third] == [(8, 3, None)]
    assert states(engine, sweep).count("pruned") == 0
    finish(engine, sweep, worker, [success(third[0].lease, 0.9)])
    assert states(engine, sweep) == ["pruned"] * 8 + ["complete"]
    assert sweep_of(engine, sweep).state == SweepState.completed
    pruned = trials_of(engine, sweep)[7]
    assert (pruned.value, pruned.epochs_done) == (0.7, 3)
    assert pruned.reason == "epoch 3: mean 0.7 over 1 seed is below 0.8, which the best of 3 trials reached at rung 1"
    assert {run.state for run in runs_of(engine, sweep) if run.trial_id == pruned.id} == {RunState.pruned}


def test_trials_at_a_rung_are_not_claimed(engine: Engine) -> None:
    """Two of nine have reached the rung: neither is among the best third of enough, so only new ones are claimed."""
    sweep, worker = halved(engine, 9), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 2), dict.fromkeys(range(9), 0.5))
    assert {trial.number for trial in claim(engine, worker)} == set(range(2, 9))


def test_promoted_trials_come_first(engine: Engine) -> None:
    """Two of six trials are promoted: a CPU's next claim is these two, not the many that have not begun."""
    sweep, worker = halved(engine, 40), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 6), {number: number / 100 for number in range(6)})
    promoted = claim(engine, worker, queue.MAX_CLAIMED_TRIALS["cpu"])
    assert {trial.number: trial.epochs_trained for trial in promoted} == {4: 1, 5: 1}


@pytest.mark.parametrize(("reached", "epoch"), [(21, 0), (24, 1)])
def test_promoted_trials_wait_for_company_on_a_gpu(engine: Engine, reached: int, epoch: int) -> None:
    """Seven promoted trials are too few for the claim of a GPU, which takes new ones; eight are enough."""
    sweep, worker = halved(engine, 80), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, reached), {number: number / 100 for number in range(reached)})
    trials = claim(engine, worker, queue.MAX_CLAIMED_TRIALS["cuda"])
    assert {trial.epochs_trained for trial in trials} == {epoch}


@pytest.mark.parametrize(("seconds", "claimed"), [(0.1, 4), (4.8, 2), (40.0, 1)])
def test_few_promoted_trials_are_claimed_that_take_long(engine: Engine, seconds: float, claimed: int) -> None:
    """Four trials are promoted, each of which takes so many seconds to the next rung: the claim takes ten."""
    sweep, worker = halved(engine, 40), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 12), {number: number / 100 for number in range(12)})
    row, trial = sweep_of(engine, sweep), trials_of(engine, sweep)[11]
    assert trial.cost is not None
    epochs_of_the_leg, all_epochs = 2, 9
    cost = trial.cost * row.dataset_info.train_examples(row.split) * row.seeds * epochs_of_the_leg / all_epochs
    with transaction(engine) as session:
        queue.heartbeat(session, worker, [], LEASE_SECONDS, speed=cost / seconds)
    promoted = claim(engine, worker, queue.MAX_CLAIMED_TRIALS["cpu"])
    assert [trial.epochs_trained for trial in promoted] == [1] * claimed


def test_a_stopped_sweep_ends_its_trials_at_rungs_as_pruned(engine: Engine) -> None:
    """What has reached a rung has a value; what has not begun is cancelled; what trains comes to its rung."""
    sweep, worker = halved(engine, 6), new_worker(engine)
    first, running = claim(engine, worker, 3), claim(engine, worker, 1)
    reach_rung(engine, sweep, first, {0: 0.1, 1: 0.2, 2: 0.3})
    (promoted,) = [trial for trial in trials_of(engine, sweep) if trial.rung_means and trial.rung is None]
    change(engine, sweep, "stop")
    assert sorted(states(engine, sweep)) == ["cancelled"] * 2 + ["pruned"] * 3 + ["running"]
    assert trials_of(engine, sweep)[promoted.number].value == 0.3
    reach_rung(engine, sweep, running, dict.fromkeys(range(6), 0.4))
    assert sorted(states(engine, sweep)) == ["cancelled"] * 2 + ["pruned"] * 4
    assert {trial.reason for trial in trials_of(engine, sweep) if trial.state == TrialState.pruned} == {
        "its sweep was stopped before it went on"
    }
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_a_cancelled_sweep_cancels_its_trials_at_rungs(engine: Engine) -> None:
    """None of them is live afterwards."""
    sweep, worker = halved(engine, 3), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 2), {0: 0.1, 1: 0.2})
    change(engine, sweep, "cancel")
    assert states(engine, sweep) == ["cancelled"] * 3


def test_the_last_trial_that_ends_settles_the_others(engine: Engine) -> None:
    """The one that was still to come is cancelled by hand: then the best of those at the rung goes on."""
    sweep, worker = halved(engine, 3), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 2), {0: 0.1, 1: 0.2})
    assert claim(engine, worker, 1)[0].number == 2
    with transaction(engine) as session:
        trial_actions.cancel(session, sweep, 2)
    (promoted,) = claim(engine, worker)
    assert (promoted.number, promoted.rung_epoch) == (1, 3)


def test_trials_that_are_added_can_still_push_others_on(engine: Engine) -> None:
    """Rungs are open as long as the sweep lives: six trials have two promoted; three more promote a third."""
    sweep, worker = halved(engine, 7), new_worker(engine)
    quality = {number: 1 - number / 10 for number in range(12)}
    reach_rung(engine, sweep, claim(engine, worker, 6), quality)
    with transaction(engine) as session:
        changes.change(session, sweep, SweepPatch(n_trials=9))
    assert [trial.number for trial in trials_of(engine, sweep) if trial.rung_means and trial.rung is None] == [0, 1]
    assert [trial.number for trial in claim(engine, worker, 9)] == [0, 1]
    reach_rung(engine, sweep, claim(engine, worker, 9), quality)
    assert sum(bool(trial.rung_means) and trial.rung is None for trial in trials_of(engine, sweep)) == 3


def test_a_retried_trial_begins_anew(engine: Engine) -> None:
    """A pruned trial that is retried has neither rungs nor a checkpoint from before."""
    sweep, worker = halved(engine, 2), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker), {0: 0.1, 1: 0.2})
    finish(engine, sweep, worker, [success(claim(engine, worker)[0].lease)])
    change(engine, sweep, "stop")
    with transaction(engine) as session:
        trial_actions.retry(session, sweep, 0)
    (again,) = claim(engine, worker)
    assert (again.number, again.epochs_trained, again.rung_epoch) == (0, 0, 1)
    assert checkpointed_ids(engine) == [trials_of(engine, sweep)[1].id]


def test_hyperband_claims_one_bracket_at_a_time(engine: Engine) -> None:
    """New trials that train together leave together; every bracket gets its share, the last one without a rung."""
    space = {"hidden_units": {"low": 1, "high": 64}, "epochs": 9}
    sweep, worker = halved(engine, 40, space=space, pruner="hyperband"), new_worker(engine)
    rung_epochs = []
    while claimed := claim(engine, worker, 4):
        assert len({trial.rung_epoch for trial in claimed}) == 1
        rung_epochs += [trial.rung_epoch for trial in claimed]
        choose(engine, sweep, claimed)
    counts = {epoch: rung_epochs.count(epoch) for epoch in (1, 3, None)}
    assert sum(counts.values()) == 40
    assert counts[1] > counts[3] > counts[None] > 0


def test_samplers_see_what_is_known_at_rungs(engine: Engine) -> None:
    """A trial that waits at a rung, or has gone on from it, is seen as if it had been pruned there."""
    sweep, worker = halved(engine, 5), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 3), {0: 0.1, 1: 0.2, 2: 0.3})
    choose(engine, sweep, claim(engine, worker))
    assert [trial.epochs_trained for trial in claim(engine, worker)] == [1]
    with transaction(engine) as session:
        seen = {trial.number: (trial.state, trial.values, trial.epoch) for trial in observations(session, sweep)}
    assert seen == {
        0: ("pruned", (0.1,), 1),
        1: ("pruned", (0.2,), 1),
        2: ("pruned", (0.3,), 1),
        3: ("running", (), 0),
        4: ("running", (), 0),
    }


def test_a_worker_lost_between_the_checkpoint_and_the_end_of_a_leg_skips_no_rung(engine: Engine) -> None:
    """The trial stands at its rung: its next leg ends there, before another epoch."""
    sweep, worker = halved(engine, 3), new_worker(engine)
    (trial,) = claim(engine, worker, 1)
    choose(engine, sweep, [trial])
    record(engine, sweep, [trial.lease], 1)
    save_checkpoints(engine, sweep, [trial.lease], 1)
    let_lapse(engine, trial.lease)
    expire(engine)
    (again,) = claim(engine, worker, 1)
    assert (again.number, again.epochs_trained, again.rung_epoch) == (trial.number, 1, 1)


def test_a_smaller_budget_removes_no_trial_that_has_begun(engine: Engine) -> None:
    """Promoted trials that were given back have trained, though they wait as if they had not been claimed."""
    sweep, worker = halved(engine, 9), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker), {number: number / 10 for number in range(9)})
    promoted = claim(engine, worker)
    with transaction(engine) as session:
        queue.give_back(session, sweep, [trial.lease for trial in promoted])
    with pytest.raises(InvalidError), transaction(engine) as session:
        changes.change(session, sweep, SweepPatch(n_trials=6))
    assert len(trials_of(engine, sweep)) == 9


def test_trials_at_rungs_interrupt_a_row_of_failures(engine: Engine) -> None:
    """They train well, though they wait: every second trial fails, and the rule of three in a row does not hold."""
    sweep, worker = halved(engine, 20, stop={"failures": 3}), new_worker(engine)
    leases = {trial.number: trial.lease for trial in claim(engine, worker, 7)}
    end_leg(engine, sweep, {leases[number]: number / 10 for number in (0, 2, 4, 6)})
    finish(engine, sweep, worker, [failure(leases[number]) for number in (1, 3, 5)])
    assert sweep_of(engine, sweep).stop_reason is None


@pytest.mark.parametrize("way", ["exclude", "cancel"])
def test_excluded_and_cancelled_trials_take_no_places(engine: Engine, way: str) -> None:
    """The best of three at a rung is taken out: then the second goes on."""
    sweep, worker = halved(engine, 3), new_worker(engine)
    reach_rung(engine, sweep, claim(engine, worker, 2), {0: 0.9, 1: 0.5})
    with transaction(engine) as session:
        if way == "exclude":
            trial_actions.set_excluded(session, sweep, 0, excluded=True)
        else:
            trial_actions.cancel(session, sweep, 0)
    reach_rung(engine, sweep, claim(engine, worker, 1), {2: 0.4})
    (promoted,) = claim(engine, worker)
    assert promoted.number == 1
    reach_rung(engine, sweep, [promoted], {1: 0.6})
    finish(engine, sweep, worker, [success(claim(engine, worker)[0].lease)])
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_a_trial_that_ends_at_a_rung_has_its_runs(engine: Engine) -> None:
    """Promoted without a checkpoint it began anew, was given back, and its sweep stopped: its curve is still there."""
    sweep, worker = halved(engine, 3), new_worker(engine)
    trials = claim(engine, worker)
    choose(engine, sweep, trials)
    record(engine, sweep, [trial.lease for trial in trials])
    end_leg(engine, sweep, {trial.lease: trial.number / 10 for trial in trials})
    (promoted,) = claim(engine, worker)
    assert promoted.epochs_trained == 0
    with transaction(engine) as session:
        queue.give_back(session, sweep, [promoted.lease])
    change(engine, sweep, "stop")
    assert len(runs_of(engine, sweep)) == 3
    assert [trial.epochs_done for trial in trials_of(engine, sweep)] == [1, 1, 1]


def test_equal_configurations_wait_for_one_between_legs(engine: Engine) -> None:
    """Where results are reused, a twin is not claimed while the first lies at a rung, and does not hold it up."""
    grid = {"space": {"hidden_units": 8, "epochs": 9}, "repeats": "reuse", "pruner": HALVING}
    sweep, worker = create_sweep(engine, **grid, n_trials=2), new_worker(engine)
    first = claim(engine, worker, 1)
    row = {"params": '{"hidden_units": 8, "epochs": 9}', "configuration": "the same", "cost": 1.0, "epochs_total": 9}
    with transaction(engine) as session:
        session.execute(text(f"UPDATE trials SET {', '.join(f'{name} = :{name}' for name in row)}"), row)
    record(engine, sweep, [first[0].lease], 1)
    end_leg(engine, sweep, {first[0].lease: 0.5})
    (again,) = claim(engine, worker)
    assert (again.number, again.rung_epoch) == (0, 3)
