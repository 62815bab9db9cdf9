"""Configurations at the places of a heat map: as they ended, or after each epoch of their curves."""

import math
from collections.abc import Iterable, Sequence

from app.charts.configurations import configurations, mean_and_std
from app.charts.heatmap.parts import EPOCHS_AXIS, HeatmapOptions, Sample
from app.charts.labels import params_text, varying
from app.charts.rows import EpochMean, SweepRow, TrialRow
from app.charts.select import finished, thinned

CURVE_TRIALS = 200  # whose curves are read


def trials_with_curves(sweep: SweepRow, trials: Sequence[TrialRow], options: HeatmapOptions) -> list[TrialRow]:
    """The trials whose learning curves are drawn: all, or some evenly spread, of a grid for all x the same settings."""
    candidates = [trial for trial in trials if trial.epochs > 0 and options.x in trial.params and not trial.excluded]
    if len(candidates) <= CURVE_TRIALS:
        return candidates
    if not sweep.is_grid:
        best = [trial for trial in candidates if sweep.best is not None and trial.number == sweep.best.number]
        return [*{trial.number: trial for trial in (*best, *thinned(candidates, CURVE_TRIALS))}.values()]
    other_names = [name for name in varying(candidates) if name != options.x]
    settings: dict[str, list[TrialRow]] = {}
    for trial in candidates:
        settings.setdefault(params_text(trial.params, other_names), []).append(trial)
    drawn_settings = max(2, CURVE_TRIALS * len(settings) // len(candidates))
    return [trial for name in thinned(list(settings), drawn_settings) for trial in settings[name]]


def samples(trials: Sequence[TrialRow], epochs: Sequence[EpochMean], options: HeatmapOptions) -> list[Sample]:
    """Every configuration at each of its places. Trials without a hyperparameter of the axes have none."""
    if options.y == EPOCHS_AXIS:
        return _after_epochs(trials, epochs, options)
    placed_trials = trials_with_places(trials, options)
    return [*_ended(placed_trials, options), *_diverged(placed_trials, options)]


def trials_with_places(trials: Sequence[TrialRow], options: HeatmapOptions) -> list[TrialRow]:
    """Those that have the hyperparameters of both axes."""
    return [trial for trial in trials if options.x in trial.params and options.y in trial.params]


def _ended(trials: Sequence[TrialRow], options: HeatmapOptions) -> Iterable[Sample]:
    for item in configurations(finished(trials)):
        x, y = item.trial.params[options.x], item.trial.params[options.y]
        yield Sample(x, y, item.mean, item.std, len(item.runs), 0, item.trial)


def _diverged(trials: Sequence[TrialRow], options: HeatmapOptions) -> Iterable[Sample]:
    """Configurations of which runs diverged; with the mean of the others of all their trials, where there are any."""
    for first, *further in crossed_trials(trials):
        runs = {run.seed: run for trial in (first, *further) for run in trial.runs}.values()
        values = [run.value for run in runs if run.value is not None]
        mean, std = mean_and_std(values) if values else (None, None)
        diverged = sum(run.error is not None for run in runs)
        yield Sample(first.params[options.x], first.params[options.y], mean, std, len(values), diverged, first)


def crossed_trials(trials: Sequence[TrialRow]) -> list[list[TrialRow]]:
    """The trials of each configuration of which runs diverged, those that did among them."""
    groups: dict[str, list[TrialRow]] = {}
    for trial in trials:
        if not trial.excluded and (_is_diverged(trial) or (trial.without_mean and trial.state == "complete")):
            groups.setdefault(trial.configuration or f"trial {trial.number}", []).append(trial)
    return [group for group in groups.values() if any(map(_is_diverged, group))]


def _is_diverged(trial: TrialRow) -> bool:
    return trial.state == "failed" and any(run.error is not None for run in trial.runs)


def _after_epochs(trials: Sequence[TrialRow], epochs: Sequence[EpochMean], options: HeatmapOptions) -> list[Sample]:
    by_number = {trial.number: trial for trial in trials}
    by_place: dict[tuple[str, int], Sample] = {}
    for row in epochs:
        trial = by_number[row.trial]
        ended, figures = row.epoch if row.gap else 0, (row.mean, row.std, row.runs, row.diverged)
        sample = Sample(trial.params[options.x], row.drawn_epoch, *figures, trial, ended)
        place = trial.configuration or f"trial {trial.number}", row.drawn_epoch
        by_place[place] = pooled(by_place[place], sample) if place in by_place else sample
    return [*by_place.values()]


def pooled(first: Sample, second: Sample) -> Sample:
    """The runs of both, which differ in their seeds, as one sample."""
    diverged = first.diverged + second.diverged
    if first.mean is None or second.mean is None:
        return (first if second.mean is None else second)._replace(diverged=diverged, trial=first.trial)
    runs = first.runs + second.runs
    mean = (first.runs * first.mean + second.runs * second.mean) / runs
    squares = [
        (item.runs - 1) * (item.std or 0.0) ** 2 + item.runs * (item.mean - mean) ** 2
        for item in (first, second)
        if item.mean is not None
    ]
    return first._replace(mean=mean, std=math.sqrt(sum(squares) / (runs - 1)), runs=runs, diverged=diverged)
