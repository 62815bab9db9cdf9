"""A finding: one thing that the rows show, as figures, and the sentence that is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Interval = tuple[float, float]

MAIN_FINDINGS = 3  # of an answer, that are read at once


@dataclass(frozen=True)
class Finding:
    """An estimate with its interval and what it rests on."""

    name: str
    """What programs call it, e.g. `best`."""
    text: str
    """The sentence for people."""
    estimate: float | None = None
    """None where nothing can be said yet."""
    interval: Interval | None = None
    """Of 95 % confidence; None where one value says nothing of the spread."""
    n: int = 0
    """The runs, or pairs of runs, that it rests on."""
    unit: str = ""
    """Of estimate and interval: `accuracy`, `s`, `GFLOP/s`, `runs`; empty for a plain number."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The hyperparameters that it is about."""


@dataclass(frozen=True)
class Answer:
    """What the data of a run says so far."""

    sentence: str
    """Answers the question."""
    findings: Sequence[Finding] = ()
    """The most telling first: pages show some and fold away the others."""
    certainty: str = ""
    """How sure this is."""
    caveats: Sequence[str] = ()
    """What was not tested, first, and what could go wrong, a sentence or two each."""
    header: Sequence[str] = ()
    """The columns of a table of formatted text."""
    rows: Sequence[Sequence[str]] = ()
    """The rows of that table."""
    best_row: int | None = None
    """The index of the row that is the best."""
    progress: str = ""
    """How much has ended, while something has not."""
    final: bool = False
    """False while trials are still to come."""

    @property
    def text(self) -> str:
        """All of it in paragraphs, divided by empty lines."""
        findings = [finding.text for finding in self.findings]
        return "\n\n".join(filter(None, [self.progress, self.sentence, *findings, self.certainty, *self.caveats]))

    @property
    def main_findings(self) -> Sequence[Finding]:
        """Those that are read at once."""
        return self.findings[:MAIN_FINDINGS]

    @property
    def further_findings(self) -> Sequence[Finding]:
        """Those that are folded away."""
        return self.findings[MAIN_FINDINGS:]

    @property
    def figures(self) -> dict[str, float | None]:
        """The findings' estimates by name."""
        return {finding.name: finding.estimate for finding in self.findings}
