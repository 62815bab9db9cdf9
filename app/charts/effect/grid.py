"""A full grid: a line for each setting of the other hyperparameters, and their mean."""

from collections import Counter
from collections.abc import Mapping, Sequence

from app.charts.axis import Place
from app.charts.configurations import Configuration, mean_and_std
from app.charts.effect.parts import Drawing, Group, Level, Line
from app.charts.labels import params_text
from app.charts.select import quota, thinned
from app.charts.titles import drawn_note
from app.domain.formatting import plural

LINES = 100  # drawn
POINTS = 2_000  # on all lines


def grid_groups(drawing: Drawing, members: Mapping[str, Sequence[Configuration]]) -> tuple[list[Group], list[str]]:
    """Lines by colour with the mean over settings, and notes of what is not drawn."""
    settings = {hue: _by_setting(drawing, group) for hue, group in members.items()}
    total = sum(map(len, settings.values()))
    compared = _compared_places(drawing, [items for lines in settings.values() for items in lines.values()])
    means = {hue: _mean_levels(drawing, compared, lines) for hue, lines in settings.items()}
    drawn_names = {hue: thinned(list(lines), quota(len(lines), total, LINES)) for hue, lines in settings.items()}
    points = max(2, POINTS // max(1, sum(map(len, drawn_names.values()))))  # of each line
    groups = [
        Group(
            hue,
            (),
            [
                Line(name, list(map(drawing.configuration_point, thinned(settings[hue][name], points))))
                for name in drawn_names[hue]
            ],
            means[hue],
        )
        for hue in members
    ]
    drawn_points = sum(len(line.points) for group in groups for line in group.lines)
    averaged = sum(levels[0].n for levels in means.values() if levels)
    left_out = f"{plural(total - averaged, 'setting')} with gaps not in the mean"
    return groups, [
        drawn_note(drawn_points, sum(map(len, members.values())), "configurations"),
        left_out if 0 < averaged < total else "",
    ]


def _by_setting(drawing: Drawing, items: Sequence[Configuration]) -> dict[str, list[Configuration]]:
    """The configurations of each setting of the others, along x."""
    other_names = [name for name in drawing.names if name != drawing.options.x]
    order = {place: index for index, place in enumerate(drawing.axis.places)}
    lines: dict[str, list[Configuration]] = {}
    for item in sorted(items, key=lambda item: order[drawing.place(item.trial)]):
        lines.setdefault(params_text(item.trial.params, other_names), []).append(item)
    return lines


def _compared_places(drawing: Drawing, lines: Sequence[Sequence[Configuration]]) -> list[Place]:
    """The values of x at which at least half of the settings have a value."""
    counts = Counter(drawing.place(item.trial) for items in lines for item in items)
    return [place for place in drawing.axis.places if 2 * counts[place] >= len(lines) and counts[place]]


def _mean_levels(
    drawing: Drawing, compared: Sequence[Place], lines: Mapping[str, Sequence[Configuration]]
) -> list[Level]:
    """The means over the settings that have a value at all compared x: with others they would show who is in them.

    They have no bars: those would show the settings, not the seeds.
    """
    means = [{drawing.place(item.trial): item.mean for item in items} for items in lines.values()]
    whole = [line for line in means if line.keys() >= set(compared)]
    if len(whole) < 2:
        return []
    return [Level(x, mean_and_std([line[x] for line in whole])[0], None, len(whole)) for x in compared]
