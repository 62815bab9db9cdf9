"""What the runs of several activations show: the best ones, what the tuning changes, and what none brings."""

from collections.abc import Sequence

from app.domain.formatting import number, plural
from app.exercises.activations.tuning import LINEAR, ONE_RATE, Setting, Settings, Tuned, as_good
from app.exercises.answers.comparison import Comparison, apart, compare, points, points_apart, verdict
from app.exercises.answers.finding import Finding
from app.exercises.answers.wording import count_text, judged_on, losses, mean_text, name_list, recipe, spread
from app.exercises.exercise import SweepData


def first_sentence(ranked: Sequence[Tuned], settings: Settings) -> str:
    """Which is best with a rate of its own, which can't be told from it, how far behind the others are."""
    best, last, rivals = ranked[0], ranked[-1], as_good(ranked)
    rates = count_text(len({key.rate for key in settings}))
    text = (
        f"With the best of {rates} learning rates for each, {best.activation} has the highest mean validation "
        f"accuracy, {mean_text(best.best)}"
    )
    if rivals:
        text += f". {_any_of([tuned.activation for tuned in rivals], len(ranked) - 1)} can't be told from it"
    behind = next((tuned for tuned in ranked[1:] if tuned not in rivals), None)
    comparison, furthest = (compare(tuned.best, best.best) if tuned else None for tuned in (behind, last))
    if behind is not None and comparison is not None:
        place = ", the second by its mean," if rivals and behind is ranked[1] else ""
        text += f"; {behind.activation}{place} is clearly behind, by {points_apart(comparison)}"
        if last not in (behind, *rivals) and furthest is not None:
            text += f", and {last.activation}, the last, by {apart(furthest)}"
    return f"{text}.{_untuned_text(ranked)}"


def _any_of(names: Sequence[str], count: int) -> str:
    """`gelu and silu`; of several `The others` where it is all of them."""
    return "The others" if len(names) == count > 1 else name_list(names)


def _untuned_text(ranked: Sequence[Tuned]) -> str:
    """Which has the highest mean with the one rate for all, where it is another."""
    levels = [tuned.at_one_rate for tuned in ranked if tuned.at_one_rate is not None]
    first = max(levels, key=lambda level: level.mean, default=None)
    if first is None or first.setting.activation == ranked[0].activation:
        return ""
    return f" With a rate of {number(ONE_RATE)} for all, {first.setting.activation} has the highest mean."


def best_finding(ranked: Sequence[Tuned]) -> Finding:
    best, second = ranked[0], ranked[1]
    comparison = compare(best.best, second.best)
    runs = plural(best.best.n, "run")
    text = f"{best.activation} at rate {number(best.best.setting.rate)}: {spread(best.best)} over {runs}."
    if comparison is not None:
        text += f" That is {points(comparison)} than the next, {second.activation}: {verdict(comparison)}."
    return Finding(
        "best", text, best.best.mean, best.best.interval, best.best.n, "accuracy", best.best.setting._asdict()
    )


def last_findings(ranked: Sequence[Tuned]) -> list[Finding]:
    """How far apart the nonlinear ones are."""
    nonlinear = [tuned for tuned in ranked if tuned.activation != LINEAR]
    if len(nonlinear) < 2:
        return []
    first, last = nonlinear[0], nonlinear[-1]
    comparison = compare(first.best, last.best)
    head = f"The best of the {count_text(len(nonlinear))} nonlinear ones, {first.activation}, has"
    rival_text = f" than the last, {last.activation}{_end_text(last)}"
    return _difference("range", head, comparison, last.best.setting, rival_text)


def _end_text(tuned: Tuned) -> str:
    """That its best rate may not be the best there is."""
    return f", whose best rate {number(tuned.best.setting.rate)} is at the end of those tried" if tuned.at_end else ""


def tuning_findings(ranked: Sequence[Tuned]) -> list[Finding]:
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
        f"{number(tuned.best.setting.rate)}{' (at the end of those tried)' if tuned.at_end else ''}, brings"
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
    text = f"With the one rate {number(ONE_RATE)} for all, {first.setting.activation} would come first, with"
    last_text = f" than {last.setting.activation}, the last"
    return _difference("untuned_range", text, compare(first, last), last.setting, last_text)


def linear_findings(ranked: Sequence[Tuned]) -> list[Finding]:
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


def certainty(ranked: Sequence[Tuned]) -> str:
    best, second = ranked[0], ranked[1]
    if best.unseen is None or second.unseen is None:
        return "One run each: without more seeds nobody can say how much of this is luck."
    comparison = compare(best.unseen, second.unseen)
    text = (
        f"With rates that the other seeds chose (in the table: by other seeds), {best.activation} has "
        f"{spread(best.unseen)}"
    )
    if comparison is None:
        return f"{text}."
    return f"{text}, {points(comparison)} than {second.activation}: {verdict(comparison)}."


def caveats(data: SweepData, ranked: Sequence[Tuned], settings: Settings) -> list[str]:
    recipe_text = recipe(data.trials, ("hidden_units", "optimizer", "batch_size", "epochs", "initialization"))
    ends = ", ".join(tuned.activation for tuned in ranked if tuned.at_end)
    rates = sorted({key.rate for key in settings})
    texts = [
        f"Not tested: other rates than the {count_text(len(rates))} that each had to choose from "
        f"({', '.join(map(number, rates))}), and other widths, depths and initializations"
        f"{f'; all else was alike ({recipe_text})' if recipe_text else ''}.",
        f"The best rate is at the end of those tried for {ends}: one beyond may be better still." if ends else "",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
        *losses(data.trials, {f"{key.activation} {number(key.rate)}": level for key, level in settings.items()}),
    ]
    return [*filter(None, texts)]
