from collections.abc import Sequence
from statistics import fmean, stdev

import pytest

from app.charts.registry import CHARTS
from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective
from app.domain.space import parse_space
from app.errors import NotFoundError
from app.exercises.hidden_units import answer, find_best, sweeps, width_rows
from app.exercises.registry import EXERCISES, exercise
from app.schemas import SweepCreate
from tests.support.chart_examples import with_best

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


def measured(trials: Sequence[TrialRow], sweep: SweepRow = SWEEP) -> SweepRow:
    """The sweep with its best configuration, as the database would say: here the highest mean."""
    complete = [trial for trial in trials if trial.value is not None]
    if not complete:
        return sweep
    return with_best(sweep, max(complete, key=lambda trial: (trial.value, -trial.number)))


def waiting(number: int, width: int) -> TrialRow:
    return TrialRow(number, "waiting", {"hidden_units": width}, None, None)


LADDER = [
    trial(0, 1, 0.1, 0.1, 0.4),
    trial(1, 2, 0.5, 0.5, 0.5),
    trial(2, 4, 0.7, 0.7, 0.7),
    trial(3, 8, 0.81, 0.81, 0.81),
    trial(4, 16, 0.80, 0.82, 0.84),
]


def test_the_best_and_the_smallest_as_good_are_found() -> None:
    """16 units reach 0.82 ± 0.02, so 8 units with 0.81 are within one standard deviation and 4 are not."""
    found = find_best(width_rows(SWEEP, LADDER), measured(LADDER).best)
    assert found is not None
    assert found.best.width == 16
    assert (found.mean, found.best.std) == pytest.approx((0.82, 0.02))
    assert found.smallest is not None
    assert found.smallest.width == 8


def test_the_best_is_the_one_of_the_sweep() -> None:
    """The answer names the configuration that the sweep's page calls the best, by whatever it is chosen."""
    steady = with_best(SWEEP, LADDER[3])
    assert "The best mean validation accuracy is 0.8100 ± 0.0000, with 8 hidden units" in answer(steady, LADDER).text
    assert "There is no answer yet" in answer(SWEEP, LADDER).text


def test_the_answer_says_it_in_words() -> None:
    """Best, smallest as good, which standard deviation, width 1, diminishing returns, the data it was judged on."""
    said = answer(measured(LADDER), LADDER)
    assert said.final
    assert "The best mean validation accuracy is 0.8200 ± 0.0200, with 16 hidden units" in said.text
    assert "within one standard deviation of it (0.0200, that of 16 hidden units itself) is 8: 0.8100" in said.text
    assert "does not settle which of them is better. 3 runs give only a rough idea" in said.text
    assert "The best is the largest width that was tried" in said.text
    assert "A single hidden unit reaches 0.2000 ± 0.1732" in said.text
    assert "of these 3 runs 2 did" in said.text
    assert "from 1 to 2 gains 30.0, from 2 to 8 gains 31.0, from 8 to 16 gains 1.0 percentage points" in said.text
    assert "(epochs 10, learning rate 0.1)" in said.text
    assert "10,000 training images held out" in said.text
    assert said.figures["best_hidden_units"] == 16
    assert said.figures["smallest_within_one_std"] == 8


def test_the_table_has_a_row_for_each_width() -> None:
    """Width, mean, sample standard deviation, runs, and 795 w + 10 parameters."""
    rows = answer(measured(LADDER), LADDER).rows
    assert rows[0] == ("1", "0.2000", "0.1732", "3", "805")
    assert rows[-1] == ("16", "0.8200", "0.0200", "3", "12,730")


def test_a_clear_winner_inside_the_ladder() -> None:
    """Nothing is as good, the error bars are apart, and the largest width is not the best."""
    said = answer(measured(trials := [*LADDER[:3], trial(3, 8, 0.85, 0.86, 0.87), LADDER[4]]), trials)
    assert "with 8 hidden units" in said.text
    assert "No smaller width has a mean within one standard deviation of it (0.0100" in said.text
    assert "still overlap" not in said.text
    assert "largest width" not in said.text


def test_overlapping_error_bars_are_said() -> None:
    """The runner-up's error bar reaches into the best one's although its mean is further than one of them."""
    said = answer(measured(trials := [trial(0, 8, 0.79, 0.80, 0.81), trial(1, 16, 0.805, 0.815, 0.825)]), trials)
    assert "The error bars of the next best, 8 (0.8000 ± 0.0100), still overlap with it." in said.text


def test_nothing_yet_is_an_answer_too() -> None:
    """No trial, or none that has ended: said, with an empty table, and not final."""
    for trials in ([], [waiting(0, 1), waiting(1, 2)]):
        said = answer(measured(trials), trials)
        assert "There is no answer yet" in said.text
        assert said.rows == []
        assert not said.final
        assert said.figures["best_hidden_units"] is None


def test_half_of_the_trials_give_an_answer_that_may_change() -> None:
    """The sentence counts what has ended."""
    said = answer(measured(trials := [*LADDER[:3], waiting(3, 8), waiting(4, 16)]), trials)
    assert "3 of 5 widths have ended so far; what follows may still change." in said.text
    assert "with 4 hidden units" in said.text
    assert not said.final


def test_a_diverged_run_is_said_and_its_width_is_no_candidate() -> None:
    """Width 16 would be best by the runs that are left, but one in three diverged."""
    said = answer(
        measured(trials := [*LADDER[:4], trial(4, 16, 0.9, None, 0.9), trial(5, 32, None, None, None)]), trials
    )
    assert said.figures["best_hidden_units"] == 8
    assert "Diverged: 1 of 3 runs at width 16, 3 of 3 runs at width 32" in said.text
    assert said.rows[-2][:4] == ("16", "0.9000", "0.0000", "2 of 3")
    assert said.rows[-1][:4] == ("32", "diverged", "", "0 of 3")


def test_failed_and_stopped_trials_are_counted() -> None:
    """A trial without runs and a cancelled one are said, not averaged."""
    failed = TrialRow(5, "failed", {"hidden_units": 32}, None, None)
    cancelled = TrialRow(6, "cancelled", {"hidden_units": 64}, None, None)
    text = answer(measured(trials := [*LADDER, failed, cancelled]), trials).text
    assert "1 trial failed before a run ended." in text
    assert "1 trial was stopped before the end and not counted." in text


def test_one_seed_knows_no_spread() -> None:
    """Then nobody can say what is as good."""
    said = answer(measured(trials := [trial(0, 1, 0.2), trial(1, 2, 0.5)]), trials)
    assert "That is one run" in said.text
    assert said.figures["smallest_within_one_std"] is None


def test_the_book_split_is_owned_up_to() -> None:
    """The test images chose, so the number is a little too good."""
    book = SweepRow("width", "fashion_mnist", "book", Objective("val_accuracy"), 3, AXES)
    assert "The test images were used to choose, as in the book" in answer(measured(LADDER, book), LADDER).text


def test_its_sweeps_are_valid_bodies() -> None:
    """The full one is the whole ladder of powers of two, the quick one a twelfth of its arithmetic."""
    (full,), (quick,) = sweeps("full"), sweeps("quick")
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


def test_exercises_are_found_by_number_and_name_charts_that_exist() -> None:
    """An unknown number is told which exist."""
    assert exercise(1) is EXERCISES[1]
    assert {item.chart for item in exercise(1).charts} <= set(CHARTS)
    with pytest.raises(NotFoundError, match="no exercise 10; there are 1"):
        exercise(10)
