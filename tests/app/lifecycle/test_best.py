"""Which configuration is the best of a sweep, and what that says of its runs."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev, variance

import pytest
from sqlalchemy import Engine

from app import queries
from app.db.engine import transaction
from app.db.tables import Trial
from app.lifecycle import sweep_row
from app.lifecycle.best import best_trial_id
from app.schemas import Best
from tests.support.queue_examples import trials_of
from tests.support.sweeps.measured_sweeps import a_sweep, end


def again(engine: Engine, sweep: int, number: int, first_seed: int) -> None:
    """One more waiting trial of the configuration."""
    with transaction(engine) as session:
        row = sweep_row.get(session, sweep, lock=True)
        sweep_row.reopen(session, row)
        before = next(t for t in trials_of(engine, sweep) if t.number == number)
        session.add(
            Trial(
                sweep_id=sweep,
                number=sweep_row.next_number(session, row),
                params=before.params,
                cost=before.cost,
                epochs_total=before.epochs_total,
                configuration=before.configuration or f"of trial {number}",
                first_seed=first_seed,
            )
        )


def best_of(engine: Engine, sweep: int) -> Best:
    with transaction(engine) as session:
        best = queries.summary(session, sweep).best
        trial = session.scalar(best_trial_id(sweep_row.get(session, sweep)))
        assert best is not None
        assert trial is not None
        assert session.get_one(Trial, trial).number == best.number
        return best


@pytest.mark.parametrize(("direction", "number"), [("maximize", 1), ("minimize", 2)])
def test_the_best_mean_wins(engine: Engine, direction: str, number: int) -> None:
    """Of equal ones the first; the standard deviation is that of its runs, and the bound lies 1.645 errors off."""
    values = [[0.5, 0.6], [0.8, 0.7], [0.2, 0.4], [0.7, 0.8], [0.4, 0.2]]
    sweep = a_sweep(engine, values, objective={"metric": "val_loss", "direction": direction})
    best = best_of(engine, sweep)
    assert (best.number, best.runs) == (number, 2)
    assert best.value == pytest.approx(fmean(values[number]))
    assert best.std == pytest.approx(stdev(values[number]))
    sign = -1 if direction == "maximize" else 1
    assert best.bound == pytest.approx(best.value + sign * 1.645 * stdev(values[number]) / math.sqrt(2))


@pytest.mark.parametrize(("direction", "number"), [("maximize", 1), ("minimize", 2)])
def test_by_the_bound_a_steady_configuration_wins_over_a_lucky_one(engine: Engine, direction: str, number: int) -> None:
    """The mean of trials 0 and 3 is better, that of their seeds' spread is not."""
    values = [[0.95, 0.6], [0.76, 0.75], [0.25, 0.26], [0.05, 0.4]]
    objective = {"metric": "val_loss", "direction": direction}
    assert best_of(engine, a_sweep(engine, values, objective=objective)).number == {1: 0, 2: 3}[number]
    assert best_of(engine, a_sweep(engine, values, objective=objective, best_by="lower_bound")).number == number


def test_one_run_has_no_bound(engine: Engine) -> None:
    """With one seed each there is no spread to judge by: the best is that by the mean, and says so."""
    best = best_of(engine, a_sweep(engine, [[0.5], [0.7]], best_by="lower_bound"))
    assert (best.number, best.std, best.bound, best.runs) == (1, None, None, 1)


def test_runs_of_one_configuration_are_pooled(engine: Engine) -> None:
    """Three more seeds show that the winner was lucky; its figures are those of all six runs."""
    lucky, steady = [0.9, 0.8, 0.85], [0.8, 0.8, 0.8]
    sweep = a_sweep(engine, [lucky, steady])
    assert best_of(engine, sweep).number == 0
    again(engine, sweep, 0, first_seed=3)
    end(engine, sweep, [[0.9, 0.85, 0.85]])
    best = best_of(engine, sweep)
    everything = [*lucky, 0.9, 0.85, 0.85]
    assert (best.number, best.runs) == (0, 6)
    assert best.value == pytest.approx(fmean(everything))
    assert best.std == pytest.approx(stdev(everything))
    again(engine, sweep, 0, first_seed=6)
    end(engine, sweep, [[0.5, 0.5, 0.5]])
    assert (best_of(engine, sweep).number, best_of(engine, sweep).runs) == (1, 3)


def expected_values(configurations: Sequence[Sequence[float]]) -> list[float]:
    """m0 + t2 / (t2 + s2 / n) (m - m0) of each, by its textbook."""
    means, sizes = [fmean(runs) for runs in configurations], [len(runs) for runs in configurations]
    center, degrees = fmean(means), sum(sizes) - len(sizes)
    within = sum(variance(runs) * (len(runs) - 1) for runs in configurations if len(runs) > 1) / degrees
    between = max(variance(means) - within * fmean(1 / size for size in sizes), 0)
    return [
        center + between / (between + within / size) * (mean - center) for mean, size in zip(means, sizes, strict=True)
    ]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_further_runs_tell_good_from_lucky(engine: Engine, direction: str) -> None:
    """By its two runs trial 0 is better than trial 1 by its eight, but less is expected of it; by the mean it stays."""
    sign = 1 if direction == "maximize" else -1
    lucky, good, poor, poorest = [0.95, 0.79], [0.9, 0.82], [0.8, 0.7], [0.68, 0.8]
    first = [[sign * value for value in runs] for runs in (lucky, good, poor, poorest)]
    later = [[sign * value for value in runs] for runs in ([0.9, 0.83], [0.82, 0.9], [0.85, 0.88])]
    objective = {"metric": "val_loss", "direction": direction}
    bests = {}
    for best_by in ("expected", "mean"):
        sweep = a_sweep(engine, first, objective=objective, best_by=best_by)
        before = best_of(engine, sweep)
        assert before.number == 0
        assert before.expected == pytest.approx(expected_values(first)[0])
        for index in range(3):
            again(engine, sweep, 1, first_seed=2 + 2 * index)
        end(engine, sweep, later)
        bests[best_by] = best_of(engine, sweep)
    pooled = [first[0], [*first[1], *later[0], *later[1], *later[2]], first[2], first[3]]
    assert (bests["mean"].number, bests["expected"].number) == (0, 1)
    assert bests["expected"].expected == pytest.approx(expected_values(pooled)[1])
    assert bests["mean"].expected == pytest.approx(expected_values(pooled)[0])
    assert bests["expected"].runs == 8
    assert bests["expected"].value == pytest.approx(fmean(pooled[1]))


def test_where_all_differences_are_luck_the_best_mean_of_most_runs_wins(engine: Engine) -> None:
    """Every configuration is expected to have the mean of all; a mean of more runs that is not much lower is first."""
    sweep = a_sweep(engine, [[0.9, 0.7], [0.81, 0.78], [0.5, 0.98]])
    assert best_of(engine, sweep).number == 0
    for index in range(2):
        again(engine, sweep, 1, first_seed=2 + 2 * index)
    end(engine, sweep, [[0.7, 0.896], [0.75, 0.85]])
    best = best_of(engine, sweep)
    assert (best.number, best.runs, best.value < 0.8) == (1, 6, True)
    assert best.expected == pytest.approx(fmean([0.8, best.value, 0.74]))


def test_one_run_each_says_nothing_of_luck(engine: Engine) -> None:
    """Nothing is known of the spread over seeds, so nothing is expected and the best mean wins; a single trial too."""
    best = best_of(engine, a_sweep(engine, [[0.5], [0.7]]))
    assert (best.number, best.expected) == (1, None)
    best = best_of(engine, a_sweep(engine, [[0.5, 0.7]]))
    assert best.expected == pytest.approx(0.6)
    best = best_of(engine, a_sweep(engine, [[0.5, 0.5], [0.5, 0.5]]))
    assert (best.number, best.expected) == (0, 0.5)


def test_a_configuration_of_which_a_run_diverged_is_never_the_best(engine: Engine) -> None:
    """Also when that happened with a seed that came later."""
    sweep = a_sweep(engine, [[0.9], [0.8]])
    again(engine, sweep, 0, first_seed=1)
    end(engine, sweep, [[None]])
    assert best_of(engine, sweep).number == 1


def test_results_that_were_taken_over_count_once(engine: Engine) -> None:
    """A trial with the first seed of another one of its configuration holds the same runs."""
    sweep = a_sweep(engine, [[0.9, 0.7], [0.1, 0.2], [0.1, 0.1]])
    again(engine, sweep, 0, first_seed=0)
    again(engine, sweep, 1, first_seed=2)
    end(engine, sweep, [[0.9, 0.7], [0.2, 0.1]])
    best = best_of(engine, sweep)
    assert (best.number, best.runs) == (0, 2)
    assert best.value == pytest.approx(0.8)


def test_results_that_were_taken_over_say_nothing_more_of_luck(engine: Engine) -> None:
    """What the best is expected to have is told beside configurations, and not beside trials that copied one."""
    values = [[0.9, 0.7], [0.5, 0.3], [0.1, 0.2]]
    sweep = a_sweep(engine, values, repeats="reuse")
    expected = best_of(engine, sweep).expected
    again(engine, sweep, 2, first_seed=0)
    end(engine, sweep, [values[2]])
    assert best_of(engine, sweep).expected == pytest.approx(expected)
