"""Reports of a sweep's checks for CI: JUnit's XML, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from app.domain.formatting import duration, score, setting
from app.terminal.requirements import Check

if TYPE_CHECKING:
    from perceptune import SweepOut


def junit(sweep: SweepOut, checks: Sequence[Check]) -> str:
    """A test suite with a test case for each check."""
    failures = sum(not check.passed for check in checks)
    suite = ElementTree.Element(
        "testsuite",
        name=f"sweep {sweep.id}: {_printable(sweep.name)}",
        tests=str(len(checks)),
        failures=str(failures),
        errors="0",
        time=f"{sweep.took_seconds or 0:.3f}",
    )
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", classname=f"perceptune.sweep-{sweep.id}", name=check.text)
        if not check.passed:
            ElementTree.SubElement(case, "failure", message=check.detail)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def markdown(sweep: SweepOut, checks: Sequence[Check]) -> str:
    """The checks and the best configuration as tables."""
    lines = [f"## Sweep {sweep.id}: {_cell(sweep.name)}", "", "| check | | |", "|---|---|---|"]
    lines += [f"| {check.text} | {'✅' if check.passed else '❌'} | {check.detail} |" for check in checks]
    took = "" if sweep.took_seconds is None else f" in {duration(sweep.took_seconds)}"
    lines += ["", f"{sweep.counts.complete} of {sweep.n_trials} trials are complete{took}."]
    if sweep.best is not None:
        value = score(sweep.best.value, sweep.best.std, str(sweep.objective.metric))
        lines += ["", f"Best: trial {sweep.best.number} with {sweep.objective.metric} {value}", ""]
        lines += ["| hyperparameter | value |", "|---|---|"]
        lines += [f"| {name} | {_cell(setting(param))} |" for name, param in sweep.best.params.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """The text in one cell or heading."""
    return " ".join(_printable(text).split()).replace("|", "\\|")


def _printable(text: str) -> str:
    """The text without what XML can't hold."""
    return "".join(character if character.isprintable() else " " for character in text)
