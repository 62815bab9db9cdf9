import math
import random
from collections.abc import Sequence

import pytest

from app.charts.importance import ImportanceData, ImportanceOptions, importance_data, importance_figure
from app.charts.rows import Axis, TrialRow
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep

NAMES = ("relu", "tanh", "gelu")
RATE, DEPTH, NAME = Axis("learning_rate", log=True), Axis("depth"), Axis("activation", choices=NAMES)
SWEEP = sweep(RATE, DEPTH, NAME)


def trials_of(count: int) -> list[TrialRow]:
    """Trials of which the rate explains 60 % of the variance, the depth 20 %, both together 20 %, the name nothing."""
    numbers = random.Random(1)
    trials = []
    for n in range(count):
        rate, depth = numbers.random(), numbers.randrange(3) - 1
        params = {"learning_rate": 10 ** (3 * rate - 3), "depth": depth + 2, "activation": numbers.choice(NAMES)}
        u, d = (rate - 0.5) * math.sqrt(12), depth / math.sqrt(2 / 3)
        value = 0.5 + 0.1 * (math.sqrt(0.6) * u + math.sqrt(0.2) * d + math.sqrt(0.2) * u * d)
        trials.append(complete(n, params, value))
    return trials


def copies_of(count: int, copy: int) -> list[TrialRow]:
    """The same trials with other numbers, as a sweep that reuses results has them."""
    return [
        trial._replace(number=trial.number + copy * count, configuration=f"configuration {trial.number}")
        for trial in trials_of(count)
    ]


def data_of(trials: Sequence[TrialRow], *, close: bool = False) -> ImportanceData:
    return importance_data(SWEEP, trials, ImportanceOptions(close))


def test_shares_are_those_of_the_variance() -> None:
    """Known ones come out within a few per cent, the largest first, and what two explain only together has its own."""
    data = data_of(trials_of(300))
    assert [share.name for share in data.single] == ["learning_rate", "depth", "activation"]
    assert [share.share for share in data.single] == pytest.approx([0.6, 0.2, 0.0], abs=0.05)
    assert [share.name for share in data.comparisons] == ["only together, or noise", "random numbers"]
    assert [share.share for share in data.comparisons] == pytest.approx([0.2, 0.0], abs=0.06)
    assert all(share.low <= share.share <= share.high for share in (*data.single, *data.comparisons))
    assert data.predicted > 0.9


def test_few_trials_have_wide_intervals() -> None:
    """The resamples of 40 trials differ more than those of 300, and the same trials give the same shares."""
    few, many = data_of(trials_of(40)), data_of(trials_of(300))
    assert few.single[0].high - few.single[0].low > 2 * (many.single[0].high - many.single[0].low)
    assert data_of(trials_of(40)) == few


def test_what_was_tried_again_counts_once() -> None:
    """A copy in a resample would tell a forest of its twin outside, and what was tried more often would weigh more."""
    copies = [trial for copy in range(5) for trial in copies_of(40, copy)]
    data = data_of(copies)
    once = data_of(trials_of(40))
    assert (data.single, data.predicted, data.configurations) == (once.single, once.predicted, 40)
    noise = [
        complete(trial.number, trial.params, random.Random(trial.configuration).random())._replace(
            configuration=trial.configuration
        )
        for trial in copies
    ]
    assert "too noisy to trust" in data_of(noise).subtitle


def test_noise_is_called_noise() -> None:
    """Values that have nothing to do with the hyperparameters: the chart says that it is not to be trusted."""
    numbers = random.Random(2)
    noise = [complete(trial.number, trial.params, numbers.random()) for trial in trials_of(100)]
    data = data_of(noise)
    assert data.predicted < 0.2
    assert "too noisy to trust" in data.subtitle


def test_it_says_which_trials_it_is_drawn_from() -> None:
    """Complete ones alone; the others are counted."""
    others = [pruned(300, {"depth": 1}, 0.3), diverged(301, {"depth": 1}, None)]
    subtitle = data_of([*trials_of(30), *others]).subtitle
    assert "30 configurations; intervals" in subtitle
    assert "1 pruned trial left out" in subtitle
    assert "1 failed trial left out" in subtitle


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([], "No finished trial yet"),
        (trials_of(19), "Too few configurations to tell: 19 of at least 20"),
        (
            [trial for copy in range(4) for trial in copies_of(12, copy)],
            "Too few configurations to tell: 12 of at least 20",
        ),
        ([complete(n, {"depth": 1}, 0.5) for n in range(30)], "The trials differ in no hyperparameter"),
        ([complete(n, {"depth": n % 3}, 0.5) for n in range(30)], "All trials have the same value"),
    ],
)
def test_where_nothing_can_be_said_it_says_why(trials: list[TrialRow], reason: str) -> None:
    """An empty figure with the reason, and how many trials it would take."""
    data = data_of(trials)
    assert data.reason == reason
    (note,) = importance_figure(data).layout.annotations
    assert note.text == reason


def test_what_a_condition_leaves_out_has_a_bin_of_its_own() -> None:
    """That a hyperparameter is there can be what matters."""
    numbers = random.Random(3)
    trials = []
    for n in range(100):
        momentum = {"momentum": numbers.random()} if n % 2 else {}
        trials.append(complete(n, {"depth": numbers.randrange(3), **momentum}, 0.9 if momentum else 0.1))
    data = importance_data(sweep(DEPTH, Axis("momentum")), trials, ImportanceOptions())
    assert data.single[0].name == "momentum"
    assert data.single[0].share == pytest.approx(1.0, abs=0.02)


def test_close_up_poor_trials_no_longer_decide() -> None:
    """Depth 0 fails altogether; among the others the rate decides."""
    numbers = random.Random(4)
    trials = []
    for n in range(200):
        depth, rate = n % 4, numbers.random()
        trials.append(complete(n, {"depth": depth, "learning_rate": rate}, 0.1 if not depth else 0.8 + 0.1 * rate))
    assert data_of(trials).single[0].name == "depth"
    assert data_of(trials, close=True).single[0].name == "learning_rate"
    assert "close-up" in data_of(trials, close=True).subtitle
