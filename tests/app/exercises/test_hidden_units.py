from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, EpochRow, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective
from app.domain.space import parse_space
from app.exercises.answers.finding import Answer, Finding
from app.exercises.exercise import SweepData
from app.exercises.hidden_units import HIDDEN_UNITS, answer, sweeps
from app.exercises.hidden_units import SWEEP as NAME
from app.schemas import SweepCreate
from tests.support.sweeps.chart_examples import with_best
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

AXES = {"hidden_units": Axis("hidden_units", choices=(1, 2, 4, 8, 16))}
SWEEP = SweepRow("width", "fashion_mnist", "holdout", Objective("val_accuracy"), 3, AXES)


def trial(number: int, width: int, *values: float | None) -> TrialRow:
    """A trial that ended; None is a run that diverged."""
    known = [value for value in values if value is not None]
    runs = tuple(RunRow(seed, value, None if value else "diverged at epoch 2") for seed, value in enumerate(values))
    params = {"hidden_units": width, "learning_rate": 0.1, "epochs": 10}
    if len(known) < len(values):
        return TrialRow(number, "failed", params, None, None, runs)
    return TrialRow(number, "complete", params, fmean(known), stdev(known) if len(known) > 1 else None, runs)


def answered(trials: Sequence[TrialRow], sweep: SweepRow = SWEEP) -> Answer:
    """The answer with the sweep's best configuration as the database would say it: here the highest mean."""
    complete = [trial for trial in trials if trial.value is not None]
    best = max(complete, key=lambda trial: (trial.value, -trial.number))
    text = answer({NAME: SweepData(with_best(sweep, best), trials)})
    assert text is not None
    return text


def finding(said: Answer, name: str) -> Finding:
    return next(finding for finding in said.findings if finding.name == name)


LADDER = [
    trial(0, 1, 0.1, 0.1, 0.4),
    trial(1, 2, 0.5, 0.5, 0.5),
    trial(2, 4, 0.7, 0.7, 0.7),
    trial(3, 8, 0.80, 0.82, 0.81),
    trial(4, 16, 0.805, 0.830, 0.813),
]


def test_the_best_and_the_smallest_as_good_are_found_at_equal_seeds() -> None:
    """16 units have .005, .010 and .003 more than 8 units: at three seeds the interval still has zero in it."""
    said = answered(LADDER)
    assert said.sentence == (
        "Of the five widths tried, 16, the largest, has the best mean validation accuracy, 0.8160 (0.7843 to 0.8477 "
        "with 95 % confidence, 3 seeds). 8 is the smallest that is not clearly worse: it has 0.60 percentage points "
        "less (between 0.30 more and 1.50 less with 95 % confidence, 3 seeds)."
    )
    best, smallest = finding(said, "best"), finding(said, "smallest_as_good")
    assert (best.settings, best.n) == ({"hidden_units": 16}, 3)
    assert best.estimate == pytest.approx(0.816)
    assert smallest.settings == {"hidden_units": 8}
    assert smallest.estimate == pytest.approx(0.006)
    assert smallest.interval == pytest.approx((0.006 - 0.008957, 0.006 + 0.008957), abs=1e-5)
    assert (
        "not clear at 3 seeds; if the true difference is this one, about 4 seeds give at least an even chance of "
        "showing it." in smallest.text
    )
    assert smallest.text.endswith("The larger network has 2.0 times as many parameters and 2.0 times the arithmetic.")


def test_what_a_smaller_width_saves_is_said_in_seconds_where_they_are_known() -> None:
    """Of both widths, with how widths that trained together came to theirs."""
    said = answer({NAME: SweepData(with_best(SWEEP, LADDER[4]), LADDER, seconds={3: 4.25, 4: 8.5})})
    assert said is not None
    assert (
        "2.0 times the arithmetic; a training takes 8.5 s instead of 4.2 s." in finding(said, "smallest_as_good").text
    )
    assert any("share their time by their arithmetic" in caveat for caveat in said.caveats)
    assert not any("share their time" in caveat for caveat in answered(LADDER).caveats)
    elsewhere = answer({NAME: SweepData(with_best(SWEEP, LADDER[4]), LADDER, seconds={0: 4.25})})
    assert elsewhere is not None
    assert not any("Seconds" in caveat for caveat in elsewhere.caveats)


def test_a_difference_that_the_pairs_settle_is_settled() -> None:
    """The spreads of the two overlap widely, yet one has a hundredth more at every seed."""
    trials = [trial(0, 8, 0.79, 0.80, 0.83), trial(1, 16, 0.801, 0.810, 0.840)]
    said = answered(trials)
    assert "and no smaller width is as good" in said.sentence
    assert "smallest_as_good" not in said.figures
    assert "the best width in 3 of 3 seeds" in said.certainty


def test_of_the_smallest_width_no_smaller_one_is_spoken() -> None:
    """None was tried, so nobody knows."""
    said = answered([trial(0, 8, 0.84, 0.85, 0.83), trial(1, 16, 0.801, 0.810, 0.800)])
    assert said.sentence.endswith(" 3 seeds). It is the smallest width that was tried.")


def test_the_best_is_the_one_of_the_sweep() -> None:
    """The answer names the configuration that the sweep's page calls the best, by whatever it is chosen."""
    said = answer({NAME: SweepData(with_best(SWEEP, LADDER[3]), LADDER)})
    assert said is not None
    assert "tried, 8 has the best mean" in said.sentence
    assert said.rows[said.best_row or 0][0] == "8"


def test_what_the_ladder_gains() -> None:
    """Each third of the widths, and the one hidden unit that stays at chance."""
    said = answered(LADDER)
    assert finding(said, "last_gain").text == (
        "The returns diminish: going from 1 to 2 gains 30.0, from 2 to 8 gains 31.0, from 8 to 16 gains 0.6 "
        "percentage points."
    )
    assert "2 of 3 runs stayed at chance" in finding(said, "one_unit").text
    assert "the largest that was tried" in finding(said, "best").text


def test_what_it_rests_on_is_said() -> None:
    """The recipe, the images, and how sure one comparison among many is."""
    text = " ".join(answered(LADDER).caveats)
    assert text.startswith("Not tested: widths beyond 16, more hidden layers, and other recipes. ")
    assert "(activation relu, optimizer sgd, batch size 256, epochs 10, learning rate 0.1)" in text
    assert "10,000 training images held out" in text
    assert "95 % confidence by itself" in text


def test_the_table_has_a_row_for_each_width() -> None:
    """Width, mean, sample standard deviation, training accuracy, runs, and 795 w + 10 parameters."""
    curves = [EpochRow(4, seed, epoch, 1.0, 0.5 + epoch / 10, 1.0, 0.4) for seed in range(3) for epoch in (1, 2)]
    said = answer({NAME: SweepData(with_best(SWEEP, LADDER[4]), LADDER, curves)})
    assert said is not None
    assert said.rows[0] == ("1", "0.2000", "0.1732", "", "3", "805")
    assert said.rows[-1] == ("16", "0.8160", "0.0128", "0.7000", "3", "12,730")


def test_charts_call_hyperparameters_as_readers_do() -> None:
    """In the title, on the axis and over the legend, also of charts that every sweep has."""
    curves = [EpochRow(number, 0, 1, 1.0, 0.5, 1.0, 0.4) for number in range(5)]
    drawn = HIDDEN_UNITS.charts[2].draw({NAME: SweepData(with_best(SWEEP, LADDER[4]), LADDER, curves)})
    assert drawn.layout.legend.title.text == "hidden units"
    figure = HIDDEN_UNITS.charts[0].draw({NAME: SweepData(with_best(SWEEP, LADDER[4]), LADDER)})
    assert figure.layout.title.text == "Validation accuracy by hidden units"
    assert figure.layout.xaxis.title.text == "hidden units"


def test_the_close_up_cuts_no_bar() -> None:
    """It has the best widths alone, counts the others, and the axis holds each bar and each run."""
    figure = HIDDEN_UNITS.charts[1].draw({NAME: SweepData(with_best(SWEEP, LADDER[4]), LADDER)})
    low, high = figure.layout.yaxis.range
    (means,) = (trace for trace in figure.data if trace.error_y.array is not None)
    assert len(means.y) < len(LADDER)
    assert "left out" in figure.layout.title.subtitle.text
    bars = zip(means.y, means.error_y.array, means.error_y.arrayminus, strict=True)
    assert all(low < mean - below and mean + above < high for mean, above, below in bars)
    assert all(low < value < high for trace in figure.data for value in trace.y)


def test_a_diverged_run_is_said_and_its_width_is_no_candidate() -> None:
    """Width 16 would be best by the runs that are left, but one in three diverged."""
    said = answered([*LADDER[:4], trial(4, 16, 0.9, None, 0.9), trial(5, 32, None, None, None)])
    assert finding(said, "best").settings == {"hidden_units": 8}
    assert "Diverged: 1 of 3 runs at width 16, 3 of 3 runs at width 32" in said.text
    assert said.rows[-2][:2] == ("16", "0.9000")
    assert said.rows[-2][4] == "2 of 3"
    assert said.rows[-1][1] == "diverged"


def test_failed_and_stopped_trials_are_counted() -> None:
    """A trial without runs and a cancelled one are said, not averaged."""
    failed = TrialRow(5, "failed", {"hidden_units": 32}, None, None)
    cancelled = TrialRow(6, "cancelled", {"hidden_units": 64}, None, None)
    text = answered([*LADDER, failed, cancelled]).text
    assert "1 trial failed before a run ended." in text
    assert "1 trial was stopped before the end and not counted." in text


def test_one_seed_knows_no_spread() -> None:
    """Then nobody can say what is as good."""
    said = answered([trial(0, 1, 0.2), trial(1, 2, 0.5)])
    assert said.sentence.endswith("0.5000 (one seed, so nobody knows its spread).")
    assert "how much of this is luck" in said.certainty
    assert finding(said, "best").interval is None


def test_the_book_split_is_owned_up_to() -> None:
    """The test images chose, so the number is a little too good."""
    book = SweepRow("width", "fashion_mnist", "book", Objective("val_accuracy"), 3, AXES)
    assert "The test images were used to choose, as in the book" in answered(LADDER, book).text


def test_without_a_width_that_ended_well_there_is_no_answer() -> None:
    """None says so, and the page says that too little has been trained."""
    assert answer({NAME: SweepData(SWEEP, [trial(0, 1, None)])}) is None


def test_its_sweeps_are_valid_bodies() -> None:
    """The full one is the whole ladder of powers of two, the quick one a twelfth of its arithmetic."""
    full, quick = sweeps("full")[NAME], sweeps("quick")[NAME]
    body = SweepCreate(**full)
    assert parse_space(body.space).domains.keys() >= {"hidden_units", "learning_rate", "epochs", "batch_size"}
    assert full["space"]["hidden_units"] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert (full["seeds"], full["split"], full["sampler"]) == (3, "holdout", "grid")
    cost = {
        name: sum(b["space"]["hidden_units"]) * b["space"]["epochs"] * b["seeds"]
        for name, b in (("f", full), ("q", quick))
    }
    assert 10 < cost["f"] / cost["q"] < 14
    assert SweepCreate(**quick).dataset == "fashion_mnist"


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their rows say."""

    def smaller(_: str, body: Body) -> Body:
        return body | {"space": {"hidden_units": [1, 8, 64], "epochs": 3}}

    run = run_small(nursery, engine, tmp_path, 1, smaller)
    trials = {int(str(trial.params["hidden_units"])): trial for trial in run.data[NAME].trials}
    best = max(trials, key=lambda width: trials[width].value or 0.0)
    assert run.answer.final
    assert run.finding("best").settings == {"hidden_units": best}
    assert run.finding("best").estimate == pytest.approx(trials[best].value)
    assert f"{trials[best].value:.4f}" in run.answer.sentence
    assert run.data[NAME].seconds.keys() == {trial.number for trial in trials.values()}
    assert all(seconds > 0 for seconds in run.data[NAME].seconds.values())
    assert [row[0] for row in run.answer.rows] == ["1", "8", "64"]
    assert all(run.charts.values())
