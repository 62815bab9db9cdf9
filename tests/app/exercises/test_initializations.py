"""Exercise 9: the answer says what the rows say, depth by depth."""

from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import get_args

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, DiagnosticsRow, EpochRow, RunRow, SweepRow, TrialRow
from app.domain.configuration import INITIALIZATIONS
from app.domain.objectives import Objective
from app.exercises.answers.finding import Answer, Finding
from app.exercises.exercise import SweepData
from app.exercises.initializations.exercise import INITIALIZATION, answer, sweeps
from app.exercises.initializations.starts import NAMED, SCALES
from app.exercises.preset import Preset
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

NAMES = ("default", "normal", "orthogonal", "zeros")
VALUES = {
    1: {"default": (0.80, 0.81), "normal": (0.79, 0.82), "orthogonal": (0.82, 0.83), "zeros": (0.1, 0.1)},
    2: {"default": (0.80, 0.81), "normal": (0.10, 0.105), "orthogonal": (0.84, 0.85), "zeros": (0.1, 0.1)},
}


def sweep(axis: str) -> SweepRow:
    return SweepRow("starts", "fashion_mnist", "holdout", Objective("val_accuracy"), 2, {axis: Axis(axis)})


def trial(number: int, layers: int, values: tuple[float, ...], **params: object) -> TrialRow:
    runs = tuple(RunRow(seed, value) for seed, value in enumerate(values))
    everything = {"hidden_layers": [8] * layers, **params, "learning_rate": 0.1, "epochs": 3}
    return TrialRow(number, "complete", everything, fmean(values), None, runs)


NAMED_TRIALS = [
    trial(4 * (layers - 1) + place, layers, VALUES[layers][name], initialization=name)
    for layers in (1, 2)
    for place, name in enumerate(NAMES)
]
SCALED_TRIALS = [
    trial(place, 2, values, initialization="normal", init_std=std)
    for place, (std, values) in enumerate({0.01: (0.1, 0.1), 0.1: (0.8, 0.82), 1.0: (0.7, 0.74)}.items())
]


def measured(item: TrialRow, gradient: float, *, epoch: int = 0) -> list[DiagnosticsRow]:
    sizes, dead = [gradient] * (depth(item) + 1), [0.0] * depth(item)
    return [DiagnosticsRow(item.number, seed, epoch, dead, sizes, sizes, 1, 1.0, 1, None) for seed in (0, 1)]


def depth(item: TrialRow) -> int:
    layers = item.params["hidden_layers"]
    assert isinstance(layers, list)
    return len(layers)


def curves(trials: list[TrialRow]) -> list[EpochRow]:
    """All are at a half after the first epoch, and at their values after the third."""
    return [
        EpochRow(item.number, run.seed, epoch, 1.0, 0.5, 1.0, 0.5 + run.seed / 100 if epoch == 1 else run.value)
        for item in trials
        for run in item.runs
        for epoch in (1, 3)
    ]


def answered() -> Answer:
    gradients = {"default": 1e-3, "normal": 1e-6, "orthogonal": 1e-2, "zeros": 0.0}
    rows = [row for item in NAMED_TRIALS for row in measured(item, gradients[str(item.params["initialization"])])]
    # one layer of normal weights learns: its gradient is that of the default
    rows = [row._replace(gradient_rms=[1e-3, 1e-3]) if row.trial == 1 else row for row in rows]
    scaled_rows = [row for item in SCALED_TRIALS for row in measured(item, 1e-6 if item.number == 0 else 0.1)]
    said = answer(
        {
            NAMED: SweepData(sweep("initialization"), NAMED_TRIALS, curves(NAMED_TRIALS), rows),
            SCALES: SweepData(sweep("init_std"), SCALED_TRIALS, curves(SCALED_TRIALS), scaled_rows),
        }
    )
    assert said is not None
    return said


def finding(name: str) -> Finding:
    return next(item for item in answered().findings if item.name == name)


def test_it_matters_where_differences_at_equal_seeds_are_clear() -> None:
    """At one layer orthogonal is better by 0.02 at both seeds; normal by −0.01 and 0.01, which is not clear."""
    assert answered().sentence == (
        "It matters. Against torch's default, in percentage points after 3 epochs (95 % confidence, 2 seeds): with 2 "
        "hidden layers of 8 units, clearly worse is normal by 70.25 (67.07 to 73.43); clearly better is orthogonal by "
        "4.00 (4.00 to 4.00). With 1 hidden layer, none is clearly worse; clearly better is orthogonal by 2.00 (2.00 "
        "to 2.00); not clear is normal (a difference of 0.00). With zeros all 4 runs stayed at chance."
    )
    assert answered().caveats[0].startswith("Not tested: other activations than ReLU, other rates, and normalization")
    shallow, deep = finding("differ_at_depth_1"), finding("differ_at_depth_2")
    assert (shallow.estimate, shallow.n, deep.estimate) == (1, 2, 2)
    assert "Better, by an interval that leaves out 0: orthogonal 2.00 (2.00 to 2.00)." in shallow.text
    assert "Not clear at 2 seeds: normal 0.00 (−12.71 to 12.71)." in shallow.text
    assert "Worse, by an interval that leaves out 0: normal −70.25 (−73.43 to −67.07)." in deep.text
    assert deep.text.endswith("After the first epoch none of 2 were clearly better and none clearly worse.")


def test_of_many_that_are_alike_the_range_is_told() -> None:
    """Three are clearly better, by one to three hundredths, and four are not clear."""
    values = {f"better_{place}": (0.80 + place / 100, 0.81 + place / 100) for place in (1, 2, 3)}
    values |= {f"alike_{place}": (0.81, 0.80 - place / 1000) for place in (1, 2, 3, 4)}
    trials = [
        trial(number, 1, pair, initialization=name)
        for number, (name, pair) in enumerate({"default": (0.80, 0.81), **values}.items())
    ]
    data = SweepData(sweep("initialization"), trials, curves(trials))
    said = answer({NAMED: data, SCALES: SweepData(sweep("init_std"))})
    assert said is not None
    assert said.sentence.endswith(
        "none is clearly worse; clearly better are better_3, better_2 and better_1, by 1.00 to 3.00; not clear are the "
        "other 4 (means lower by 0.05 to 0.20)."
    )


def test_a_depth_with_nothing_to_compare_yet_is_left_to_later() -> None:
    """While the exercise runs, one depth has ended with an initialization before the other."""
    trials = [*NAMED_TRIALS[:3], NAMED_TRIALS[4]]
    said = answer(
        {
            NAMED: SweepData(sweep("initialization"), trials, curves(trials)),
            SCALES: SweepData(sweep("init_std"), SCALED_TRIALS, curves(SCALED_TRIALS)),
        }
    )
    assert said is not None
    assert said.sentence == (
        "It matters. Against torch's default, in percentage points after 3 epochs (95 % confidence, 2 seeds): with 1 "
        "hidden layer of 8 units, none is clearly worse; clearly better is orthogonal by 2.00 (2.00 to 2.00); not "
        "clear is normal (a difference of 0.00)."
    )
    assert any("2 hidden layers" in item.text for item in said.findings), "what the scales say needs no default"


def test_what_is_clear_after_one_epoch_alone_is_told_from_what_is_at_the_end() -> None:
    """Orthogonal is ahead by thirty points after one epoch; at the end the default's spread leaves that not clear."""
    trials = [
        trial(0, 2, (0.79, 0.85), initialization="default"),
        trial(1, 2, (0.84, 0.85), initialization="orthogonal"),
    ]
    rows = [
        row._replace(val_accuracy=row.val_accuracy + 0.3) if row.trial == 1 and row.epoch == 1 else row
        for row in curves(trials)
        if row.val_accuracy is not None
    ]
    said = answer(
        {NAMED: SweepData(sweep("initialization"), trials, rows), SCALES: SweepData(sweep("init_std"))},
    )
    assert said is not None
    assert said.sentence == (
        "It matters after 1 epoch; that it does after 3 epochs is not clear. Against torch's default, in percentage "
        "points after 3 epochs (95 % confidence, 2 seeds): with 2 hidden layers of 8 units, none is clearly better or "
        "worse; not clear is orthogonal (a mean higher by 2.50)."
    )
    deep = next(item for item in said.findings if item.name == "differ_at_depth_2")
    assert "The default's own runs spread by 0.0424, theirs by at most 0.0071." in deep.text


def test_the_first_pass_is_told_of_those_that_learn_and_those_that_do_not() -> None:
    """Two runs at chance, of normal weights in the deep network, began with the smallest gradients; both sweeps have
    them, and they count once."""
    began = finding("began_below")
    assert (began.estimate, began.n) == (1.0, 2)
    assert "is 1e-06 to 1e-06 in the 2 runs that stayed at chance (below 0.11, where guessing gives 0.10)" in began.text
    assert "and 0.001 to 0.1 in the 14 that learned" in began.text


def test_a_start_that_both_sweeps_have_stands_in_the_table_once() -> None:
    """By the name that says its standard deviation."""
    names = [(row[0], row[1]) for row in answered().rows]
    assert len(names) == len(set(names)) == 10
    assert names[0] == ("1", "default")
    assert ("2", "normal 0.01") in names
    assert ("2", "normal") not in names


def test_a_gradient_that_is_no_number_is_not_a_zero() -> None:
    """It overflowed: the run is not one of those that began with the smallest gradients."""
    rows = [
        row._replace(gradient_rms=[None] * (depth(item) + 1)) if item.params["initialization"] == "normal" else row
        for item in NAMED_TRIALS
        for row in measured(item, 1e-3)
    ]
    data = SweepData(sweep("initialization"), NAMED_TRIALS, curves(NAMED_TRIALS), rows)
    said = answer({NAMED: data, SCALES: SweepData(sweep("init_std"))})
    assert said is not None
    assert "began_below" not in [item.name for item in said.findings]
    assert {row[-1] for row in said.rows if row[1] == "normal 0.01"} == {""}
    assert {row[-1] for row in said.rows if row[1] != "normal 0.01"} == {"0.001"}


def test_zeros_are_told_with_what_was_measured() -> None:
    """All four runs are at chance, without any gradient in hidden layers."""
    zeros = finding("zeros_at_chance")
    assert (zeros.estimate, zeros.n) == (1.0, 4)
    assert "is exactly 0 in all 4 runs, and all 4 runs predicted one class" in zeros.text


def test_the_best_scale_is_compared_with_the_others() -> None:
    """0.1 is best, and 0.01 loses clearly."""
    best = finding("best_scale_at_depth_2")
    assert best.settings == {"depth": 2, "init_std": 0.1}
    assert best.estimate == pytest.approx(0.81)
    assert "0.01 has 71.00 percentage points less" in best.text


def test_its_grids_have_every_initialization() -> None:
    """Ten by name and four scales, each at two depths, in both presets."""
    for preset in get_args(Preset):
        bodies = sweeps(preset)
        assert len(bodies[NAMED]["space"]["initialization"]) == 10
        assert bodies[SCALES]["space"]["init_std"] == [0.001, 0.01, 0.1, 1.0]
        assert [len(layers) for layers in bodies[NAMED]["space"]["hidden_layers"]] == [1, 4]


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their rows say."""

    def smaller(_: str, body: Body) -> Body:
        return body | {"space": body["space"] | {"hidden_layers": [[16], [16] * 3]}, "seeds": 2}

    run = run_small(nursery, engine, tmp_path, 9, smaller)
    trials = run.data[NAMED].trials
    assert len(trials) == 20
    deep = {str(item.params["initialization"]): item.value or 0.0 for item in trials if depth(item) == 3}
    assert deep["zeros"] < 0.2
    assert run.finding("zeros_at_chance").n == 4
    clear = run.finding("differ_at_depth_3")
    assert clear.n == 2
    assert f"({deep['default']:.4f}" in clear.text
    scales = [item for item in run.data[SCALES].trials if depth(item) == 3]
    best = max(scales, key=lambda item: item.value or 0.0)
    assert run.finding("best_scale_at_depth_3").settings["init_std"] == best.params["init_std"]
    assert len(run.answer.rows) == 26
    assert all(count > 0 for count in run.charts.values())


def test_no_three_initializations_have_one_colour() -> None:
    """Those of the deep networks are ten, for six hues: each is of two at most, and these have other symbols."""
    trials = [
        trial(10 * layers - 10 + place, layers, (0.8, 0.9), initialization=name)
        for layers in (1, 2)
        for place, name in enumerate(INITIALIZATIONS)
    ]
    data = {NAMED: SweepData(sweep("initialization"), trials, curves(trials)), SCALES: SweepData(sweep("init_std"))}
    chart = next(chart for chart in INITIALIZATION.charts if chart.name == "curves")
    looks = {(trace.line.color, trace.marker.symbol) for trace in chart.draw(data).data if trace.showlegend}
    assert len(looks) == len(INITIALIZATIONS) == 10
    assert max(Counter(color for color, _ in looks).values()) == 2
