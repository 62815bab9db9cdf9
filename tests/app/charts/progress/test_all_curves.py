"""All learning curves at once: which trials are drawn, in which groups, and as how few traces."""

from dataclasses import replace

import pytest

from app.charts.progress.all_curves import (
    TRIALS,
    AllCurvesOptions,
    all_curves_data,
    all_curves_figure,
    trials_of_all_curves,
)
from app.charts.rows import Axis, EpochMean, TrialRow
from tests.support.sweeps.chart_examples import complete, sweep

SWEEP = sweep(Axis("learning_rate", log=True, ends=(0.01, 1.0)), Axis("optimizer", choices=("sgd", "adam")))


def trial(number: int, value: float, state: str = "complete", epochs: int = 2) -> TrialRow:
    params = {"learning_rate": (number + 1) / 100, "optimizer": ("sgd", "adam")[number % 2]}
    return complete(number, params, value)._replace(state=state, epochs=epochs)


def means(*numbers: int) -> list[EpochMean]:
    return [EpochMean(number, epoch, number / 100 + epoch / 1000, None, 1, 0) for number in numbers for epoch in (1, 2)]


def test_a_group_is_one_trace_with_a_gap_behind_each_curve() -> None:
    """A trial that has no epoch, or is excluded, is in none; the legend counts."""
    trials = [trial(0, 0.1), trial(1, 0.2, "pruned"), trial(2, 0.3), trial(3, 0.4, "waiting", 0)]
    data = all_curves_data(SWEEP, trials, means(0, 1, 2), AllCurvesOptions())
    figure = all_curves_figure(data)
    assert [trace.name for trace in figure.data] == ["complete (2)", "pruned (1)"]
    assert figure.data[0].x == (1, 2, None, 1, 2, None)
    assert figure.data[0].customdata == (0, 0, 0, 2, 2, 2)
    assert figure.data[0].line.color != figure.data[1].line.color


def test_r2_leaves_room_for_what_has_learned() -> None:
    """A network that goes astray is below the axis, and one group alone has its number in the legend too."""
    numbers = replace(sweep(Axis("depth"), metric="val_r2"), target="number")
    wild = [EpochMean(0, epoch, value, None, 1, 0) for epoch, value in ((1, -500.0), (2, 0.4))]
    figure = all_curves_figure(all_curves_data(numbers, [trial(0, 0.4)], wild, AllCurvesOptions()))
    assert (figure.layout.yaxis.range, figure.layout.showlegend) == ((-1.0, 1.02), True)


def test_of_very_many_some_are_drawn_from_the_best_to_the_worst() -> None:
    """With those that go on, and the subtitle counts them."""
    trials = [trial(n, n / 1000) for n in range(899)] + [trial(899, 0.0, "running")._replace(value=None)]
    picked = trials_of_all_curves(SWEEP, trials, AllCurvesOptions())
    assert (len(picked), picked[0].number, picked[-1].number) == (TRIALS, 898, 899)
    data = all_curves_data(SWEEP, trials, means(*(trial.number for trial in picked)), AllCurvesOptions())
    assert "300 of 900 trials" in data.subtitle


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("optimizer", ["adam", "sgd"]),
        ("learning_rate", ["0.01 up to 0.03", "0.03 up to 0.05", "0.05 up to 0.07", "0.07 to 0.08"]),
    ],
)
def test_groups_are_values_or_ranges_of_a_number(group: str, names: list[str]) -> None:
    """Each trial is in one of them."""
    trials = [trial(number, 0.5) for number in range(8)]
    data = all_curves_data(SWEEP, trials, means(*range(8)), AllCurvesOptions(group))
    assert [part.name for part in data.groups] == names
    assert sorted(number for part in data.groups for number in part.curves) == list(range(8))


def test_rare_values_and_trials_without_one_have_groups_too() -> None:
    """Of more values than colours the common ones are told apart."""
    kinds = [*"aabbccddee", "f", "g"]
    trials = [
        complete(number, {"kind": kind} if number else {}, 0.5)._replace(epochs=2) for number, kind in enumerate(kinds)
    ]
    data = all_curves_data(SWEEP, trials, means(*range(12)), AllCurvesOptions("kind"))
    assert [part.name for part in data.groups] == ["a", "b", "c", "d", "e", "other values", "without it"]
    figure = all_curves_figure(data)
    assert len({trace.line.color for trace in figure.data}) == 7
    assert sum(len(set(trace.customdata)) for trace in figure.data) == 12


def test_curves_of_one_epoch_are_dots_beside_the_lines_of_their_group() -> None:
    """Hidden with them, and counted with them in the legend; a group of dots alone is in it too."""
    trials = [trial(0, 0.1), trial(1, 0.2, epochs=1), trial(2, 0.3, "pruned", epochs=1)]
    one_epoch = [EpochMean(number, 1, 0.2, None, 1, 0) for number in (1, 2)]
    figure = all_curves_figure(all_curves_data(SWEEP, trials, means(0) + one_epoch, AllCurvesOptions()))
    shown = [(trace.name, trace.mode, trace.showlegend, trace.legendgroup, trace.x) for trace in figure.data]
    assert shown == [
        ("complete (2)", "lines", True, "complete", (1, 2, None)),
        ("complete (2)", "markers", False, "complete", (1, None)),
        ("pruned (1)", "markers", True, "pruned", (1, None)),
    ]
