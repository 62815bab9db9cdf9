"""Several sweeps side by side: what differs in their setup, and how good and how soon each was."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.charts.titles import value_name
from app.domain.formatting import score, setting
from app.domain.tasks import TASKS
from app.schemas import SweepOut
from app.schemas.comparisons import BestGap, Comparison, SetupRow
from app.sweeps.comparison import compare
from app.web.api.comparisons import ComparedIds
from app.web.dependencies import DatabaseSession
from app.web.pages.rendering import ChartPanel, render

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class CompareView:
    """The sweeps, in the order in which the address names them."""

    comparison: Comparison
    shows_all: bool
    """Also the rows of the setup in which they agree."""
    events: str = "/api/v1/events"

    @property
    def sweeps(self) -> Sequence[SweepOut]:
        """A column each."""
        return self.comparison.sweeps

    @property
    def address(self) -> str:
        """The page as it is."""
        return self._address([sweep.id for sweep in self.sweeps], shows_all=self.shows_all)

    @property
    def switched_address(self) -> str:
        """The page with all rows of the setup, or with differences alone."""
        return self._address([sweep.id for sweep in self.sweeps], shows_all=not self.shows_all)

    def without(self, sweep: SweepOut) -> str:
        """The page of the others; nothing where a comparison needs this one too."""
        ids = [entry.id for entry in self.sweeps if entry.id != sweep.id]
        return self._address(ids, shows_all=self.shows_all) if len(ids) > 1 else ""

    @property
    def setup(self) -> list[SetupRow]:
        """The rows that are shown."""
        return [row for row in self.comparison.setup if row.differs or self.shows_all]

    @property
    def equal_count(self) -> int:
        """Rows in which they agree."""
        return sum(not row.differs for row in self.comparison.setup)

    @property
    def metric(self) -> str:
        """What all values are, or nothing where they are not the same thing."""
        return "" if self.comparison.not_comparable else value_name(self.sweeps[0].objective.metric).lower()

    @property
    def parameters(self) -> list[SetupRow]:
        """The hyperparameters of the best configurations; those in which they agree only on demand."""
        names = dict.fromkeys(name for sweep in self.sweeps if sweep.best for name in sweep.best.params)
        rows = [(name, [_parameter(sweep, name) for sweep in self.sweeps]) for name in names]
        all_rows = [SetupRow(field=name, values=values, differs=len(set(values)) > 1) for name, values in rows]
        return [row for row in all_rows if row.differs or self.shows_all]

    def gap(self, sweep: SweepOut) -> str:
        """`best`, or `0.0102 behind, standard error 0.0031`; nothing where values can't be compared."""
        gap = next((entry for entry in self.comparison.gaps if entry.sweep == sweep.id), None)
        return _gap_text(gap, sweep.objective.metric) if gap else ""

    @property
    def revision(self) -> str:
        """Changes with each of the sweeps."""
        return "-".join(str(sweep.revision) for sweep in self.sweeps)

    @property
    def charts(self) -> list[ChartPanel]:
        """The progress of all, and how good their configurations are, where these can be compared."""
        if self.comparison.not_comparable or not any(sweep.best for sweep in self.sweeps):
            return []
        ids = ",".join(str(sweep.id) for sweep in self.sweeps)
        path = f"/api/v1/compare/charts/regret?sweeps={ids}"
        progress = [ChartPanel(f"progress-{x}", f"{path}&x={x}", f"Best value by {x}") for x in ("seconds", "epochs")]
        edf = ChartPanel("edf", f"/api/v1/compare/charts/edf?sweeps={ids}", "How many are how good", full_width=True)
        return [*progress, edf]

    def _address(self, ids: Sequence[int], *, shows_all: bool) -> str:
        return f"/compare?sweeps={','.join(map(str, ids))}{'&all=true' if shows_all else ''}"


@router.get("/compare")
def show_comparison(request: Request, session: DatabaseSession, ids: ComparedIds, all: bool = False) -> Response:
    """The sweeps side by side; `all` shows also what they agree in."""
    return render(request, "compare/page.html", CompareView(compare(session, ids), shows_all=all))


def _parameter(sweep: SweepOut, name: str) -> str:
    """What the best configuration has; the usual value where the space leaves it out, a dash where it is not active."""
    if sweep.best is None:
        return "–"
    usual = TASKS[sweep.task].hyperparameters[name].default if name not in sweep.space else None
    value = sweep.best.params.get(name, usual)
    return "–" if value is None else setting(value)


def _gap_text(gap: BestGap, metric: str) -> str:
    if gap.behind == 0:
        return "best of these"
    behind = f"{score(gap.behind, metric=metric)} behind"
    if gap.standard_error is None:
        return f"{behind}, by how much luck is not known"
    return f"{behind}, standard error {score(gap.standard_error, metric=metric)}"
