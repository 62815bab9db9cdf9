"""Exercise 4: which learning rate is best, and what that has to do with the number of epochs."""

from typing import Any

from app.domain.formatting import plural
from app.exercises.answers.finding import Answer
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, chart_of, training_body
from app.exercises.learning_rate.figures import close_figure, optimum_figure, rate_figure, table_rows
from app.exercises.learning_rate.findings import (
    best_finding,
    catch_up_findings,
    caveats,
    certainty,
    first_sentence,
    limit_findings,
    shift_findings,
    short_findings,
)
from app.exercises.learning_rate.rates import EPOCHS, RATES, SEEDS, SWEEP, UNITS, budgets, optimum_of, rates_by_epochs
from app.exercises.preset import Preset


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """One grid over rates, all trained for the most epochs: fewer epochs are read from the same curves."""
    space = {
        "learning_rate": list(RATES[preset]),
        "hidden_units": UNITS[preset],
        "epochs": EPOCHS[preset],
    }
    return {SWEEP: training_body(4, "learning rate", preset, space, SEEDS)}


def answer(measurements: Measurements) -> Answer | None:
    """The best rate after each number of epochs, how it moves between them, and from where on rates are too large."""
    data = measurements[SWEEP]
    by_epochs = rates_by_epochs(data)
    optima = [optimum for epochs in budgets(by_epochs) if (optimum := optimum_of(epochs, by_epochs[epochs]))]
    if not optima:
        return None
    last = optima[-1]
    rates = by_epochs[last.epochs]
    return Answer(
        sentence=first_sentence(data, optima, by_epochs),
        findings=[
            best_finding(last, rates),
            *shift_findings(by_epochs, optima),
            *catch_up_findings(by_epochs, optima),
            *short_findings(optima, rates),
            *limit_findings(data, last, by_epochs),
        ],
        certainty=certainty(last, rates),
        caveats=caveats(data, rates),
        header=(
            "learning rate",
            *(f"after {plural(optimum.epochs, 'epoch')}" for optimum in optima),
            f"std after {last.epochs}",
            "runs",
        ),
        rows=table_rows(by_epochs, optima),
        best_row=list(rates).index(last.best.setting),
    )


LEARNING_RATE = Exercise(
    number=4,
    title="The learning rate",
    question=(
        "Change the learning rate and leave everything else as it is. Which rate is best, and how does that depend on "
        "the number of epochs?"
    ),
    parts=("The best learning rate", "How it goes with the number of epochs"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by learning rate", rate_figure),
        ExerciseChart("close-up", "The same, close up", close_figure),
        ExerciseChart("heatmap", "Learning rate and epochs", chart_of(SWEEP, "heatmap", x="learning_rate")),
        ExerciseChart("best", "The best rate by number of epochs", optimum_figure),
    ),
    answer=answer,
    subset="6 of 9 rates, 8 of 20 epochs, 128 of 256 units, 5 seeds",
    whole="9 rates, 20 epochs, 256 units, 5 seeds",
    needs=frozenset({"epochs"}),
    scored=(SWEEP,),
    slider=Slider(
        "learning_rate",
        (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
        lambda preset, _: sweeps(preset)[SWEEP],
        "accuracy",
        "learning rate",
        "All else is as in the run, with the most epochs.",
    ),
)
