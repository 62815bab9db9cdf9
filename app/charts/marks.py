"""Marks that mean the same in every chart: a star for the best configuration, hollow ones for pruned trials."""

from collections.abc import Sequence

from app.charts.axis import Place
from app.charts.rows import SweepRow
from app.charts.theme import BEST, INK, Trace, scatter
from app.domain.formatting import plural, score

_SYMBOLS = {"pruned": "circle-open", "excluded": "x-thin-open"}


def hollow_trace(state: str, points: Sequence[tuple[Place, float, str, int]], hover: str = "") -> Trace:
    """Pruned or excluded trials at their last values, compared with nothing: x, y, text and number of each.

    `hover` stands above the text; a text that says the value itself needs none.
    """
    head = hover and f"<b>{hover}</b><br>"
    return scatter(
        x=[x for x, *_ in points],
        y=[y for _, y, *_ in points],
        name=f"{state}, last value",
        mode="markers",
        marker={"size": 7, "symbol": _SYMBOLS[state], "color": INK, "line": {"width": 1.2, "color": INK}},
        opacity=0.7,
        text=[text for _, _, text, _ in points],
        customdata=[number for *_, number in points],
        hovertemplate=f"{head}%{{text}}<extra></extra>",
    )


def star_trace(name: str, x: Place, y: float, text: str, number: int) -> Trace:
    """The best configuration."""
    return scatter(
        x=[x],
        y=[y],
        name=name,
        mode="markers",
        marker={"size": 17, "symbol": "star-open", "color": BEST, "line": {"width": 2}},
        text=[text],
        customdata=[number],
        hovertemplate="%{text}<extra></extra>",
    )


def best_name(sweep: SweepRow) -> str:
    """`best configuration (6 runs)`."""
    return f"best configuration ({plural(sweep.best.runs, 'run')})" if sweep.best else ""


def best_head(sweep: SweepRow) -> str:
    """`best: trial 3, 0.8931 ± 0.0012, 6 runs`: what the star says, as headers do."""
    best = sweep.best
    if best is None:
        return ""
    value = score(best.value, best.std, sweep.objective.metric)
    return f"best: trial {best.number}, <b>{value}</b>, {plural(best.runs, 'run')}"


def hollow_note(pruned: int, excluded: int) -> str:
    """`hollow: 25 pruned, 2 excluded`, or nothing."""
    counts = {"pruned": pruned, "excluded": excluded}
    text = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"hollow: {text}" if text else ""


def excluded_note(sweep: SweepRow) -> str:
    """`2 excluded trials not shown`, or nothing."""
    return f"{plural(sweep.excluded_trials, 'excluded trial')} not shown" if sweep.excluded_trials else ""
