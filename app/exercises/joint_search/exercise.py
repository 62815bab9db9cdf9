"""Exercise 5: all hyperparameters at once: the best that searches find, how they compare, and why it is hard."""

from typing import Any

from app.exercises.answers.finding import Answer
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, training_body
from app.exercises.joint_search.figures import paths_figure, rates_figure, shares_figure, table_row
from app.exercises.joint_search.findings import (
    best_finding,
    caveats,
    cell_findings,
    certainty,
    early_findings,
    first_sentence,
    importance_findings,
    method_findings,
    speed_findings,
    strategy_findings,
)
from app.exercises.joint_search.methods import (
    METHODS,
    best_search,
    importance_of_random,
    level_of,
    name_of,
    searches_by_method,
)
from app.exercises.preset import Preset

REPETITIONS = {"quick": 2, "full": 3}
EPOCHS = {"quick": 3, "full": 9}
GRID = {
    "quick": {"learning_rate": [0.03, 0.1, 0.3], "hidden_units": [16, 48, 128], "depth": [1, 2]},
    "full": {"learning_rate": [0.02, 0.07, 0.2, 0.7], "hidden_units": [16, 64, 256], "depth": [1, 2, 3]},
}
RANGES = {
    "quick": {"hidden_units": {"low": 16, "high": 128, "log": True}, "depth": {"low": 1, "high": 2}},
    "full": {"hidden_units": {"low": 16, "high": 256, "log": True}, "depth": {"low": 1, "high": 3}},
}
HEADER = ("method", "best in validation", "its std", "repetitions", "trials each", "epochs each", "seconds each")
TRIALS = {"quick": 18, "full": 36}  # as many as the grid has cells
HALVED_TRIALS = {"quick": 34, "full": 110}  # that train about as many epochs in all
STARTUP_TRIALS = {"quick": 6, "full": 10}  # that TPE draws at random


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """Each method once a repetition; they are trained one after the other, a repetition of all methods at a time."""
    bodies = [
        (name_of(method, repetition), _body(preset, method, repetition))
        for repetition in range(REPETITIONS[preset])
        for method in METHODS
    ]
    return {name: body | {"priority": -position} for position, (name, body) in enumerate(bodies)}


def _body(preset: Preset, method: str, repetition: int) -> dict[str, Any]:
    ranges = {"learning_rate": {"low": 0.01, "high": 1.0, "log": True}, **RANGES[preset]}
    space = (GRID[preset] if method == "grid" else ranges) | {"epochs": EPOCHS[preset]}
    body = training_body(5, f"{method}, repetition {repetition + 1}", preset, space, 1, seed=repetition)
    if method == "grid":
        return body
    if method == "random":
        return body | {"sampler": "random", "n_trials": TRIALS[preset]}
    sampler = {"name": "tpe", "n_startup_trials": STARTUP_TRIALS[preset]}
    if method == "TPE":
        return body | {"sampler": sampler, "n_trials": TRIALS[preset]}
    pruner = {"name": "successive_halving", "min_resource": 1, "reduction_factor": 3}
    return body | {"sampler": sampler, "pruner": pruner, "n_trials": HALVED_TRIALS[preset]}


def _tried_body(preset: Preset, measurements: Measurements) -> dict[str, Any] | None:
    """The best configuration so far, whose learning rate a reader chooses."""
    _, data = best_search(measurements)
    if data.sweep.best is None:
        return None
    space = {name: value for name, value in data.sweep.best.params.items() if name != "learning_rate"}
    return training_body(5, "learning rate", preset, space, 1)


def answer(measurements: Measurements) -> Answer | None:
    """The best result, which method came furthest with the same training, and what matters only together."""
    searches = searches_by_method(measurements)
    if set(searches) != set(METHODS):
        return None
    best_name, best_data = best_search(measurements)
    by_method = {method: level_of(method, results) for method, results in searches.items()}
    leader = max(by_method.values(), key=lambda level: level.mean)
    importance = importance_of_random(measurements)
    return Answer(
        sentence=first_sentence(best_data, leader, by_method, measurements),
        findings=[
            best_finding(best_name, best_data),
            *strategy_findings(searches, leader, by_method),
            *cell_findings(best_data, searches),
            *method_findings(searches, leader, by_method),
            *early_findings(searches, leader),
            *speed_findings(searches),
            *importance_findings(importance),
        ],
        certainty=certainty(leader, by_method),
        caveats=caveats(best_data, measurements),
        header=HEADER,
        rows=[table_row(level, searches[method]) for method, level in by_method.items()],
        best_row=list(by_method).index(leader.setting),
    )


JOINT_SEARCH = Exercise(
    number=5,
    title="All hyperparameters at once",
    question=(
        "Optimise learning rate, epochs, hidden layers and hidden units jointly. What is the best result, why are "
        "several hyperparameters so much harder than one, and what is an efficient strategy?"
    ),
    parts=("The best result, scored once on the test images", "Why it is harder", "An efficient strategy"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("epochs", "Best so far by epochs", lambda data: paths_figure(data, "epochs")),
        ExerciseChart("seconds", "Best so far by seconds", lambda data: paths_figure(data, "seconds")),
        ExerciseChart("rates", "All trials by learning rate", rates_figure),
        ExerciseChart("importance", "What matters alone, and what together", shares_figure),
    ),
    answer=answer,
    slider=Slider(
        "learning_rate",
        (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0),
        _tried_body,
        "rates",
        "learning rate",
        "All else is as in the best configuration that the searches had found when the first rate was tried.",
    ),
    subset="each search 18 trainings of 3 epochs, or more of them that are pruned; 2 of 3 repetitions",
    whole="each search 36 trainings of 9 epochs, or more of them that are pruned; 3 repetitions",
)
