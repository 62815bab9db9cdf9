"""What counts as the value of a run: its last epoch, its best one, the mean of its last ones, or a certain one."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from app.charts.options import refuse

Kind = Literal["last", "best", "mean_last", "at_epoch"]

_METRIC = re.compile(r"(last|best)|(mean_last|at_epoch)=([1-9][0-9]{0,4})")


@dataclass(frozen=True)
class MetricLens:
    """What counts as the value of a run."""

    kind: Kind = "last"
    number: int = 0
    """Of epochs, or of the epoch."""

    @property
    def text(self) -> str:
        """As a query string has it: `last`, `at_epoch=5`."""
        return f"{self.kind}={self.number}" if self.number else self.kind

    @property
    def note(self) -> str:
        """What charts say of it."""
        notes = {
            "last": "",
            "best": "value of a run: its best epoch, which is a little too good",
            "mean_last": f"value of a run: the mean of its last {self.number} epochs",
            "at_epoch": f"value of a run: after epoch {self.number}",
        }
        return notes[self.kind]


LAST = MetricLens()


def parse_metric(text: str) -> MetricLens:
    """The metric of a query string. Raises InvalidError."""
    match = _METRIC.fullmatch(text)
    if match is None:
        refuse("metric", f"must be last, best, mean_last=k or at_epoch=n with a whole number, not {text!r}")
    simple, counted, count = match.groups()
    return MetricLens(cast(Kind, simple or counted), int(count or 0))
