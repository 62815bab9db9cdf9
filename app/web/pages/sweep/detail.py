"""The page of one sweep: how it stands, its charts, its trials and its search space."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from app import queries, schemas
from app.charts.titles import OWN_BEST
from app.db import datasets
from app.domain.datasets import DatasetInfo
from app.domain.formatting import look_text, plural
from app.domain.space import Space, parse_space
from app.domain.tasks import TASKS, Task
from app.lifecycle import sweep_row
from app.queries.lens.curves import epoch_means
from app.queries.totals import count_trials
from app.sweeps import trial_actions
from app.web.dependencies import DatabaseSession, SweepId
from app.web.pages.labels import stop_sentence
from app.web.pages.lens.query import LensQuery
from app.web.pages.lens.toolbar import Toolbar, lens_toolbar
from app.web.pages.rendering import PageLink, render
from app.web.pages.setup.search_space import SpaceRow, book_settings, space_rows
from app.web.pages.sweep.actions import SweepActions
from app.web.pages.sweep.charts import SweepCharts
from app.web.pages.sweep.comparison import COMPARED, Comparison
from app.web.pages.sweep.known import Known, read_known
from app.web.pages.sweep.selection import Selection
from app.web.pages.sweep.sparklines import sparklines
from app.web.pages.sweep.summary import SweepSummary
from app.web.pages.sweep.tabs import Tab, tabs
from app.web.pages.sweep.trial_table import TRIALS_A_PAGE, TrialQuery, TrialTable

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class SweepView:
    """A sweep as it stands, with the part of its trials that the query string asks for."""

    summary: SweepSummary
    trials: TrialTable
    space: Space
    dataset: DatasetInfo
    knowledge: Known
    lens: Toolbar
    """What of the trials charts and table show."""
    selection: Selection
    no_worker: bool
    """Whether something waits and nobody is there to train it."""
    actions: SweepActions

    @property
    def sweep(self) -> schemas.SweepOut:
        """The sweep's fields."""
        return self.summary.sweep

    @property
    def task(self) -> Task:
        """What its trials measure."""
        return self.summary.task

    @property
    def query(self) -> TrialQuery:
        """What the query string says."""
        return self.trials.query

    @property
    def link(self) -> PageLink:
        """The page, from its first trial."""
        return self.trials.link

    @property
    def address(self) -> str:
        """The page as it is."""
        return self.link.to(after=self.query.skip or "")

    @property
    def query_string(self) -> str:
        """The page's address behind its path, to come back to."""
        return self.address.removeprefix(self.link.path)

    @property
    def events(self) -> str:
        """Where the browser hears of changes."""
        return f"/api/v1{self.link.path}/events"

    @property
    def export_path(self) -> str:
        """Where the files are, without their endings."""
        return f"/api/v1{self.link.path}/export"

    @property
    def own_trial_fields(self) -> list[str]:
        """The hyperparameters that a trial of the user's own can choose; none where there can be no such trial."""
        return [] if self.actions.why_not_extended else self.charts.varied

    # how it stands

    @property
    def best_label(self) -> str:
        """`Best configuration (6 runs), validation accuracy`."""
        runs = f" ({plural(self.sweep.best.runs, 'run')})" if self.sweep.best else ""
        return f"Best configuration{runs}, {self.summary.measure}"

    @property
    def test_remark(self) -> str:
        """How often the test examples were looked at, and what was seen; nothing where they validate."""
        looks = self.sweep.test_scores
        if self.task.is_timing or self.sweep.split == "book" or (not looks and self.sweep.best is None):
            return ""
        if not looks:
            return f"the test {self.dataset.noun} were not looked at yet"
        if len(looks) == 1:
            return f"the test {self.dataset.noun} were looked at once, for trial {looks[0].number}"
        texts = [look_text(look.model_dump(), self.dataset.unit) for look in looks]
        scores_text = ", ".join(f"{text} (trial {look.number})" for text, look in zip(texts, looks, strict=True))
        return f"the test {self.dataset.noun} were looked at {len(looks)} times: {scores_text}"

    @property
    def best_address(self) -> str:
        """The page with the panel of the best trial."""
        if self.sweep.best is None:
            return self.address
        return self.link.to(trial=self.sweep.best.number)

    @property
    def failed_address(self) -> str:
        """The page with the failed trials."""
        return f"{self.link.to(state='failed')}#trials"

    @property
    def procedure(self) -> str:
        """`tpe, 3 seeds per trial, pruner median`, `tpe, 1 seed per trial, 3 for survivors`; a timing has repeats."""
        pruner = f", pruner {self.summary.pruner.replace('_', ' ')}" if self.summary.pruner else ""
        seeds = self.sweep.seeds
        if isinstance(seeds, schemas.SurvivorSeeds):
            runs = f"{plural(seeds.first, 'seed')} per trial, {seeds.survivors} for survivors"
        else:
            runs = f"{plural(seeds, self.task.run_noun)} per trial"
        return f"{self.summary.sampler}, {runs}{pruner}"

    @property
    def stop_reason(self) -> str:
        """Which rule has stopped it, or nothing."""
        return stop_sentence(self.sweep.stop_reason, self.sweep.stop.seconds if self.sweep.stop else None)

    # its parts

    @property
    def tabs(self) -> list[Tab]:
        """The tabs, with the one that is shown."""
        return tabs(self.link, self.query.tab, {"compare": len(self.selection.trials)})

    @property
    def comparison(self) -> Comparison | None:
        """The selected trials side by side, where there are two or more."""
        trials = self.selection.trials
        if len(trials) < 2:
            return None
        return Comparison(trials[:COMPARED], self.sweep.objective, max(0, len(trials) - COMPARED))

    @property
    def charts(self) -> SweepCharts:
        """Its charts."""
        return SweepCharts(self.summary, self.space, self.dataset, self.lens, self.query)

    # search space

    @property
    def space_rows(self) -> list[SpaceRow]:
        """The hyperparameters that the sweep names."""
        return space_rows(self.space, self.task)

    @property
    def book_settings(self) -> Mapping[str, object]:
        """Those that do something here and that the sweep does not name."""
        return book_settings(self.space, self.task)

    @property
    def environment(self) -> list[str]:
        """Versions and devices that trained it, and the seed: `torch 2.9`, `devices cpu`, `seed 0`."""
        facts: Mapping[str, object] = self.sweep.environment
        texts = [f"{name} {', '.join(fact) if isinstance(fact, list) else fact}" for name, fact in facts.items()]
        return [*texts, f"seed {self.sweep.seed}"] if texts else []


@router.get("/sweeps/{sweep_id}")
def show_sweep(
    request: Request,
    sweep_id: SweepId,
    session: DatabaseSession,
    query: Annotated[TrialQuery, Depends()],
    lens_query: Annotated[LensQuery, Depends()],
) -> Response:
    """A sweep with its charts and trials; through a lens one of a large sweep at a time, as charts are drawn."""
    row = sweep_row.get(session, sweep_id)  # read once, as long as it is held here
    request.state.revision = row.revision  # for those who have the page open
    trials_read = count_trials(session, [sweep_id]) if lens_query.reads_all(lens_query.lens(row)) else 0
    with request.app.state.drawings.one_of(trials_read):
        return _page(request, session, sweep_id, query, lens_query)


def _page(request: Request, session: Session, sweep_id: int, query: TrialQuery, lens_query: LensQuery) -> Response:
    sweep = queries.summary(session, sweep_id)
    dataset, space = datasets.get(session, sweep.dataset), parse_space(sweep.space, sweep.task)
    summary = SweepSummary(sweep, dataset.unit)
    lens = lens_toolbar(session, sweep, space, lens_query)
    knowledge = read_known(request, session, sweep, space)
    view = SweepView(
        summary=summary,
        trials=_table(request, session, lens, query, dataset),
        space=space,
        dataset=dataset,
        lens=lens,
        knowledge=knowledge,
        selection=_selection(session, sweep, query),
        no_worker=not summary.ended and not knowledge.workers,
        actions=SweepActions(summary, trial_actions.count_retryable(session, sweep_id) if sweep.counts.failed else 0),
    )
    return render(request, "sweep/detail.html", view)


def _table(request: Request, session: Session, lens: Toolbar, query: TrialQuery, dataset: DatasetInfo) -> TrialTable:
    """The page of trials in sight that the query string asks for, with their curves."""
    sweep = lens.seen_sweep
    order_by = query.order(sweep.objective.direction)
    page = lens.trials(session, order_by=order_by, limit=TRIALS_A_PAGE, skip=query.skip)
    parts = {name: str(value) for name, value in asdict(query).items() if name != "after"}
    link = PageLink(request.url.path, parts | lens.query)
    curves = {}
    if not TASKS[sweep.task].is_timing:
        numbers = [trial.number for trial in page.items]
        curves = sparklines(epoch_means(session, sweep_row.get(session, sweep.id), numbers))
    note = OWN_BEST if lens.lens.metric.kind == "best" else ""
    return TrialTable(sweep, page, dataset.target, list(lens.space.free()), query, link, curves, note)


def _selection(session: Session, sweep: schemas.SweepOut, query: TrialQuery) -> Selection:
    """The trials that the query string names."""
    numbers = query.selected_numbers
    first_seeds = sweep.seeds.first if isinstance(sweep.seeds, schemas.SurvivorSeeds) else sweep.seeds
    return Selection(queries.trials_of_numbers(session, sweep.id, numbers) if numbers else [], first_seeds)
