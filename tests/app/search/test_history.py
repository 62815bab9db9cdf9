"""What a sampler is told of trials: which it is shown, in which order, and at which epoch they were pruned."""

from typing import Any

import pytest
from optuna.samplers._tpe.sampler import _split_trials
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.domain.objectives import Objective
from app.domain.space import parse_space
from app.queue.progress import RunResult, TrialResult
from app.search.history import MAX_HISTORY, Observation, observations, read_history, truncate_history
from app.search.search import Search
from tests.support.queue_examples import (
    choose,
    claim,
    create_sweep,
    failure,
    finish,
    new_worker,
    record,
    setup_of,
    success,
)

SPACE = parse_space({"momentum": {"low": 0.0, "high": 1.0}})
ACCURACY, LOSS = Objective("val_accuracy"), Objective("val_loss", maximize=False)


def trial(number: int, state: str, value: float | None = None, epoch: int = 0) -> Observation:
    return Observation(number, state, {"momentum": number / 1000}, () if value is None else (value,), epoch=epoch)


def pruned_sweep() -> list[Observation]:
    """Five trials that diverged, fifty-five that were pruned, most of them after an epoch, and four complete ones."""
    diverged = [trial(number, "failed") for number in range(5)]
    pruned = [trial(5 + at, "pruned", 0.5 + at / 1000, epoch=9 if at in {7, 8} else 1) for at in range(55)]
    return diverged + pruned + [trial(60 + at, "complete", 0.8 + at / 100) for at in range(4)]


def study_of(name: str, trials: list[Observation], objective: Objective = ACCURACY) -> Any:
    """The study that the sampler sees; TPE is told of one as long as it draws at random."""
    options = {"name": name} | ({"n_startup_trials": 1000} if name == "tpe" else {})
    return Search(SPACE, options, trials, objectives=[objective])._study


def test_tpe_takes_the_deepest_and_best_of_pruned_trials_for_good() -> None:
    """Of sixty-four trials seven are good ones: the complete, the two deepest, and the best of those after an epoch."""
    study = study_of("tpe", pruned_sweep())
    good, _ = _split_trials(study, study.trials, 7)
    assert sorted(trial.number for trial in good) == [12, 13, 59, 60, 61, 62, 63]


@pytest.mark.parametrize("name", ["gp", "cmaes", "nsgaii"])
@pytest.mark.parametrize("objective", [ACCURACY, LOSS], ids=["accuracy", "loss"])
def test_a_pruned_value_is_none_of_a_whole_training(name: str, objective: Objective) -> None:
    """Samplers of complete trials are told values behind all of those, in the same order; diverged ones are last."""
    best_first = [trial(0, "complete", 0.5), trial(1, "complete", 0.5 - 0.01 if objective.maximize else 0.5 + 0.01)]
    # after one epoch both metrics may look better than after the last: those are of trials that went on to get worse
    best_first += [trial(2, "pruned", 0.52, epoch=9), trial(3, "pruned", 0.51, epoch=9)][
        :: 1 if objective.maximize else -1
    ]
    best_first += [trial(4, "pruned", 0.9, epoch=1), trial(5, "pruned", 0.2, epoch=1)][
        :: 1 if objective.maximize else -1
    ]
    best_first += [trial(6, "failed")]
    study = study_of(name, best_first[::-1], objective)
    values = {round(1000 * trial.params["momentum"]): trial.value for trial in study.trials}
    assert sorted(values, key=lambda number: values[number], reverse=objective.maximize) == [
        trial.number for trial in best_first
    ]
    assert len(set(values.values())) == 7
    assert (values[0], values[1]) == (best_first[0].values[0], best_first[1].values[0])


def test_pruned_trials_are_ranked_before_any_is_complete() -> None:
    """A sampler of complete trials learns from them, though nothing is known of values at the end."""
    study = study_of("cmaes", [trial(0, "pruned", 0.5, epoch=1), trial(1, "pruned", 0.4, epoch=3), trial(2, "failed")])
    by_number = {round(1000 * trial.params["momentum"]): trial.value for trial in study.trials}
    assert by_number[1] > by_number[0] > by_number[2]
    assert study_of("cmaes", [trial(0, "failed")]).trials[0].state.name == "PRUNED"


def test_a_long_history_is_remembered_by_its_best_and_newest() -> None:
    """A quarter the best, the rest the newest, and all that runs."""
    trials = [Observation(number, "complete", {}, (float(number % 100),)) for number in range(1000)]
    trials.append(Observation(1000, "running", {}))
    shown_trials = truncate_history(trials, 40, [ACCURACY])
    assert len(shown_trials) == 41
    assert [trial.number for trial in shown_trials] == sorted(trial.number for trial in shown_trials)
    assert {trial.values[0] for trial in shown_trials[:9]} == {99.0}
    assert [trial.number for trial in shown_trials[-30:]] == list(range(971, 1001))
    assert truncate_history(trials, None, [ACCURACY]) == trials


def test_early_values_of_pruned_trials_displace_no_complete_one() -> None:
    """A loss after one epoch that is lower than every final one is no better than those."""
    complete = [trial(number, "complete", 1.0 + number / 100) for number in range(10)]
    pruned = [trial(number, "pruned", 0.1, epoch=1) for number in range(10, 1000)]
    shown_numbers = {trial.number for trial in truncate_history(complete + pruned, 40, [LOSS])}
    assert shown_numbers == set(range(10)) | set(range(970, 1000))


def test_a_long_history_of_two_objectives_keeps_the_whole_front() -> None:
    """Also where it is more than a quarter; else trials on the fronts behind it fill the quarter up."""
    # trials 0 to 14 trade one objective for the other; every later one is beaten by one before it
    layers = [
        Observation(number, "complete", {}, (float(number % 15) - number // 15, float(-(number % 15)) - number // 15))
        for number in range(300)
    ]
    both_larger = [ACCURACY, Objective("val_loss")]
    shown_numbers = {trial.number for trial in truncate_history(layers, 40, both_larger)}
    assert shown_numbers == set(range(15)) | set(range(275, 300))
    shown_numbers = {trial.number for trial in truncate_history(layers, 80, both_larger)}
    assert set(range(15)) < shown_numbers
    assert len(shown_numbers & set(range(15, 30))) == 5
    assert len(truncate_history(layers, 8, both_larger)) == 8  # a front that is larger than all that is shown


def test_a_pruned_trial_comes_with_the_epoch_at_which_it_was_pruned(engine: Engine) -> None:
    """It is the last of its curve; other trials have none."""
    sweep, worker = create_sweep(engine, n_trials=3, sampler="tpe"), new_worker(engine)
    claimed_trials = claim(engine, worker)
    choose(engine, sweep, claimed_trials)
    leases = [trial.lease for trial in claimed_trials]
    for epoch in (1, 2):
        record(engine, sweep, leases, epoch)
    pruned = TrialResult(leases[0], 0.25, None, None, [RunResult(0, 0.25, None, 0.1)], "below the median")
    finish(engine, sweep, worker, [pruned, failure(leases[1]), success(leases[2])])
    with transaction(engine) as session:
        trials = observations(session, sweep)
    assert [(trial.state, trial.values, trial.epoch) for trial in trials] == [
        ("pruned", (0.25,), 2),
        ("failed", (), 0),
        ("complete", (0.5,), 0),
    ]


# Of six trials one each is infeasible and has failed, four are complete with few different values, some of all of them
# excluded; behind them forty run, wait with parameters, have a last attempt, or were cancelled; the rest has none.
_ENDED = text("""
    UPDATE trials SET params = CAST('{"hidden_units": ' || 1 + number % 64 || ', "epochs": 2}' AS json), cost = 1,
        epochs_total = 2, finished_at = now(), excluded = number % 29 = 0,
        state = CAST(CASE number % 6 WHEN 0 THEN 'infeasible' WHEN 1 THEN 'failed' ELSE 'complete' END AS trial_state),
        value = CASE WHEN number % 6 > 1 THEN number * 7919 % 101 / 100.0 END,
        error = CASE WHEN number % 6 = 1 THEN 'diverged' END
    WHERE number < :ended
""")
_LIVE = text("""
    UPDATE trials SET params = CAST('{"hidden_units": 3, "epochs": 2}' AS json), cost = 1, epochs_total = 2,
        state = CAST(CASE number % 4 WHEN 0 THEN 'running' WHEN 1 THEN 'cancelled' ELSE 'waiting' END AS trial_state),
        lease_token = CASE WHEN number % 4 = 0 THEN gen_random_uuid() END,
        lease_until = CASE WHEN number % 4 = 0 THEN now() END,
        finished_at = CASE WHEN number % 4 = 1 THEN now() END,
        attempt = number % 3, enqueued = number % 5 = 0
    WHERE number >= :ended AND number < :ended + 40
""")


@pytest.mark.parametrize("ended", [0, 30, 700])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_no_more_is_read_than_a_sampler_is_shown(engine: Engine, ended: int, direction: str) -> None:
    """It is what would be shown of all trials, and as many are counted."""
    sweep = create_sweep(engine, n_trials=800, sampler="tpe", objective={"direction": direction})
    with transaction(engine) as session:
        session.execute(_ENDED, {"ended": ended})
        session.execute(_LIVE, {"ended": ended})
    setup = setup_of(engine, sweep)
    with transaction(engine) as session:
        history, trials = read_history(session, setup), observations(session, sweep)
    states = [trial.state for trial in trials]
    assert (history.running, history.ready) == (states.count("running"), states.count("waiting")) == (10, 20)
    assert history.ended == states.count("complete") + states.count("failed")
    included = [trial for trial in trials if not trial.excluded]
    assert list(history.shown_trials) == truncate_history(included, MAX_HISTORY["tpe"], setup.all_objectives)
    assert len(history.shown_trials) == 30 + min(
        sum(trial.state not in {"running", "waiting"} for trial in included), 256
    )


@pytest.mark.parametrize(
    "change",
    [
        "is_survivor = true, first_seed = 1",
        "continued_from = 0",
        "state = 'pruned', error = NULL",
        "state = 'waiting', finished_at = NULL, value = NULL, error = NULL, rung = 0, rung_means = '{0.5}'",
    ],
)
def test_trials_that_count_for_others_have_all_of_them_read(engine: Engine, change: str) -> None:
    """What a sampler is shown of them depends on further trials than the best and the newest."""
    sweep = create_sweep(engine, n_trials=800, sampler="tpe")
    with transaction(engine) as session:
        session.execute(_ENDED, {"ended": 400})
        session.execute(text(f"UPDATE trials SET {change} WHERE number = 7"))
    with transaction(engine) as session:
        assert read_history(session, setup_of(engine, sweep)).shown_trials == observations(session, sweep)
