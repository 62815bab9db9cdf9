from pathlib import Path
from statistics import fmean, geometric_mean, stdev

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective
from app.exercises.answers.finding import Answer
from app.exercises.exercise import SweepData
from app.exercises.implementations.exercise import answer
from app.exercises.implementations.figures import ratio_figure, seconds_figure
from app.exercises.implementations.timings import COMPILED, EPOCHS
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

AXES = {name: Axis(name) for name in ("implementation", "hidden_units", "depth")}
SWEEP = SweepRow(
    "epochs", "fashion_mnist", "holdout", Objective("seconds_per_epoch", False), 3, AXES, task="time_training"
)
FACTS = {
    "device": "cpu",
    "processor": "a chip",
    "threads": 1,
    "alone": True,
    "load_before": [0.5, 0.4, 0.3],
    "processor_share": 0.97,
}


def trial(number: int, implementation: str, width: int, *seconds: float, depth: int = 1) -> TrialRow:
    params = {"implementation": implementation, "hidden_units": width, "depth": depth, "examples": 10_000}
    runs = tuple(RunRow(repeat, value) for repeat, value in enumerate(seconds))
    return TrialRow(number, "complete", params, fmean(seconds), stdev(seconds), runs, circumstances=FACTS)


TRIALS = (
    trial(0, "scratch", 16, 0.040, 0.041, 0.042),
    trial(1, "concise", 16, 0.080, 0.081, 0.082),
    trial(2, "fused", 16, 0.008, 0.009, 0.010),
    trial(3, "scratch", 256, 0.150, 0.152, 0.154),
    trial(4, "concise", 256, 0.140, 0.153, 0.166),
    trial(5, "fused", 256, 0.090, 0.091, 0.092),
)
FAILED = TrialRow(
    0, "failed", {"implementation": "compiled"}, None, None, error="torch.compile does not work here: no compiler"
)


def answered(*trials: TrialRow, compiled: tuple[TrialRow, ...] = ()) -> Answer:
    said = answer({EPOCHS: SweepData(SWEEP, trials), COMPILED: SweepData(SWEEP, compiled)})
    assert said is not None
    return said


def test_the_framework_is_compared_with_the_book_s_network() -> None:
    """At 256 units their times can't be told apart, and the answer says at how many repeats."""
    said = answered(*TRIALS)
    assert said.sentence.startswith("With 256 units in 1 hidden layer, an epoch by the framework (torch.nn) takes 1.0")
    assert "not clear at 3 repeats" in said.sentence
    first = said.findings[0]
    assert first.estimate == pytest.approx(
        geometric_mean([0.140, 0.153, 0.166]) / geometric_mean([0.150, 0.152, 0.154])
    )
    assert first.interval is not None
    assert first.interval[0] < 1 < first.interval[1]
    assert (first.n, first.unit) == (3, "times")
    assert "0.1530 ± 0.0130 s by the framework" in first.text


def test_the_faster_one_is_named_where_that_is_clear() -> None:
    """Half the time at 256 units, or twice as much."""
    for seconds, speed in ((0.076, "faster"), (0.304, "slower")):
        said = answered(*TRIALS[:4], trial(4, "concise", 256, seconds - 0.001, seconds, seconds + 0.001))
        head = f"With 256 units in 1 hidden layer, the framework (torch.nn) is clearly {speed} than from scratch: "
        assert said.sentence.startswith(f"{head}an epoch takes ")


def test_how_it_changes_with_size_is_told() -> None:
    """Twice the time of a small network, and as much of a large one: that is a clear change."""
    said = answered(*TRIALS)
    assert said.sentence.endswith(
        " It clearly gains with width: in multiples of the time from scratch, it takes 1.98 (1.85 to 2.11) with 16 "
        "units and 1.00 (0.81 to 1.24) with 256 in 1 hidden layer."
    )
    alike = (*TRIALS[:3], *(item._replace(runs=TRIALS[place].runs) for place, item in enumerate(TRIALS[3:5])))
    assert answered(*alike).sentence.endswith(
        " in 1 hidden layer, where the change with width is not clear at 3 repeats."
    )
    assert " In multiples of the time from scratch, it takes 1.98 (" in answered(*alike).sentence
    finding = next(finding for finding in said.findings if finding.name == "change_with_size")
    assert "takes 1.98 times the time from scratch at 12,730 parameters and 1.00 times at 203,530" in finding.text
    assert "that it changes from the one to the other is clear at 3 repeats" in finding.text
    assert finding.estimate == pytest.approx(1.98 / 1.004, rel=0.01)


def test_a_gain_with_a_setback_between_is_not_said_to_come_with_width() -> None:
    """Twice the time at 16 units, half of it at 64, and as much at 256: which size decides is another question."""
    said = answered(*TRIALS, trial(6, "scratch", 64, 0.080, 0.081, 0.082), trial(7, "concise", 64, 0.040, 0.041, 0.042))
    assert "gains" not in said.sentence
    assert said.sentence.endswith("where the change with width is clear at 3 repeats but not steady.")
    steps = next(finding for finding in said.findings if finding.name == "change_with_width_at_depth_1")
    assert steps.estimate == pytest.approx(1.98 / 1.004, rel=0.01)
    assert steps.text.startswith("With 1 hidden layer the framework takes 1.98 (1.85 to 2.11) with 16 units and 1.00 (")
    assert steps.text.endswith(
        "that it changes is clear at 3 repeats, but not steady: from 64 to 256 units it rises from 0.51 to 1.00."
    )
    deep = [item._replace(number=8 + item.number, params={**item.params, "depth": 3}) for item in TRIALS]
    assert (
        " hidden layer, where the change with width is clear at 3 repeats; 1.98 ("
        not in answered(*TRIALS, *deep).sentence
    )
    alike = [*deep[:3], *(item._replace(runs=TRIALS[place].runs) for place, item in enumerate(deep[3:5]))]
    assert (
        " hidden layer, where the change with width is clear at 3 repeats; 1.98 (" in answered(*TRIALS, *alike).sentence
    )


def test_that_it_gains_with_depth_is_said_where_it_does_at_every_width() -> None:
    """Three layers that take as many times as a single one say nothing of depth; where they take less, it is said."""
    deep = [item._replace(number=6 + item.number, params={**item.params, "depth": 3}) for item in TRIALS]
    assert " It clearly gains with width: in multiples" in answered(*TRIALS, *deep).sentence
    faster = [
        trial(6, "scratch", 16, 0.08, 0.081, 0.082, depth=3),
        trial(7, "concise", 16, 0.08, 0.081, 0.082, depth=3),
        trial(8, "scratch", 256, 0.3, 0.302, 0.304, depth=3),
        trial(9, "concise", 256, 0.2, 0.202, 0.204, depth=3),
    ]
    assert answered(*TRIALS, *faster).sentence.endswith(
        " It clearly gains with width and with depth: in multiples of the time from scratch, it takes 1.98 (1.85 to "
        "2.11) with 16 units and 1.00 (0.81 to 1.24) with 256 in 1 hidden layer, 1.00 (0.97 to 1.03) with 16 units and "
        "0.67 (0.65 to 0.68) with 256 in 3 hidden layers."
    )


def test_what_others_disturbed_is_not_settled() -> None:
    """Repeats that follow each other share a disturbance, which their spread does not show."""
    busy = FACTS | {"processor_share": 0.5}
    disturbed = [item._replace(circumstances=busy) if item.number == 1 else item for item in TRIALS]
    assert_not_settled(disturbed)


def test_a_neighbour_on_another_core_disturbs_too() -> None:
    """It leaves the trial its processor, and shares caches, and often the core."""
    busy = FACTS | {"others_share": 0.4}
    disturbed = [item._replace(circumstances=busy) if item.number == 1 else item for item in TRIALS]
    assert_not_settled(disturbed)
    text = " ".join(answered(*disturbed).caveats)
    assert "the rest others had. Of all the machine's processors others had 40 %. In 1 of 6 trials others had" in text
    quiet = [item._replace(circumstances=FACTS | {"others_share": 0.04}) for item in TRIALS]
    assert " It clearly gains with width: " in answered(*quiet).sentence


def assert_not_settled(trials: list[TrialRow]) -> None:
    finding = next(finding for finding in answered(*trials).findings if finding.name == "change_with_size")
    assert "is not settled (the interval leaves out 1, but other programs had much of the processor)" in finding.text
    assert answered(*trials).sentence.endswith(" in 1 hidden layer, where the change with width is not settled.")
    assert answered(*trials).certainty.endswith("Other programs disturbed the timing of 1 of them.")
    assert finding.interval is not None
    assert finding.interval[0] > 1


def test_what_did_not_compile_is_said() -> None:
    """With the compiler's reason, and without a figure."""
    said = answered(*TRIALS, compiled=(FAILED,))
    finding = next(finding for finding in said.findings if finding.name == "compiled_to_concise")
    assert finding.estimate is None
    assert finding.text == "Not measured by torch.compile: torch.compile does not work here: no compiler."


def test_what_it_rests_on_is_said() -> None:
    """The processor, its threads, what else it did, and what is in the time."""
    text = " ".join(answered(*TRIALS).caveats)
    assert text.startswith("Not tested: other batch sizes, other libraries and other devices than this machine's.")
    assert "a processor (a chip) with 1 thread" in text
    assert "load average before the trials was 0.5: what other programs do" in text
    assert "the processor worked for it in 97 % of the time: the rest others had." in text
    alone = [item._replace(circumstances=FACTS | {"processor_share": 1.004}) for item in TRIALS]
    assert "the processor worked for it in 100 % of the time. The machine's" in " ".join(answered(*alone).caveats)
    assert "An epoch is 10,000 images here" in text


def test_without_both_there_is_no_answer() -> None:
    """The question compares two."""
    assert answer({EPOCHS: SweepData(SWEEP, TRIALS[:1]), COMPILED: SweepData(SWEEP)}) is None


def test_the_charts_have_seconds() -> None:
    """Times with their unit, multiples around the line at 1."""
    data = {EPOCHS: SweepData(SWEEP, TRIALS), COMPILED: SweepData(SWEEP)}
    assert seconds_figure(data).layout.yaxis.title.text == "Time of an epoch (s)"
    figure = ratio_figure(data)
    assert [trace.name for trace in figure.data] == ["torch.nn, 1 layer", "fused, 1 layer"]
    assert [*figure.layout.xaxis.ticktext] == ["10,000", "30,000", "100,000", "300,000", "1,000,000", "3,000,000"]
    assert [*figure.layout.yaxis.ticktext] == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"]


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real repeats is what their rows say."""

    def smaller(name: str, body: Body) -> Body:
        space = body["space"] | {"hidden_units": [4, 16], "depth": 1, "examples": 512}
        if name == COMPILED:  # compiling takes half a minute
            space |= {"implementation": "scratch", "hidden_units": 8}
        return body | {"space": space, "seeds": 3}

    run = run_small(nursery, engine, tmp_path, 6, smaller)
    values = {
        (str(item.params["implementation"]), item.params["hidden_units"]): [r.value or 0.0 for r in item.runs]
        for item in run.data[EPOCHS].trials
    }
    assert len(values) == 6
    expected = geometric_mean(values["concise", 16]) / geometric_mean(values["scratch", 16])
    assert run.finding("concise_to_scratch").estimate == pytest.approx(expected)
    assert run.finding("concise_to_scratch").n == 3
    assert run.finding("seconds_scratch").estimate == pytest.approx(fmean(values["scratch", 16]))
    assert run.finding("fused_to_concise").settings["hidden_units"] == 16
    assert len(run.answer.rows) == 7
    assert all(run.charts.values())
