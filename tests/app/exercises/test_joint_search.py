from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest
from sqlalchemy import Engine

from app.charts.importance import ImportanceData
from app.charts.importance.data import TOGETHER, Share
from app.charts.rows import Axis, BestRow, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective
from app.exercises.exercise import SweepData
from app.exercises.joint_search.exercise import answer, sweeps
from app.exercises.joint_search.figures import paths_figure
from app.exercises.joint_search.findings import importance_findings
from app.exercises.joint_search.methods import HALVING, METHODS, name_of
from app.exercises.joint_search.searches import read_search
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("learning_rate", "hidden_units", "depth", "epochs", "batch_size")
AXES = {name: Axis(name) for name in NAMES}
ROW = SweepRow("search", "fashion_mnist", "holdout", Objective("val_accuracy"), 1, AXES, started_at=START)


def trial(number: int, seconds: float, value: float, state: str = "complete", epochs: int = 3) -> TrialRow:
    params = {"learning_rate": 0.1, "hidden_units": 64, "depth": 1, "epochs": 3, "batch_size": 256}
    end = START + timedelta(seconds=seconds)
    return TrialRow(number, state, params, value, None, (RunRow(0, value),), end, epochs)


def search_of(*ends: tuple[float, float], test: float | None = None) -> SweepData:
    """A sweep whose trials ended after these seconds with these values."""
    trials = [trial(number, seconds, value) for number, (seconds, value) in enumerate(ends)]
    best = max(trials, key=lambda item: item.value or 0.0)
    best_row = BestRow(best.number, best.value or 0.0, None, 1, best.params, test)
    return SweepData(
        SweepRow(**{**vars(ROW), "best": best_row}),
        trials,  # the same with its best
    )


RUN = {
    name_of("grid", 0): search_of((1, 0.70), (2, 0.80)),
    name_of("random", 0): search_of((1, 0.72), (4, 0.81)),
    name_of("TPE", 0): search_of((1, 0.72), (3, 0.83), test=0.82),
    name_of(HALVING, 0): search_of((2, 0.82)),
    name_of("grid", 1): search_of((1, 0.71), (2, 0.79)),
    name_of("random", 1): search_of((1, 0.70), (4, 0.80)),
    name_of("TPE", 1): search_of((1, 0.70), (3, 0.82)),
    name_of(HALVING, 1): search_of((2, 0.80)),
}


def test_methods_are_compared_repetition_by_repetition() -> None:
    """TPE is ahead of random search by two hundredths in both repetitions, and of halving by one and two."""
    said = answer(RUN)
    assert said is not None
    lead = next(finding for finding in said.findings if finding.name == "lead")
    assert "TPE has come to 0.8250 ± 0.0071, ahead of grid by 3.00 (3.00 to 3.00), of random by 2.00" in lead.text
    assert said.figures["lead"] == pytest.approx(0.015)
    assert "clear against grid, random." in lead.text
    assert said.sentence == (
        "The best configuration found (learning rate 0.1, hidden units 64, hidden layers 1) scores 0.8200 on the test "
        "images; in validation it has 0.8300, the highest of 14 complete trainings and so a little too good. The "
        "number of epochs was fixed at 3, not searched. TPE ends 3.00 (3.00 to 3.00) above grid, 2.00 (2.00 to 2.00) "
        "above random and 1.50 (−4.85 to 7.85) above TPE with halving, in percentage points (95 % confidence, 2 "
        "repetitions): clear against grid and random, not against TPE with halving."
    )
    assert said.caveats[0].startswith("Not tested: other numbers of epochs, of which exercise 4 tells what more bring")
    assert [row[0] for row in said.rows] == list(METHODS)
    assert said.rows[said.best_row or 0][0] == "TPE"


def test_a_search_that_trained_about_as_much_is_not_said_to_have_trained_more() -> None:
    """Halving has one trial of three epochs a repetition beside random search's two; then two beside two."""
    for halving, words in (
        (search_of((2, 0.82)), "0.5 times as many of them as random search, with 0.5 times as many epochs."),
        (search_of((1, 0.8), (2, 0.82)), "1.0 times as many of them as random search, with about as many epochs."),
    ):
        said = answer(RUN | {name_of(HALVING, repetition): halving for repetition in range(2)})
        assert said is not None
        assert any(words in finding.text for finding in said.main_findings)


def test_trials_that_diverged_are_counted() -> None:
    """One counts, two count."""
    failed = [trial(number, 1, 0.0, "failed") for number in (7, 8)]
    for count, words in ((1, "1 trial diverged, and counts as tried"), (2, "2 trials diverged, and count as tried")):
        data = RUN[name_of("grid", 0)]
        said = answer(RUN | {name_of("grid", 0): SweepData(data.sweep, [*data.trials, *failed[:count]])})
        assert said is not None
        assert any(words in caveat for caveat in said.caveats)


def test_the_best_of_several_runs_is_their_mean() -> None:
    """As it is once the best configuration of a search was trained again with further seeds."""
    data = RUN[name_of("TPE", 0)]
    assert data.sweep.best is not None
    rerun = replace(data, sweep=replace(data.sweep, best=data.sweep.best._replace(runs=3)))
    for run, words in (
        (RUN, "found by TPE in repetition 1: 0.8300 in validation, by one run."),
        (RUN | {name_of("TPE", 0): rerun}, "0.8300 in validation, the mean of 3 runs."),
    ):
        said = answer(run)
        assert said is not None
        (best,) = [finding for finding in said.findings if finding.name == "best"]
        assert words in best.text


def test_the_result_a_strategy_and_why_it_is_harder_are_read_at_once() -> None:
    """What stopping early brings is told beside TPE without it too; ten values of each of three and of the epochs."""
    said = answer(RUN)
    assert said is not None
    assert [finding.name for finding in said.main_findings] == ["best", "trials_ratio", "fine_grid_seconds"]
    assert (
        "On the 10,000 test images it scores 0.8200, after 3 epochs; published there are 0.8833 for a network "
        "256-128-100 (README of Fashion-MNIST), and 0.9056 in validation for two layers"
    ) in said.main_findings[0].text
    assert said.main_findings[1].text.endswith("Whether that pays is not clear at 2 repetitions.")
    assert "10 values each of 3 hyperparameters are 1,000 trainings; at the 1 s a trial" in said.main_findings[2].text
    assert said.figures["fine_grid_seconds"] == pytest.approx(1000)
    ahead = {name_of(HALVING, 0): search_of((1, 0.9)), name_of(HALVING, 1): search_of((1, 0.878))}
    better = answer(RUN | ahead)
    assert better is not None
    assert better.main_findings[1].text.endswith(
        " The best that it finds has 8.40 percentage points more (0.78 to 16.02 with 95 % confidence, 2 repetitions) "
        "than that of random search: clear; whether TPE helps, or stopping, is not clear at 2 repetitions."
    )


def test_shares_of_the_variance_are_told_with_how_far_to_trust_them() -> None:
    """They are those of a model, which explains a quarter of what it has not seen."""
    single, together = Share("learning_rate", 0.984, 0.853, 1.0), Share(TOGETHER, 0.01, 0.0, 0.06)
    (found,) = importance_findings(ImportanceData("", "", [single], [together], 36, 0.25, ""))
    assert found.text.startswith("As a forest of decision trees sees 36 random configurations, learning rate alone ")
    assert "explains 98 % (85 % to 100 %) of their variance; 1 % (0 % to 6 %) no hyperparameter" in found.text
    assert found.text.endswith("of configurations that it has not seen, the forest explains 25 %.")


def test_how_soon_each_comes_to_what_random_search_came_to() -> None:
    """0.80 is what both random searches have at their ends; the grid has it once."""
    said = answer(RUN)
    assert said is not None
    text = next(finding.text for finding in said.findings if finding.name == "seconds_of_halving")
    assert (
        "0.8000, which every random search came to, is reached by grid in 1 of 2 (2 s), random in 2 of 2 (4 s)" in text
    )
    assert said.figures["seconds_of_halving"] == pytest.approx(2.0)
    assert any("8 of 8 searches were in training while another one was" in caveat for caveat in said.caveats)


def test_searches_that_trained_one_after_the_other_are_not_said_to_share_the_machine() -> None:
    """Each begins an hour after the one before it."""
    later = {
        name: replace(
            data,
            sweep=replace(data.sweep, started_at=START - timedelta(hours=place)),
            trials=[
                item._replace(finished_at=item.finished_at and item.finished_at - timedelta(hours=place))
                for item in data.trials
            ],
        )
        for place, (name, data) in enumerate(RUN.items())
    }
    said = answer(later)
    assert said is not None
    assert any(caveat.endswith("beside whatever else it did.") for caveat in said.caveats)


def test_who_is_ahead_early_is_told_from_when_all_have_a_value() -> None:
    """That is after 2 s, when halving has ended its first and both grids their last; TPE is ahead only at the end."""
    said = answer(RUN)
    assert said is not None
    text = next(finding.text for finding in said.findings if finding.name == "all_begun")
    assert text.startswith("First values come after 1 s (grid) to 2 s (TPE with halving)")
    assert text.endswith("TPE with halving is ahead (0.8100), but not at the end, where TPE is.")
    ahead = {name_of(HALVING, repetition): search_of((2, 0.9)) for repetition in range(2)}
    stays = answer(RUN | ahead)
    assert stays is not None
    (text,) = [finding.text for finding in stays.findings if finding.name == "all_begun"]
    assert text.endswith(
        "After 2 s, with 4 of 8 searches at their end, TPE with halving is ahead (0.9000), and still at the end."
    )


def test_without_one_of_the_methods_there_is_no_answer() -> None:
    """A comparison of three would be about another question."""
    assert answer({name: data for name, data in RUN.items() if not name.startswith("TPE ")}) is None


def test_a_search_is_its_best_so_far() -> None:
    """Pruned trials cost epochs and are not compared."""
    data = SweepData(ROW, [trial(0, 5, 0.5), trial(1, 2, 0.9, "pruned", 1), trial(2, 3, 0.4), trial(3, 6, 0.45)])
    search = read_search(data, 0)
    assert search is not None
    assert search.path == [(3.0, 0.4), (5.0, 0.5)]
    assert (search.best, search.epochs, search.seconds, search.trials) == (0.5, 10, 6.0, 4)
    assert [search.best_at(seconds) for seconds in (2, 3, 5.5)] == [None, 0.4, 0.5]
    assert [search.seconds_to(value) for value in (0.41, 0.6)] == [5.0, None]


def test_a_search_has_trained_no_copies() -> None:
    """What a trial took over of another one cost nothing."""
    copy = trial(1, 5, 0.5)._replace(epochs_copied=3)
    search = read_search(SweepData(ROW, [trial(0, 4, 0.5), copy]), 0)
    assert search is not None
    assert search.epochs == 3


def test_each_method_has_its_mean_and_its_repetitions() -> None:
    """Four methods, two faint lines and a bold one each, on either axis."""
    for spent in ("seconds", "epochs"):
        figure = paths_figure(RUN, spent)
        assert sum(trace.showlegend is not False for trace in figure.data) == len(METHODS)
        assert len(figure.data) == 3 * len(METHODS)


def test_methods_train_about_as_many_epochs() -> None:
    """All but halving train the grid's trials to the end."""
    bodies = sweeps("full")
    random_trials = bodies[name_of("random", 0)]["n_trials"]
    space = bodies[name_of("grid", 0)]["space"]
    cells = len(space["learning_rate"]) * len(space["hidden_units"]) * len(space["depth"])
    assert cells == random_trials == bodies[name_of("TPE", 0)]["n_trials"]
    priorities = [body["priority"] for body in bodies.values()]
    assert priorities == sorted(priorities, reverse=True)


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their rows say."""

    def smaller(name: str, body: Body) -> Body:
        if name.startswith("grid"):
            return body | {"space": body["space"] | {"hidden_units": [16], "learning_rate": [0.1, 0.3]}}
        return body | {"n_trials": 4}

    run = run_small(nursery, engine, tmp_path, 5, smaller)
    bests = {name: data.sweep.best for name, data in run.data.items()}
    assert all(best is not None for best in bests.values())
    winner = max((best for best in bests.values() if best is not None), key=lambda best: best.value)
    assert run.finding("best").estimate == winner.value
    for row in run.answer.rows:
        values = [best.value for name, best in bests.items() if best is not None and name.rpartition(" ")[0] == row[0]]
        assert row[1] == f"{fmean(values):.4f}"
    assert run.charts["seconds"]
    assert run.charts["epochs"]


def test_what_is_clear_against_all_or_none_is_said_so() -> None:
    """The one that is ahead may be clearly ahead of every other method, or of none."""
    ahead = {name_of("TPE", repetition): search_of((1, 0.9 - repetition / 50)) for repetition in range(2)}
    said = answer(RUN | ahead)
    assert said is not None
    assert said.sentence.endswith(": clear against grid, random and TPE with halving.")
    noisy = {name_of("TPE", 0): search_of((1, 0.9)), name_of("TPE", 1): search_of((1, 0.81))}
    said = answer(RUN | noisy)
    assert said is not None
    assert said.sentence.endswith(" 2 repetitions): which search is best is not clear.")
    assert " scores 0." not in said.sentence, "the test images have not been looked at"
