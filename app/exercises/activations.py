"""Exercise 8: which activation function is best, with a learning rate of its own for each and with one for all."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts.rows import Axis, TrialRow
from app.domain.configuration import ACTIVATIONS, DEFAULTS
from app.domain.formatting import number, plural
from app.exercises.answers.choosing import held_out
from app.exercises.answers.comparison import Comparison, compare, points, verdict
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, best_level, levels, sound
from app.exercises.answers.wording import count_text, judged_on, losses, recipe, runs_of, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, SweepData, chart_of, training_body
from app.exercises.figures import LevelLine, levels_figure

RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
UNITS = {"quick": 64, "full": 128}
EPOCHS = {"quick": 4, "full": 10}
SEEDS = {"quick": 4, "full": 5}
SWEEP = "activation"
LINEAR = "identity"  # no nonlinearity at all
ONE_RATE = float(str(DEFAULTS["learning_rate"]))  # the book's, for all


class Setting(NamedTuple):
    """What was varied."""

    activation: str
    rate: float


Settings = Mapping[Setting, Level[Setting]]


class Tuned(NamedTuple):
    """One activation with the rate that is best for it."""

    activation: str
    best: Level[Setting]
    at_one_rate: Level[Setting] | None  # with the rate that all have
    unseen: Level[Any] | None  # of rates that other seeds chose
    at_end: bool  # whether the best rate is the smallest or the largest that was tried


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """One grid of activations and rates, in which the one rate for all is a column."""
    space = {
        "activation": list(ACTIVATIONS),
        "learning_rate": list(RATES),
        "hidden_units": UNITS[preset],
        "epochs": EPOCHS[preset],
    }
    return {SWEEP: training_body(8, "activation functions", preset, space, SEEDS[preset])}


def answer(measurements: Measurements) -> Answer | None:
    """The best activations with rates of their own, what the tuning changes, and what a nonlinearity brings."""
    data = measurements[SWEEP]
    settings = levels(data.trials, _setting)
    ranked = ranking(settings)
    if len(ranked) < 2:
        return None
    return Answer(
        sentence=_sentence(ranked),
        findings=[
            _best_finding(ranked),
            *_last_findings(ranked),
            *_tuning_findings(ranked),
            *_linear_findings(ranked),
        ],
        certainty=_certainty(ranked),
        caveats=_caveats(data, ranked, settings),
        header=(
            "activation",
            "best rate",
            "validation",
            "std",
            "held out",
            f"at {number(ONE_RATE)}",
            "runs",
        ),
        rows=[_row(tuned) for tuned in ranked],
        best_row=0,
    )


# ---- what the rows say


def _setting(trial: TrialRow) -> Setting | None:
    params = trial.params
    if "activation" not in params or "learning_rate" not in params:
        return None
    return Setting(str(params["activation"]), float(str(params["learning_rate"])))


def ranking(settings: Settings) -> list[Tuned]:
    """The activations with their best rates by the means over seeds, the best first. Rates that diverged are none."""
    tuned = [item for name in dict.fromkeys(key.activation for key in settings) if (item := _tuned(settings, name))]
    return sorted(tuned, key=lambda item: -item.best.mean)


def _tuned(settings: Settings, activation: str) -> Tuned | None:
    own = {key: level for key, level in settings.items() if key.activation == activation}
    best = best_level(own)
    if best is None:
        return None
    rates = [key.rate for key in own]
    at_end = best.setting.rate in (min(rates), max(rates))
    return Tuned(activation, best, sound(own).get(Setting(activation, ONE_RATE)), held_out(own), at_end)


def _as_good(ranked: Sequence[Tuned]) -> list[Tuned]:
    """Those behind the best that are not clearly worse at equal seeds."""
    comparisons = ((tuned, compare(ranked[0].best, tuned.best)) for tuned in ranked[1:])
    return [tuned for tuned, comparison in comparisons if comparison is not None and not comparison.is_clear]


# ---- findings


def _sentence(ranked: Sequence[Tuned]) -> str:
    best = ranked[0]
    text = f"With a learning rate of its own for each, {best.activation} is best with {spread(best.best)}"
    rivals = _as_good(ranked)
    seeds = plural(best.best.n, "seed")
    if not rivals:
        return f"{text}, clearly at {seeds}."
    names = [tuned.activation for tuned in rivals]
    return f"{text}, but it is not clear at {seeds} that it is better than {_any_of(names, len(ranked) - 1)}."


def _any_of(names: Sequence[str], count: int) -> str:
    """`gelu, silu or tanh`; of several `any other` where it is all of them."""
    if len(names) == count > 1:
        return "any other"
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _best_finding(ranked: Sequence[Tuned]) -> Finding:
    best, second = ranked[0], ranked[1]
    comparison = compare(best.best, second.best)
    runs = plural(best.best.n, "run")
    text = f"{best.activation} at rate {number(best.best.setting.rate)}: {spread(best.best)} over {runs}."
    if comparison is not None:
        text += f" That is {points(comparison)} than the next, {second.activation}: {verdict(comparison)}."
    return Finding(
        "best", text, best.best.mean, best.best.interval, best.best.n, "accuracy", best.best.setting._asdict()
    )


def _last_findings(ranked: Sequence[Tuned]) -> list[Finding]:
    """How far apart the nonlinear ones are."""
    nonlinear = [tuned for tuned in ranked if tuned.activation != LINEAR]
    if len(nonlinear) < 2:
        return []
    first, last = nonlinear[0], nonlinear[-1]
    comparison = compare(first.best, last.best)
    head = f"The best of the {count_text(len(nonlinear))} nonlinear ones, {first.activation}, has"
    return _difference("range", head, comparison, last.best.setting, f" than the last, {last.activation}")


def _tuning_findings(ranked: Sequence[Tuned]) -> list[Finding]:
    """What the one rate for all would have said, of the activation that loses most by it."""
    comparisons = [
        (comparison.difference.estimate, tuned, comparison)
        for tuned in ranked
        if tuned.at_one_rate is not None and (comparison := compare(tuned.best, tuned.at_one_rate)) is not None
    ]
    if not comparisons:
        return []
    _, tuned, comparison = max(comparisons, key=lambda item: item[0])
    text = (
        f"The one rate {number(ONE_RATE)} for all suits {tuned.activation} least: its own best, "
        f"{number(tuned.best.setting.rate)}, brings"
    )
    return [*_difference("tuning", text, comparison, tuned.best.setting), *_untuned_findings(ranked)]


def _untuned_findings(ranked: Sequence[Tuned]) -> list[Finding]:
    """The same comparison of the best and the last with the one rate."""
    at_one_rate = [
        tuned.at_one_rate for tuned in ranked if tuned.activation != LINEAR and tuned.at_one_rate is not None
    ]
    if len(at_one_rate) < 2:
        return []
    by_mean = sorted(at_one_rate, key=lambda level: -level.mean)
    first, last = by_mean[0], by_mean[-1]
    text = f"At {number(ONE_RATE)} for all, {first.setting.activation} has"
    return _difference("untuned_range", text, compare(first, last), last.setting, f" than {last.setting.activation}")


def _linear_findings(ranked: Sequence[Tuned]) -> list[Finding]:
    """What a nonlinearity brings at all."""
    linear = next((tuned for tuned in ranked if tuned.activation == LINEAR), None)
    nonlinear = next((tuned for tuned in ranked if tuned.activation != LINEAR), None)
    if linear is None or nonlinear is None:
        return []
    text = f"Without any ({LINEAR}: one linear map) it is {spread(linear.best)}; {nonlinear.activation} brings"
    return _difference("nonlinearity", text, compare(nonlinear.best, linear.best), nonlinear.best.setting)


def _difference(
    name: str, text: str, comparison: Comparison | None, setting: Setting, rival_text: str = ""
) -> list[Finding]:
    if comparison is None:
        return []
    difference = comparison.difference
    sentence = f"{text} {points(comparison)}{rival_text}: {verdict(comparison)}."
    return [
        Finding(name, sentence, difference.estimate, difference.interval, difference.n, "accuracy", setting._asdict())
    ]


def _certainty(ranked: Sequence[Tuned]) -> str:
    best, second = ranked[0], ranked[1]
    if best.unseen is None or second.unseen is None:
        return "One run each: without more seeds nobody can say how much of this is luck."
    comparison = compare(best.unseen, second.unseen)
    text = (
        f"With rates that the other seeds chose, so that no seed judges its own choice, {best.activation} has "
        f"{spread(best.unseen)}"
    )
    if comparison is None:
        return f"{text}."
    return f"{text}, {points(comparison)} than {second.activation}: {verdict(comparison)}."


def _caveats(data: SweepData, ranked: Sequence[Tuned], settings: Settings) -> list[str]:
    recipe_text = recipe(data.trials, ("hidden_units", "epochs", "batch_size", "initialization"))
    ends = ", ".join(tuned.activation for tuned in ranked if tuned.at_end)
    rates = sorted({key.rate for key in settings})
    texts = [
        f"Each had {count_text(len(rates))} rates to choose from ({', '.join(map(number, rates))})"
        f"{f', and all else alike ({recipe_text})' if recipe_text else ''}.",
        f"The best rate is at the end of those tried for {ends}: one beyond may be better still." if ends else "",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
        *losses(data.trials, {f"{key.activation} {number(key.rate)}": level for key, level in settings.items()}),
    ]
    return [*filter(None, texts)]


def _row(tuned: Tuned) -> tuple[str, ...]:
    return (
        tuned.activation,
        number(tuned.best.setting.rate),
        f"{tuned.best.mean:.4f}",
        "" if tuned.best.std is None else f"{tuned.best.std:.4f}",
        "" if tuned.unseen is None else f"{tuned.unseen.mean:.4f}",
        "" if tuned.at_one_rate is None else f"{tuned.at_one_rate.mean:.4f}",
        runs_of(tuned.best),
    )


# ---- charts


def comparison_figure(measurements: Measurements) -> go.Figure:
    """Every run by activation: with the rate that is best for it, and with the one rate for all."""
    data = measurements[SWEEP]
    ranked = ranking(levels(data.trials, _setting))
    one_rate = [(tuned.activation, tuned.at_one_rate) for tuned in ranked if tuned.at_one_rate is not None]
    return levels_figure(
        data.sweep,
        "Validation accuracy by activation",
        Axis("activation", choices=tuple(tuned.activation for tuned in ranked)),
        [
            LevelLine("its own best rate", [(tuned.activation, tuned.best) for tuned in ranked]),
            LevelLine(f"{number(ONE_RATE)} for all", one_rate),
        ],
        "the best first; every run a point",
    )


ACTIVATION = Exercise(
    number=8,
    title="Activation functions",
    question="Try other activation functions. Which one does best?",
    parts=("The best activation function",),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by activation", comparison_figure),
        ExerciseChart(
            "heatmap", "Learning rate and activation", chart_of(SWEEP, "heatmap", x="learning_rate", y="activation")
        ),
    ),
    answer=answer,
    subset="8 activations, 5 rates for each, 4 of 10 epochs, 64 of 128 units, 4 of 5 seeds",
    whole="8 activations, 5 rates for each, 10 epochs, 128 units, 5 seeds",
    scored=(SWEEP,),
)
