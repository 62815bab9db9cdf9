"""Whether what a process holds grows, and the picture of it."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from tests.support.machine.process_size import Size

Sizes = Sequence[tuple[float, str, Size]]
MEASURES = {"megabytes": "memory, MB", "files": "open files", "connections": "connections to Postgres"}
COLOURS = {"server": "#0072b2", "worker": "#d55e00"}
# what may come and go between two looks
TOLERANCES = {"megabytes": (1.2, 20.0), "files": (1.0, 8.0), "connections": (1.0, 4.0)}


def warm_and_end(sizes: Sizes, process: str, measure: str) -> tuple[float, float]:
    """The medians of the second and of the last fifth of the time; in the first fifth everything is loaded."""
    values = [float(getattr(size, measure)) for _, name, size in sizes if name == process]
    fifth = max(1, len(values) // 5)
    return median(values[fifth : 2 * fifth] or values), median(values[-fifth:])


def growths(sizes: Sizes) -> list[str]:
    """A sentence for each measure that has grown."""
    sentences = []
    for process, measure in product(COLOURS, MEASURES):
        warm, end = warm_and_end(sizes, process, measure)
        factor, surplus = TOLERANCES[measure]
        if end > factor * warm + surplus:
            sentences.append(f"the {process}'s {MEASURES[measure]} grew from {warm:.0f} to {end:.0f}")
    return sentences


def draw(sizes: Sizes, path: Path) -> None:
    """Each measure over time, of the server and of the worker that lives from the begin to the end."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    for axes, (measure, title) in zip(figure.subplots(len(MEASURES), 1, sharex=True), MEASURES.items(), strict=True):
        for process, colour in COLOURS.items():
            points = [(seconds / 60, getattr(size, measure)) for seconds, name, size in sizes if name == process]
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.2)
            axes.annotate(process, points[-1], (4, 0), textcoords="offset points", color=colour, va="center")
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("minutes")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
