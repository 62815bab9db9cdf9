"""Exercise 8: which activation function is best, with a learning rate of its own for each and with one for all."""

from typing import Any

from app.domain.configuration import ACTIVATIONS
from app.domain.formatting import number
from app.exercises.activations.figures import comparison_figure, rates_figure, table_row
from app.exercises.activations.findings import (
    best_finding,
    caveats,
    certainty,
    first_sentence,
    last_findings,
    linear_findings,
    tuning_findings,
)
from app.exercises.activations.tuning import ONE_RATE, SWEEP, ranking, setting_of
from app.exercises.answers.finding import Answer
from app.exercises.answers.levels import levels
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, chart_of, training_body
from app.exercises.preset import Preset

RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
UNITS = {"quick": 64, "full": 128}
EPOCHS = {"quick": 4, "full": 10}
SEEDS = {"quick": 4, "full": 5}


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """One grid of activations and rates, in which the one rate for all is a column."""
    space = {
        "activation": list(ACTIVATIONS),
        "learning_rate": list(RATES),
        "hidden_units": UNITS[preset],
        "epochs": EPOCHS[preset],
    }
    return {SWEEP: training_body(8, "activation functions", preset, space, SEEDS[preset])}


def _tried_body(preset: Preset, measurements: Measurements) -> dict[str, Any] | None:
    """The best activation so far, whose learning rate a reader chooses."""
    ranked = ranking(levels(measurements[SWEEP].trials, setting_of))
    if not ranked:
        return None
    space = {"activation": ranked[0].activation, "hidden_units": UNITS[preset], "epochs": EPOCHS[preset]}
    return training_body(8, "learning rate", preset, space, 1)


def answer(measurements: Measurements) -> Answer | None:
    """The best activations with rates of their own, what the tuning changes, and what a nonlinearity brings."""
    data = measurements[SWEEP]
    settings = levels(data.trials, setting_of)
    ranked = ranking(settings)
    if len(ranked) < 2:
        return None
    return Answer(
        sentence=first_sentence(ranked, settings),
        findings=[
            best_finding(ranked),
            *last_findings(ranked),
            *tuning_findings(ranked),
            *linear_findings(ranked),
        ],
        certainty=certainty(ranked),
        caveats=caveats(data, ranked, settings),
        header=(
            "activation",
            "best rate",
            "validation",
            "std",
            "by other seeds",
            f"at {number(ONE_RATE)}",
            "runs",
        ),
        rows=[table_row(tuned) for tuned in ranked],
        best_row=0,
    )


ACTIVATION = Exercise(
    number=8,
    title="Activation functions",
    question="Try other activation functions. Which one does best?",
    parts=("The best activation function",),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by activation", comparison_figure),
        ExerciseChart("rates", "Accuracy by learning rate", rates_figure),
        ExerciseChart(
            "heatmap", "Learning rate and activation", chart_of(SWEEP, "heatmap", x="learning_rate", y="activation")
        ),
    ),
    answer=answer,
    subset="8 activations, 5 rates for each, 4 of 10 epochs, 64 of 128 units, 4 of 5 seeds",
    whole="8 activations, 5 rates for each, 10 epochs, 128 units, 5 seeds",
    scored=(SWEEP,),
    slider=Slider(
        "learning_rate",
        (0.005, 0.01, 0.015, 0.02, 0.05, 0.07, 0.15, 0.2, 0.4, 0.5, 0.7, 1.5, 2.0, 5.0),
        _tried_body,
        "rates",
        "learning rate",
        "With the activation that was best when the first rate was tried; all else is as in the run.",
    ),
)
