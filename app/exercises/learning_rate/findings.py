"""What the runs of different rates show: the best, how it moves, and from where on rates are too large."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.comparisons.paired_differences import PairedDifference, paired_difference
from app.domain.formatting import number, plural
from app.exercises.answers.choosing import held_out
from app.exercises.answers.comparison import Comparison, compare, points, verdict
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import CONFIDENCE, Level, sound, wins
from app.exercises.answers.wording import guessing, judged_on, losses, mean_text, recipe, share, spread
from app.exercises.exercise import SweepData
from app.exercises.learning_rate.rates import Optimum, Rates


def first_sentence(data: SweepData, optima: Sequence[Optimum], by_epochs: Mapping[int, Rates]) -> str:
    """The best rates after the most epochs and after the fewest, whether it moves, and which are too large."""
    first, last = optima[0], optima[-1]
    alike, alike_early = _alike(last), _alike(first)
    text = (
        f"After {plural(last.epochs, 'epoch')} a rate of {number(last.best.setting)} is best, with a validation "
        f"accuracy of {mean_text(last.best)}{f'; {alike}' if alike else ''}."
    )
    if first.epochs < last.epochs:
        text += f" After {plural(first.epochs, 'epoch')}, {number(first.best.setting)} is best"
        text += f"{f' ({alike_early})' if alike_early else ''}{_shift_text(best_rate_shift(by_epochs, optima))}."
    failures = [
        f"at {'a rate of ' if place == 0 else ''}{number(level.setting)} in "
        f"{share(level.diverged + _collapsed(data, last, level), level.runs)}"
        for place, level in enumerate(_too_large(data, last, by_epochs[last.epochs]))
    ]
    if not failures:
        return text
    return f"{text} Training fails (it diverges, or ends below {_middle(data, last):.2f}) {', '.join(failures)}."


def _alike(optimum: Optimum) -> str:
    """`0.2 to 0.5 can't be told apart`, or nothing where the best stands alone."""
    if optimum.low == optimum.high:
        return ""
    return f"{number(optimum.low)} to {number(optimum.high)} can't be told apart"


def best_finding(last: Optimum, rates: Rates) -> Finding:
    best = last.best
    text = (
        f"After {plural(last.epochs, 'epoch')}, {number(best.setting)} reaches a validation accuracy of {spread(best)} "
        f"over {_runs(best)}."
    )
    ladder = list(rates)
    if best.setting in (ladder[0], ladder[-1]):
        text += " It is at the end of the rates tried, so one beyond may be better still."
    settings = {"learning_rate": best.setting, "epochs": last.epochs}
    return Finding("best", text, best.mean, best.interval, best.n, "accuracy", settings)


def _runs(level: Level[Any]) -> str:
    return f"{plural(level.n, 'run')}" + (" (mean ± sample standard deviation)" if level.n > 1 else "")


def _shift_text(difference: PairedDifference | None) -> str:
    """Whether the best rate moves."""
    if difference is None:
        return ""
    seeds = plural(difference.n, "seed")
    return f": that the best rate moves is {'' if Comparison(difference).is_clear else 'not '}clear at {seeds}"


def best_rate_shift(by_epochs: Mapping[int, Rates], optima: Sequence[Optimum]) -> PairedDifference | None:
    """How the logarithm of each seed's best rate moves from the fewest epochs to the most."""
    first, last = optima[0], optima[-1]
    few, many = (_best_rates(by_epochs[optimum.epochs]) for optimum in (first, last))
    return paired_difference(many, few, CONFIDENCE) if first.epochs < last.epochs else None


def shift_findings(by_epochs: Mapping[int, Rates], optima: Sequence[Optimum]) -> list[Finding]:
    """How the best rate of each seed moves from the fewest epochs to the most, as a factor."""
    first, last = optima[0], optima[-1]
    difference = best_rate_shift(by_epochs, optima)
    if difference is None:
        return []
    factor = 10**difference.estimate
    interval = difference.interval and (10 ** difference.interval[0], 10 ** difference.interval[1])
    text = (
        f"Seed by seed, the best rate after {last.epochs} epochs is {factor:.2g} times that after "
        f"{plural(first.epochs, 'epoch')}, in the geometric mean{_factor_text(difference, interval)}."
    )
    settings = {"epochs": [first.epochs, last.epochs]}
    return [Finding("shift", text, factor, interval, difference.n, "times", settings)]


def _best_rates(rates: Rates) -> dict[int, float]:
    """By seed, the logarithm of the rate that is best at that seed."""
    candidates = sound(rates).values()
    seeds = {seed for level in candidates for seed in level.values}
    return {
        seed: math.log10(
            max((level for level in candidates if seed in level.values), key=lambda level: level.values[seed]).setting
        )
        for seed in seeds
    }


def _factor_text(difference: PairedDifference, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return " (one seed, so nobody knows its spread)"
    bounds = f"{interval[0]:.2g} to {interval[1]:.2g} with 95 % confidence"
    clear = "clear" if Comparison(difference).is_clear else "that it moves is not clear"
    return f" ({bounds}): {clear} at {plural(difference.n, 'seed')}"


def catch_up_findings(by_epochs: Mapping[int, Rates], optima: Sequence[Optimum]) -> list[Finding]:
    """How far the smallest rate is behind the best after the fewest epochs, and after the most."""
    first, last = optima[0], optima[-1]
    small = next(iter(sound(by_epochs[last.epochs])))
    early, late = (compare(optimum.best, by_epochs[optimum.epochs][small]) for optimum in (first, last))
    if early is None or late is None or first.epochs == last.epochs:
        return []
    if small in (first.best.setting, last.best.setting):
        return []
    change = compare(_gaps(last, by_epochs, small), _gaps(first, by_epochs, small))
    catches_up = change is not None and change.is_clear and change.difference.estimate < 0
    text = (
        f"{'The more epochs, the less a small rate loses: the' if catches_up else 'The'} best rate has {points(early)} "
        f"than {number(small)} after {plural(first.epochs, 'epoch')}, and {points(late)} after {last.epochs}."
    )
    settings = {"learning_rate": small, "epochs": last.epochs}
    difference = late.difference
    return [Finding("small_rate", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)]


def _gaps(optimum: Optimum, by_epochs: Mapping[int, Rates], rate: float) -> Level[int]:
    """By seed, how much more the best rate has than this one."""
    values = by_epochs[optimum.epochs][rate].values
    best = optimum.best.values
    return Level(optimum.epochs, {seed: best[seed] - value for seed, value in values.items() if seed in best})


def short_findings(optima: Sequence[Optimum], rates: Rates) -> list[Finding]:
    """What it costs to choose the rate after the fewest epochs and train for the most."""
    first, last = optima[0], optima[-1]
    comparison = compare(rates[first.best.setting], last.best)
    if comparison is None or first.best.setting == last.best.setting:
        return []
    text = (
        f"Choosing {number(first.best.setting)}, the best after {plural(first.epochs, 'epoch')}, brings "
        f"{points(comparison)} after {last.epochs} than {number(last.best.setting)}: {verdict(comparison)}."
    )
    difference = comparison.difference
    settings = {"learning_rate": first.best.setting, "epochs": last.epochs}
    return [Finding("chosen_early", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)]


def limit_findings(data: SweepData, last: Optimum, by_epochs: Mapping[int, Rates]) -> list[Finding]:
    """From where on rates are too large."""
    level = next(iter(_too_large(data, last, by_epochs[last.epochs])), None)
    if level is None:
        return []
    collapsed = _collapsed(data, last, level)
    parts = [
        f"{level.diverged} diverged" if level.diverged else "",
        f"{collapsed} ended below {_middle(data, last):.2f}, nearer to guessing than to the best" if collapsed else "",
    ]
    text = (
        f"At {number(level.setting)}, of {plural(level.runs, 'run')} {' and '.join(filter(None, parts))}"
        f"{_learned_text(data, last, by_epochs, level.setting)}."
    )
    settings = {"learning_rate": level.setting, "epochs": last.epochs}
    return [Finding("too_large", text, level.setting, None, level.runs, "", settings)]


def _learned_text(data: SweepData, last: Optimum, by_epochs: Mapping[int, Rates], rate: float) -> str:
    """How many of the runs that failed had been nearer to the best before."""
    middle, final = _middle(data, last), by_epochs[last.epochs][rate].values
    before = {
        seed
        for rates in by_epochs.values()
        for seed, value in rates[rate].values.items()
        if value >= middle and final.get(seed, 0.0) < middle
    }
    return f"; {len(before) or 'none'} of these had been above {middle:.2f} after an earlier epoch"


def _too_large(data: SweepData, last: Optimum, rates: Rates) -> list[Level[float]]:
    """The rates above the best one at which runs diverged, or ended nearer to guessing than to the best."""
    larger = (level for rate, level in rates.items() if rate > last.best.setting)
    return [level for level in larger if level.diverged or _collapsed(data, last, level)]


def _collapsed(data: SweepData, last: Optimum, level: Level[float]) -> int:
    """Runs that are nearer to guessing than to the best."""
    return sum(value < _middle(data, last) for value in level.values.values())


def _middle(data: SweepData, last: Optimum) -> float:
    return (guessing(data.sweep) + last.best.mean) / 2


def certainty(last: Optimum, rates: Rates) -> str:
    if last.best.n < 2:
        return "One run a rate: without more seeds nobody can say how much of this is luck."
    won, seeds = wins(rates, last.best)
    text = f"After {plural(last.epochs, 'epoch')}, {number(last.best.setting)} is best in {won} of {seeds} seeds."
    unseen = held_out(rates)
    if unseen is None:
        return text
    return (
        f"{text} Chosen by the other seeds and judged on the one left out, the best rate reaches {spread(unseen)} over "
        f"{plural(unseen.n, 'seed')}: what is above that may be the luck of choosing."
    )


def caveats(data: SweepData, rates: Rates) -> list[str]:
    settings = recipe(data.trials, ("hidden_units", "activation", "optimizer", "batch_size"))
    texts = [
        "Not tested: schedules, other networks, batch sizes and optimizers, for which another rate may be best, other "
        f"rates, and more epochs. Here the rate is constant{f' ({settings})' if settings else ''}.",
        "Fewer epochs are the beginnings of the same runs, which is exact for a constant rate.",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
    ]
    return [*texts, *losses(data.trials, rates, "rate")]
