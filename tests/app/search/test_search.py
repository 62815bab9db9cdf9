"""A search: the same seeds give the same trials, and what was learnt is heeded."""

import json
import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from optuna.distributions import IntDistribution

from app.charts.rows import TrialRow
from app.domain.space import Choice, Range, Space, parse_space
from app.errors import InvalidError
from app.search.history import Observation
from app.search.optuna_space import distributions
from app.search.samplers import AskSeed
from app.search.search import Search

SPACE = {
    "hidden_units": {"low": 1, "high": 1024, "log": True},
    "learning_rate": {"low": 0.001, "high": 1.0, "log": True},
    "activation": ["relu", "tanh", "sigmoid"],
    "hidden_layers": None,
    "epochs": 3,
}
OPTIONS: dict[str, dict[str, Any]] = {"tpe": {"n_startup_trials": 4, "n_ei_candidates": 8}}


def space_of(**changes: Any) -> Space:
    return parse_space({name: value for name, value in (SPACE | changes).items() if value is not None})


def row(number: int, params: dict[str, Any], value: float | None, state: str = "complete") -> TrialRow:
    return TrialRow(number, state, params, value, None, (), datetime(2026, 1, 1, tzinfo=UTC))


def extreme_spaces(seed: int, count: int) -> list[Space]:
    """Spaces at the edge of what can be posted: those of many drawn ones that are not refused."""
    chance = random.Random(seed)
    numbers = [0, 5e-324, 1e-300, 1e-30, 1e-9, 1e-6, 0.1, 1 / 3, 0.30000000000000004, 1, 7, 99.99999999, 999999.9999999]
    spaces: list[Space] = []
    while len(spaces) < count:
        low, high, step = chance.choice(numbers), chance.choice(numbers), chance.choice(numbers)
        form: dict[str, Any] = chance.choice([{}, {"log": True}, {"step": step}, {"step": step}])
        with suppress(InvalidError):
            spaces.append(parse_space({"learning_rate": {"low": low, "high": high, **form}}))
    return spaces


def ask_all(space: Space, name: str, seed: int, count: int, rows: list[TrialRow] | None = None) -> list[dict[str, Any]]:
    """What `count` trials in a row are given."""
    observations = [
        Observation(trial.number, trial.state, trial.params, () if trial.value is None else (trial.value,))
        for trial in rows or []
    ]
    search = Search(space, {"name": name, **OPTIONS.get(name, {})}, observations)
    return [search.ask(AskSeed(seed, number)) for number in range(count)]


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_the_same_seed_in_the_same_order_gives_the_same_trials(name: str) -> None:
    """A sweep repeats; another seed gives another one."""
    rows = [row(number, params, 0.1 * number) for number, params in enumerate(ask_all(space_of(), "random", 9, 6))]
    assert ask_all(space_of(), name, 1, 8, rows) == ask_all(space_of(), name, 1, 8, rows)
    assert ask_all(space_of(), name, 1, 8, rows) != ask_all(space_of(), name, 2, 8, rows)


def test_a_random_trial_depends_on_its_number_alone() -> None:
    """Whichever worker asks, and whatever it asked before."""
    space = space_of()
    assert Search(space, {"name": "random"}).ask(AskSeed(5, 3)) == ask_all(space, "random", 5, 4)[3]


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_draws_are_within_the_space(name: str) -> None:
    """Every hyperparameter is there, whole where it is whole, between its bounds, on its steps."""
    tenths = {"low": 0.0, "high": 0.9, "step": 0.1}
    space = space_of(
        depth={"low": 1, "high": 8, "step": 3}, init_std={"low": 0.1, "high": 1.0, "step": 0.4}, dropout=tenths
    )
    for params in ask_all(space, name, 0, 12):
        assert params["dropout"] in {tenth / 10 for tenth in range(10)}
        assert [*params] == [*space.domains]
        assert params["epochs"] == 3
        assert params["depth"] in {1, 4, 7}
        assert params["init_std"] in {0.1, 0.5, 0.9}
        for key, domain in space.free().items():
            if isinstance(domain, Range):
                assert domain.low <= params[key] <= domain.high
                assert isinstance(params[key], int if domain.whole else float)
            else:
                assert params[key] in domain.values


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_a_batch_is_diverse(name: str) -> None:
    """Trials that are asked for together, with nothing learnt in between, differ from each other."""
    learnt = [row(number, params, 0.1 * number) for number, params in enumerate(ask_all(space_of(), "random", 9, 10))]
    batch = ask_all(space_of(), name, 0, 16, learnt)
    assert len({params["learning_rate"] for params in batch}) == 16


def test_lists_of_widths_go_to_optuna_and_back() -> None:
    """A choice that is a list comes back as that list, also from a study that already holds one."""
    choices: list[Any] = [[8], [8, 4], []]
    space = parse_space({"hidden_layers": choices, "epochs": 1})
    rows = [row(0, {"hidden_layers": [8, 4], "epochs": 1}, 0.5)]
    proposals = [params["hidden_layers"] for params in ask_all(space, "tpe", 0, 30, rows)]
    assert {json.dumps(layers) for layers in proposals} == {json.dumps(layers) for layers in choices}


def test_a_space_without_choices_has_one_configuration() -> None:
    """Constants alone can be asked for, as can nothing at all."""
    assert ask_all(parse_space({"epochs": 2}), "tpe", 0, 2, [row(0, {"epochs": 2}, 0.5)]) == [{"epochs": 2}] * 2
    assert ask_all(parse_space({}), "random", 0, 1) == [{}]


def test_the_study_holds_each_trial_as_it_ended() -> None:
    """Finished trials with their values, those that run or wait as running; cancelled ones are left out."""
    params = {"hidden_units": 4, "learning_rate": 0.1, "activation": "relu", "epochs": 3}
    endings = [("complete", (0.5,)), ("running", ()), ("failed", ()), ("waiting", ()), ("cancelled", ())]
    observations = [Observation(number, state, params, values) for number, (state, values) in enumerate(endings)]
    trials = Search(space_of(), {"name": "random"}, observations)._study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "RUNNING", "PRUNED", "RUNNING"]
    assert trials[0].value == 0.5


def test_diverged_trials_steer_tpe_away() -> None:
    """Where half of the range diverged, far fewer than half of the next trials are tried."""
    space = parse_space({"learning_rate": {"low": 0.001, "high": 10.0, "log": True}})
    rates = [10 ** (-3 + 4 * step / 19) for step in range(20)]
    rows = [
        row(number, {"learning_rate": rate}, *((0.8, "complete") if rate < 0.1 else (None, "failed")))
        for number, rate in enumerate(rates)
    ]
    assert sum(row.state == "failed" for row in rows) == 10
    proposals = [params["learning_rate"] for params in ask_all(space, "tpe", 0, 20, rows)]
    assert sum(rate >= 0.1 for rate in proposals) <= 5


def test_tpe_goes_where_trials_did_well() -> None:
    """After twenty trials whose value is the closeness to 0.1, most of the next ones are nearer than chance."""
    space = parse_space({"init_std": {"low": 0.0, "high": 1.0, "step": 0.01}})
    rows = [row(number, {"init_std": number / 20}, -abs(number / 20 - 0.1), "complete") for number in range(20)]
    proposals = [params["init_std"] for params in ask_all(space, "tpe", 0, 20, rows)]
    assert sum(abs(draw - 0.1) < 0.2 for draw in proposals) >= 12


def test_a_step_of_one_draws_what_whole_bounds_drew() -> None:
    """Ranges that were whole by their bounds are written with a step, and Optuna has the same distribution of them."""
    raw = {
        "warmup_epochs": {"low": 0, "high": 4, "step": 1},
        "init_gain": {"low": 1, "high": 9, "step": 1, "log": True},
    }
    assert distributions(parse_space(raw)) == {
        "warmup_epochs": IntDistribution(0, 4),
        "init_gain": IntDistribution(1, 9, log=True),
    }


def test_choices_of_names_are_what_the_space_says() -> None:
    """A name comes back as it was written."""
    space = space_of()
    assert isinstance(space.domains["activation"], Choice)
    assert {params["activation"] for params in ask_all(space, "random", 0, 30)} == {"relu", "tanh", "sigmoid"}


@pytest.mark.filterwarnings("ignore:The distribution is specified by")
@pytest.mark.parametrize("name", ["random", "qmc", "tpe", "cmaes", "nsgaii"])
def test_every_space_that_is_taken_can_be_searched(name: str) -> None:
    """However small its steps and however far apart its ends: Optuna takes what it drew itself back as a result."""
    for space in extreme_spaces(seed=1, count=40):
        params = Search(space, {"name": name}).ask(AskSeed(1, 0))
        results = [Observation(number, "complete", params, (0.5,)) for number in range(12)]
        assert Search(space, {"name": name}, results).ask(AskSeed(1, 12)).keys() == params.keys()
