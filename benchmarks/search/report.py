"""The tables of `python -m benchmarks.search`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.report import table
from benchmarks.search.problems import ARMS, Problem
from benchmarks.search.trace import Trace


def as_dict(command: str, facts: Mapping[str, str], traces: Sequence[Trace]) -> dict[str, Any]:
    """For `--json`: all that was measured."""
    return {"command": command, "facts": dict(facts), "traces": [asdict(trace) for trace in traces]}


def markdown(facts: Mapping[str, str], problems: Mapping[str, Problem], traces: Sequence[Trace]) -> str:
    """A table of each problem below the facts."""
    parts = [table(["", ""], list(facts.items()))]
    for name, problem in problems.items():
        parts.append(f"**{name}: {problem.title}.** Medians; in brackets how many times as soon as the plain script:")
        parts.append(_problem_table(problem, [trace for trace in traces if trace.problem == name]))
    return "\n\n".join(parts)


def _problem_table(problem: Problem, traces: Sequence[Trace]) -> str:
    by_arm = {arm: [trace for trace in traces if trace.arm == arm] for arm in ARMS}
    plain = by_arm["plain"]
    rows = [
        [
            ARMS[arm],
            *[_times(target, of_arm, () if arm == "plain" else plain) for target in problem.targets],
            f"{median(trace.configurations for trace in of_arm):.0f}",
            f"{median(trace.epochs for trace in of_arm):,.0f}",
            f"{median(trace.best for trace in of_arm):.4f}",
            f"{median(trace.seconds for trace in of_arm):.0f}",
        ]
        for arm, of_arm in by_arm.items()
        if of_arm
    ]
    targets = [f"s to {target:g}" for target in problem.targets]
    return table(["", *targets, "configurations", "epochs", "lowest error", "of s"], rows)


def _times(target: float, traces: Sequence[Trace], plain: Sequence[Trace]) -> str:
    """The median second at which the target was reached, never where most searches did not reach it."""
    seconds = [trace.seconds_to(target) for trace in traces]
    reached = sum(map(math.isfinite, seconds))
    middle = _median(seconds)
    words = "never" if math.isinf(middle) else f"{middle:.0f}" if middle >= 10 else f"{middle:.1f}"
    if reached < len(seconds):
        words += f", {reached} of {len(seconds)}"
    plain_middle = _median([trace.seconds_to(target) for trace in plain]) if plain else math.inf
    return words if math.isinf(middle) or math.isinf(plain_middle) else f"{words} ({plain_middle / middle:.1f})"


def _median(seconds: Sequence[float]) -> float:
    """The median of times of which some are infinite: the later one of the two in the middle."""
    return sorted(seconds)[len(seconds) // 2]
