"""Every sampler: the same seeds give the same trials, batches are spread, and what was learnt is heeded."""

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from optuna.search_space import IntersectionSearchSpace

from app.domain.objectives import Objective
from app.domain.space import Constraints, Space, parse_constraints, parse_space
from app.search.history import Observation
from app.search.optuna_space import sampler_space
from app.search.private_parts import set_private_parts
from app.search.samplers import AskSeed, make_sampler
from app.search.search import Search
from tests.support.paths import ROOT

CUBE = {name: {"low": 0.0, "high": 1.0} for name in ("momentum", "label_smoothing", "lr_gamma")}
BEST = 0.35  # in each direction
SAMPLERS: dict[str, dict[str, Any]] = {
    "random": {},
    "qmc": {},
    "halton": {"name": "qmc", "sequence": "halton"},
    "tpe": {},
    "gp": {},
    "cmaes": {},
    "separable": {"name": "cmaes", "separable": True},
    "nsgaii": {"population_size": 10},
}
CONDITIONAL = {
    "depth": {"low": 1, "high": 3},
    "hidden_units_2": {"low": 8, "high": 64, "log": True},
    "optimizer": ["sgd", "adam"],
    "momentum": {"low": 0.0, "high": 0.99, "when": {"optimizer": "sgd"}},
    "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
}


def options(name: str) -> dict[str, Any]:
    return {"name": name, **SAMPLERS[name]}


def value(params: dict[str, Any]) -> float:
    return -float(sum((params[name] - BEST) ** 2 for name in CUBE))


def learnt(space: Space, count: int = 20) -> list[Observation]:
    """Random trials that have finished."""
    search = Search(space, {"name": "random"})
    proposals = [search.ask(AskSeed(3, number)) for number in range(count)]
    return [
        Observation(
            number, "complete", params, (value(params) if CUBE.keys() <= params.keys() else params["learning_rate"],)
        )
        for number, params in enumerate(proposals)
    ]


def ask_batch(
    space: Space, name: str, observations: list[Observation], count: int, seed: int = 0
) -> list[dict[str, Any]]:
    """What trials that are asked for at once are given."""
    search = Search(space, options(name), observations)
    return [search.ask(AskSeed(seed, len(observations) + number)) for number in range(count)]


def spread(proposals: list[dict[str, Any]]) -> float:
    """The mean distance between two of them."""
    pairs = list(itertools.combinations([tuple(params.values()) for params in proposals], 2))
    return sum(math.dist(point, second_point) for point, second_point in pairs) / len(pairs)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_batch_is_diverse(name: str) -> None:
    """Thirty-two asked at once, with twenty finished, are all different, and spread.

    Those that go where trials did well are asked beside what already runs: that drives them clearly further apart than
    each alone. Sequences and evolution are spread as they are.
    """
    space = parse_space(CUBE)
    observations = learnt(space)
    together = ask_batch(space, name, observations, 32)
    assert len({tuple(params.values()) for params in together}) == 32
    alone = [Search(space, options(name), observations).ask(AskSeed(0, 20 + number)) for number in range(32)]
    if name in {"tpe", "gp"}:
        assert spread(together) > 1.5 * spread(alone)
    else:
        assert spread(together) > max(0.25, 0.9 * spread(alone))


def searched(
    name: str, outcome: Callable[[dict[str, Any]], Observation], limits: Constraints | None = None
) -> list[Observation]:
    """Trials in batches of ten, each with what came of those before it: sixty, or forty of what learns from fewer."""
    space, observations = parse_space(CUBE), list[Observation]()
    while len(observations) < (40 if name == "gp" else 60):
        search = Search(space, options(name), observations, constraints=limits)
        proposals = [search.ask(AskSeed(0, len(observations) + at)) for at in range(10)]
        observations += [outcome(params)._replace(number=len(observations) + at) for at, params in enumerate(proposals)]
    return observations


LEARNING = ["tpe", "gp", "cmaes", "nsgaii"]


@pytest.mark.parametrize("name", LEARNING)
def test_what_learns_comes_nearer(name: str) -> None:
    """The last ten trials lie nearer to the best point than the first ten."""
    observations = searched(name, lambda params: Observation(0, "complete", params, (value(params),)))
    values = [trial.values[0] for trial in observations]
    assert sum(values[-10:]) > 0.6 * sum(values[:10])


@pytest.mark.parametrize("space", [CUBE, CONDITIONAL], ids=["cube", "conditional"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_seed_gives_the_same_trials(name: str, space: dict[str, Any]) -> None:
    """In the same order, from the same rows; another seed gives others."""
    parsed = parse_space(space)
    observations = learnt(parsed)
    assert ask_batch(parsed, name, observations, 4) == ask_batch(parsed, name, observations, 4)
    assert ask_batch(parsed, name, observations, 4) != ask_batch(parsed, name, observations, 4, seed=1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_conditions_hold_in_every_draw(name: str) -> None:
    """What is active is there, and nothing else, also after trials with other hyperparameters."""
    space = parse_space(CONDITIONAL)
    proposals = ask_batch(space, name, learnt(space), 12)
    for params in proposals:
        expected = {"depth", "optimizer", "learning_rate"}
        expected |= {"hidden_units_2"} if params["depth"] >= 2 else set()
        expected |= {"momentum"} if params["optimizer"] == "sgd" else set()
        assert params.keys() == expected
    assert len({len(params) for params in proposals}) > 1 or name in {"tpe", "gp"}


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
def test_a_sequence_gives_each_trial_its_own_point(sequence: str) -> None:
    """By its number, whatever is finished, whoever asks, and in whatever order: three workers cover one sequence."""
    space, sequence_options = parse_space(CUBE), {"name": "qmc", "sequence": sequence}
    alone = Search(space, sequence_options)
    whole = [alone.ask(AskSeed(0, number)) for number in range(12)]
    later_points = {
        number: Search(space, sequence_options, learnt(space)).ask(AskSeed(0, number)) for number in (7, 2, 11)
    }
    assert later_points == {number: whole[number] for number in (7, 2, 11)}
    again = alone.ask(AskSeed(0, 3, refused=1))
    assert again not in whole
    cells = {tuple(int(2 * params[name]) for name in CUBE) for params in whole[:8]}
    assert sequence == "halton" or len(cells) == 8  # eight points of a Sobol sequence: one in each octant


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("state", ["infeasible", "failed"])
def test_what_can_not_be_trained_steers_away(name: str, state: str) -> None:
    """Where the better half of the space breaks a constraint or diverges, the last twenty draws mostly avoid it."""
    limits = parse_constraints(["momentum <= 0.3"] if state == "infeasible" else [], parse_space(CUBE))

    def outcome(params: dict[str, Any]) -> Observation:
        return (
            Observation(0, state, params)
            if params["momentum"] > 0.3
            else Observation(0, "complete", params, (value(params),))
        )

    observations = searched(name, outcome, limits)
    assert sum(trial.state == state for trial in observations[-20:]) <= 10
    assert sum(trial.state == state for trial in observations) < 0.7 * len(observations)  # of a random sampler's


def test_several_objectives_are_searched_at_once() -> None:
    """Each with its direction: half of the draws trade one for the other between the two best points."""
    space = parse_space({"momentum": CUBE["momentum"]})
    search = Search(space, {"name": "random"})
    proposals = [search.ask(AskSeed(1, number)) for number in range(30)]
    observations = [
        Observation(at, "complete", params, (params["momentum"], params["momentum"] ** 2))
        for at, params in enumerate(proposals)
    ]
    for name in ("nsgaii", "tpe", "gp"):
        search_of_two = Search(
            space,
            options(name),
            observations,
            objectives=[Objective("val_accuracy"), Objective("parameters", maximize=False)],
        )
        assert len({search_of_two.ask(AskSeed(0, 30 + number))["momentum"] for number in range(6)}) == 6


@pytest.mark.parametrize(("population", "trials"), [(2, 41), (10, 203)])
def test_a_generation_has_the_parents_that_optuna_finds(
    population: int, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One generation selected after the other gives the children that Optuna's recursion gives, ties included."""
    space, genetic = parse_space(CUBE), {"name": "nsgaii", "population_size": population}
    observations = [trial._replace(values=(round(trial.values[0], 1),)) for trial in learnt(space, trials)]

    def children() -> list[dict[str, Any]]:
        search = Search(space, genetic, observations)
        return [search.ask(AskSeed(0, trials + number)) for number in range(8)]

    upwards = children()
    monkeypatch.delattr(type(make_sampler(genetic, AskSeed(0, 0), sampler_space(space))), "get_parent_population")
    assert upwards == children()


def test_what_all_trials_have_in_common_is_found_once_for_a_batch() -> None:
    """And its children are those that come of looking at all trials for each of them."""
    space = parse_space(CUBE)
    batch, each = (Search(space, {"name": "nsgaii", "population_size": 4}, learnt(space, 20)) for _ in range(2))
    spaces_in_common = []
    for number in range(20, 26):
        assert batch.ask(AskSeed(0, number)) == each.ask(AskSeed(0, number))
        spaces_in_common.append(batch._sampler._search_space)  # type: ignore[union-attr]
        each._sampler._search_space = IntersectionSearchSpace()  # type: ignore[union-attr]
    assert all(in_common is spaces_in_common[0] for in_common in spaces_in_common)


def test_a_thousand_generations_can_be_evolved() -> None:
    """A population of two has them after two thousand trials."""
    space = parse_space(CUBE)
    params = learnt(space, 1)[0].params
    observations = [Observation(number, "complete", params, (0.5,)) for number in range(2000)]
    search = Search(space, {"name": "nsgaii", "population_size": 2}, observations)
    assert search.ask(AskSeed(0, 2000)).keys() == CUBE.keys()


def test_what_optuna_keeps_to_itself_is_set_only_where_it_is() -> None:
    """A part that another version calls otherwise would be set without any effect."""
    sampler = make_sampler({"name": "gp"}, AskSeed(0, 0), sampler_space(parse_space(CUBE)))
    set_private_parts(sampler, _n_local_search=3)
    assert sampler._n_local_search == 3  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="has no _n_local_searches in"):
        set_private_parts(sampler, _n_local_searches=3)


def test_the_server_needs_none_of_what_samplers_compute_with() -> None:
    """It builds studies, for previews, where torch, scipy and cmaes are not installed."""
    code = """
import sys
sys.modules.update(dict.fromkeys(["torch", "scipy", "cmaes"]))
from app.web.app import create_app
from app.domain.objectives import Objective
from app.domain.space import parse_space
from app.search.optuna_space import sampler_space
from app.search.private_parts import set_private_parts
from app.search.samplers import AskSeed, make_sampler
from app.search.search import Search
print(Search(parse_space({"epochs": [2]}), {"name": "random"}).ask(AskSeed(0, 0)))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("{'epochs': 2}\n", "")
