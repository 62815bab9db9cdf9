"""The methods of search, and what their repetitions have come to."""

import math
from collections.abc import Sequence

from app.charts.importance import ImportanceData, ImportanceOptions, importance_data
from app.exercises.answers.levels import Level
from app.exercises.answers.wording import in_words
from app.exercises.exercise import Measurements, SweepData
from app.exercises.joint_search.searches import Search, read_search

HALVING = "TPE with halving"
METHODS = ("grid", "random", "TPE", HALVING)


def name_of(method: str, repetition: int) -> str:
    """The name of a search's sweep."""
    return f"{method} {repetition + 1}"


def searches_by_method(measurements: Measurements) -> dict[str, list[Search]]:
    """By method, those that have found something."""
    searches: dict[str, list[Search]] = {}
    for name, data in measurements.items():
        method, _, repetition = name.rpartition(" ")
        search = read_search(data, int(repetition))
        if search is not None:
            searches.setdefault(method, []).append(search)
    return searches


def level_of(method: str, results: Sequence[Search]) -> Level[str]:
    """The best values of a method, with its repetitions as seeds."""
    return Level(method, {search.repetition: search.best for search in results})


def best_search(measurements: Measurements) -> tuple[str, SweepData]:
    """The search that found the best value, by its name and with what it measured."""
    return max(measurements.items(), key=lambda item: best.value if (best := item[1].sweep.best) else -math.inf)


def reading_name(hyperparameter: str) -> str:
    """As readers write it: `learning rate`, and `hidden layers` of the depth."""
    return "hidden layers" if hyperparameter == "depth" else in_words(hyperparameter)


def importance_of_random(measurements: Measurements) -> ImportanceData:
    """Over the trials of all random searches: those of TPE crowd where the values are good."""
    random_data = [data for name, data in measurements.items() if name.startswith("random")]
    trials = [trial for data in random_data for trial in data.trials]
    numbered_trials = [trial._replace(number=number) for number, trial in enumerate(trials)]
    return importance_data(random_data[0].sweep, numbered_trials, ImportanceOptions())
