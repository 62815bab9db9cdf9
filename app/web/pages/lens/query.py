"""What the query string of a page says of its lens."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy.orm import Session

from app.charts.lens import Lens, parse_lens
from app.db.tables import Sweep
from app.domain.states import TrialState
from app.queries.chart_rows import chart_sweep
from app.queries.lens.trials import TrialsInSight, trials_in_sight


@dataclass(frozen=True)
class LensQuery:
    """The parameters of the lens, as charts have them, and whether excluded trials are marked."""

    objective: str = ""
    metric: str = ""
    state: str = ""
    top: str = ""
    where: str = ""
    robust: str = ""
    excluded: Literal["", "hidden"] = ""

    def lens(self, sweep: Sweep) -> Lens:
        """The lens. Raises InvalidError, which says what would be right."""
        parts: Mapping[str, str] = {name: text for name, text in asdict(self).items() if text and name != "excluded"}
        return parse_lens(chart_sweep(sweep), parts)

    def reads_all(self, lens: Lens) -> bool:
        """Whether all trials are read to tell which are in sight, and their values.

        Infeasible draws are in no chart: only their table is shown.
        """
        return (lens.chooses or not lens.is_of_own_values) and lens.states != (TrialState.infeasible,)

    def in_sight(self, session: Session, sweep: Sweep, lens: Lens) -> TrialsInSight | None:
        """The trials in sight; None where these are all of them, with their own values: nothing is read for that."""
        return trials_in_sight(session, sweep, lens) if self.reads_all(lens) else None
