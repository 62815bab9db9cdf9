"""What a sampler is told of trials: which it is shown, in which order, and at which epoch they were pruned."""

from typing import Any

import pytest
from optuna.samplers._tpe.sampler import _split_trials
from sqlalchemy import Engine

from app.db.engine import transaction
from app.domain.objectives import Objective
from app.domain.space import parse_space
from app.queue.progress import RunResult, TrialResult
from app.search.history import Observation, observations, truncate_history
from app.search.search import Search
from tests.support.queue_examples import choose, claim, create_sweep, failure, finish, new_worker, record, success

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
    """The study that the sampler sees."""
    return Search(SPACE, {"name": name}, trials, objectives=[objective])._study


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
