"""The page of one sweep: how it stands, its charts, its trials and its search space."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app import queries, schemas
from app.charts.diagnostics import TEXTS, Measure
from app.charts.heatmap import EPOCHS_AXIS
from app.charts.importance import LEAST_TRIALS
from app.charts.looks import Look, look_of
from app.charts.options import curves_measures
from app.charts.rows import SweepRow
from app.charts.titles import MEASURES
from app.db import datasets
from app.domain import transitions
from app.domain.configuration import DEFAULTS, LAYER_WIDTHS
from app.domain.datasets import DatasetInfo
from app.domain.formatting import domain, look_text, plural, setting, split
from app.domain.sampling import SAMPLERS
from app.domain.space import Space, parse_space
from app.domain.space.domains import values
from app.domain.space.membership import contains
from app.domain.states import SweepState
from app.domain.tasks import TASKS, Task
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.sweeps import trial_actions
from app.web.dependencies import DatabaseSession, SweepId
from app.web.pages.labels import SWEEP_BUTTONS, Button, stop_sentence
from app.web.pages.lens.query import LensQuery
from app.web.pages.lens.toolbar import Toolbar, lens_toolbar
from app.web.pages.new_sweep.form import ADJUSTABLE
from app.web.pages.rendering import ChartPanel, PageLink, render
from app.web.pages.sweep.comparison import COMPARED, Comparison
from app.web.pages.sweep.known import Known, read_known
from app.web.pages.sweep.selection import Selection
from app.web.pages.sweep.sparklines import sparklines
from app.web.pages.sweep.summary import SweepSummary
from app.web.pages.sweep.tabs import Tab, tabs
from app.web.pages.sweep.trial_table import TRIALS_A_PAGE, TrialQuery, TrialTable

router = APIRouter(include_in_schema=False)

FRESH_SECONDS = 2.0  # for so long what is fetched again is the same for all

# They say more about another hyperparameter, which is off or of another kind in the book.
_DETAILS = {"hidden_layers", "init_std", "init_range", "init_gain", "init_slope", "lr_step_epochs", "lr_gamma"}

# What is drawn of a sweep that measures its networks.
DIAGNOSED: tuple[Measure, ...] = ("dead", "activations", "gradients", "classes", "outputs")


@dataclass(frozen=True)
class SpaceRow:
    """A hyperparameter of the search space."""

    name: str
    values: str
    conditions: Sequence[str]
    """Where it has a value: `where depth is 2 or 3`, `and optimizer is sgd`."""
    meaning: str


@dataclass(frozen=True)
class StateButton:
    """A button with a fixed place."""

    button: Button
    enabled: bool
    why_not: str


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
    row: SweepRow
    """The sweep as charts take it."""
    retryable: int = 0
    """Failed trials that may come out otherwise if they are trained again."""

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

    # what can be done

    @property
    def buttons(self) -> list[StateButton]:
        """Pause, stop and cancel, always at the same places; what its state does not allow is disabled."""
        allowed = transitions.SWEEPS.allowed(self.sweep.state, transitions.SWEEP_CALLS)
        first = "resume" if "resume" in allowed else "pause"
        if self.summary.ended and self.sweep.counts.cancelled:
            first, allowed = "continue", [*allowed, "continue"]
        return [
            StateButton(SWEEP_BUTTONS[call], call in allowed, f"It is {self.sweep.state}")
            for call in (first, "stop", "cancel")
        ]

    @property
    def dialogs(self) -> list[str]:
        """Those of the calls that ask before they do something: stop, cancel or neither."""
        return transitions.SWEEPS.allowed(self.sweep.state, ("stop", "cancel"))

    @property
    def why_not_extended(self) -> str:
        """Why it can't have further trials, or nothing."""
        if SAMPLERS[self.summary.sampler].enumerates:
            return "A grid is every cell once: duplicate it with another space"
        return "It is stopping" if self.sweep.state == SweepState.stopping else ""

    @property
    def why_not_longer(self) -> str:
        """Why its best configurations can't go on to more epochs, or nothing."""
        if self.task.is_timing:
            return "What is timed is not trained"
        if self.sweep.best is None:
            return "No trial is complete yet"
        return "It is stopping" if self.sweep.state == SweepState.stopping else ""

    @property
    def own_trial_fields(self) -> list[str]:
        """The hyperparameters that a trial of the user's own can choose; none where there can be no such trial."""
        return [] if self.why_not_extended else self.varied

    @property
    def longer_epochs(self) -> int:
        """Twice the epochs of the best configuration."""
        params = self.sweep.best.params if self.sweep.best else {}
        return min(2 * int(params.get("epochs", DEFAULTS["epochs"])), 10_000)

    @property
    def why_not_deleted(self) -> str:
        """Why it can't be deleted, or nothing."""
        is_training = self.sweep.state in {SweepState.running, SweepState.stopping}
        return "It is being trained: stop or cancel it first" if is_training else ""

    @property
    def can_retry(self) -> bool:
        """Whether failed trials can be trained again, with another outcome."""
        return bool(self.retryable) and self.sweep.state != SweepState.stopping

    @property
    def dropped(self) -> str:
        """What a stop or cancel would drop: `12 waiting trials are dropped`."""
        count = self.sweep.counts.waiting
        return f"{plural(count, 'waiting trial')} {'is' if count == 1 else 'are'} dropped" if count else "Nothing waits"

    @property
    def running_trials(self) -> str:
        """`4 running trials`."""
        return plural(self.sweep.counts.running, "running trial")

    @property
    def duplicate_address(self) -> str:
        """The form for a new sweep, filled with this one's body."""
        return f"/sweeps/new?like={self.sweep.id}"

    # how it stands

    @property
    def best_label(self) -> str:
        """`Best configuration (6 runs), validation accuracy`."""
        runs = f" ({plural(self.sweep.best.runs, 'run')})" if self.sweep.best else ""
        metric = self.task.metrics[self.sweep.objective.metric].title
        return f"Best configuration{runs}, {metric[:1].lower()}{metric[1:]}"

    @property
    def test_remark(self) -> str:
        """How often the test examples were looked at, and what was seen; nothing where they validate."""
        looks = self.sweep.test_scores
        if self.task.is_timing or self.sweep.split == "book" or (not looks and self.sweep.best is None):
            return ""
        if not looks:
            return "not looked at yet"
        if len(looks) == 1:
            return f"looked at once: trial {looks[0].number}"
        texts = [look_text(look.model_dump(), self.dataset.unit) for look in looks]
        scores_text = ", ".join(f"{text} (trial {look.number})" for text, look in zip(texts, looks, strict=True))
        return f"looked at {len(looks)} times: {scores_text}"

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

    def look(self, trial: schemas.TrialOut) -> Look:
        """How charts draw a trial that is told from others."""
        return look_of(self.row, trial.number, trial.params or {})

    @property
    def comparison_charts(self) -> list[ChartPanel]:
        """Their curves in one chart."""
        if self.comparison is None or self.task.is_timing:
            return []
        numbers = ",".join(str(trial.number) for trial in self.comparison.trials)
        panel = self._chart("curves", "Learning curves of the selected trials", wide=True, trials=numbers)
        return [replace(panel, id="curves-selected")]

    # charts

    @property
    def varied(self) -> list[str]:
        """The hyperparameters against which values can be drawn."""
        return list(self.space.free())

    @property
    def has_values(self) -> bool:
        """Whether a trial has ended with a value."""
        return bool(self.sweep.counts.complete or self.sweep.counts.pruned)

    @property
    def charts(self) -> list[ChartPanel]:
        """The charts that have something to show."""
        panels = []
        if self.has_values:
            panels.append(self._chart("effect", "Value against a hyperparameter", **self._effect_options(), wide=True))
        if self.sweep.best and self.sweep.pareto:
            panels.append(self._chart("pareto", "Pareto front of the objectives", wide=True))
        if self.has_values:
            panels.append(self._chart("history", "Best value by trial"))
        if self.sweep.epochs.done and not self.task.is_timing:
            panels.append(self._chart("curves", "Learning curves"))
        return panels

    @property
    def curves_charts(self) -> list[ChartPanel]:
        """The charts over epochs: both curves, and what the networks do where that is measured."""
        if not self.sweep.epochs.done or self.task.is_timing:
            return []
        panels = [
            replace(
                self._chart("curves", f"Learning curves, {MEASURES[measure]}", measure=measure), id=f"curves-{measure}"
            )
            for measure in curves_measures(self.dataset.target)
        ]
        if self.sweep.diagnostics:
            measures = [measure for measure in DIAGNOSED if measure != "classes" or self.dataset.target == "class"]
            panels += [self._diagnostics_chart(measure) for measure in measures]
            panels += [self._diagnostics_chart("bottleneck")] if _may_have_one_unit(self.space) else []
        return panels

    @property
    def timeline_charts(self) -> list[ChartPanel]:
        """The charts over time."""
        if not self.sweep.started_at:
            return []
        panels = [self._chart("timeline", "When trials were trained", wide=True)]
        return [*panels, self._chart("regret", "Best so far by time", wide=True)] if self.has_values else panels

    @property
    def further_charts(self) -> list[ChartPanel]:
        """The charts that are drawn only when they are asked for, those that have something to show."""
        if not self.has_values:
            return []
        x = self.query.x or next(iter(self.varied), "")
        second = next((name for name in (self.query.color, *self.varied) if name and name != x), "")
        y_names = (second,) if self.task.is_timing else dict.fromkeys((second, EPOCHS_AXIS))
        panels = [self._heatmap(x, y) for y in y_names if x and y and y != x]
        if len(self.varied) > 1 and self.sweep.counts.complete >= LEAST_TRIALS:
            panels.append(self._chart("importance", "What matters"))
        if len(self.varied) > 1:
            panels.append(self._chart("parallel_coordinates", "All hyperparameters side by side"))
            panels.append(self._chart("slice", "Each hyperparameter by itself", wide=True))
            panels.append(self._chart("contour", f"What is to be expected over {x} and {second}", x=x, y=second))
            panels.append(self._chart("rank", f"Ranks over {x} and {second}", x=x, y=second))
        return panels

    def _heatmap(self, x: str, y: str) -> ChartPanel:
        panel = self._chart("heatmap", f"Heat map of {x} and {y}", x=x, y=y)
        return replace(panel, id=f"heatmap-{y}")

    def _diagnostics_chart(self, measure: Measure) -> ChartPanel:
        panel = self._chart("diagnostics", TEXTS[measure].title, wide=True, measure=measure)
        return replace(panel, id=f"diagnostics-{measure}")

    def _chart(self, name: str, title: str, *, wide: bool = False, **options: str) -> ChartPanel:
        address = self.lens.through(f"/api/v1{self.link.path}/charts/{name}", name, options)
        return ChartPanel(name, address, title, wide, trials=self.link.path)

    @property
    def has_dependence(self) -> bool:
        """Whether a forest can say what a hyperparameter does: others vary too, as a sampler chose."""
        return len(self.varied) > 1 and not SAMPLERS[self.summary.sampler].enumerates

    def _effect_options(self) -> dict[str, str]:
        """What the chart of one hyperparameter's effect is asked for: by default the first that varies."""
        options = {"x": self.query.x or next(iter(self.varied), ""), "color": self.query.color}
        options["dependence"] = self.query.dependence if self.has_dependence else ""
        return {name: value for name, value in options.items() if value}

    # search space

    @property
    def space_rows(self) -> list[SpaceRow]:
        """The hyperparameters that the sweep names."""
        return [
            SpaceRow(name, domain(values), _conditions(self.space, name), self.task.hyperparameters[name].meaning)
            for name, values in self.space.domains.items()
        ]

    @property
    def book_settings(self) -> dict[str, object]:
        """The hyperparameters that do something here and that the sweep does not name; 0 or false is off."""
        unused = {*_DETAILS, *self.sweep.space}
        if "hidden_layers" in self.sweep.space:
            unused |= {"hidden_units", "depth"}
        parameters = self.task.hyperparameters if self.task.is_timing else ADJUSTABLE
        return {
            name: parameter.default
            for name, parameter in parameters.items()
            if name not in unused and parameter.default
        }

    @property
    def setup(self) -> str:
        """What is done: on which data it trains, or what it times."""
        if not self.task.is_timing:
            return self.sweep.dataset
        return f"{self.task.name}, {self.sweep.dataset}" if self.task.takes_data else self.task.name

    @property
    def fairness(self) -> str:
        """What the values can be trusted for: which examples chose, or under which circumstances it was timed."""
        if not self.task.is_timing:
            return split(self.sweep.split, self.dataset)
        return (
            "Each trial is timed alone: no other worker of its machine trains meanwhile, but whatever else runs there "
            "does. What is known of the machine is in each trial's row."
        )

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
    """A sweep with its charts and trials; who has it open fetches it anew with each change, all at the same moment."""

    def whole_page() -> Response:
        return _page(request, sweep_id, session, query, lens_query)

    if "hx-request" not in request.headers:
        return whole_page()
    revision, caller = sweep_row.get(session, sweep_id).revision, request.state.caller
    moment = int(time.monotonic() / FRESH_SECONDS)  # times go on, and workers come and go, without another revision
    key = (sweep_id, revision, moment, caller.name, caller.role, caller.has_session, str(request.query_params))
    return HTMLResponse(request.app.state.page_cache.get_or_make(key, lambda: bytes(whole_page().body).decode()))


def _page(request: Request, sweep_id: int, session: Session, query: TrialQuery, lens_query: LensQuery) -> Response:
    sweep = queries.summary(session, sweep_id)
    summary, space = SweepSummary(sweep), parse_space(sweep.space, sweep.task)
    lens = lens_toolbar(session, sweep, space, lens_query)
    knowledge = read_known(request, session, sweep, space)
    view = SweepView(
        summary=summary,
        trials=_table(request, session, lens, query),
        space=space,
        dataset=datasets.get(session, sweep.dataset),
        lens=lens,
        knowledge=knowledge,
        selection=_selection(session, sweep, query),
        no_worker=not summary.ended and not knowledge.workers,
        row=chart_rows.chart_sweep(sweep_row.get(session, sweep_id)),
        retryable=trial_actions.count_retryable(session, sweep_id) if sweep.counts.failed else 0,
    )
    return render(request, "sweep/detail.html", view)


def _table(request: Request, session: Session, lens: Toolbar, query: TrialQuery) -> TrialTable:
    """The page of trials in sight that the query string asks for, with their curves."""
    sweep = lens.sweep
    order_by = query.order(sweep.objective.direction)
    page = lens.trials(session, order_by=order_by, limit=TRIALS_A_PAGE, skip=query.skip)
    parts = {name: str(value) for name, value in asdict(query).items() if name != "after"}
    link = PageLink(request.url.path, parts | lens.query)
    curves = {}
    if not TASKS[sweep.task].is_timing:
        numbers = [trial.number for trial in page.items]
        curves = sparklines(chart_rows.epoch_means(session, sweep_row.get(session, sweep.id), numbers))
    return TrialTable(sweep, page, list(lens.space.free()), query, link, curves)


def _selection(session: Session, sweep: schemas.SweepOut, query: TrialQuery) -> Selection:
    """The trials that the query string names."""
    numbers = query.selected_numbers
    first_seeds = sweep.seeds.first if isinstance(sweep.seeds, schemas.SurvivorSeeds) else sweep.seeds
    return Selection(queries.trials_of_numbers(session, sweep.id, numbers) if numbers else [], first_seeds)


def _may_have_one_unit(space: Space) -> bool:
    """Whether some network of the space has a hidden layer of one unit."""
    widths = (space.domains.get(name) for name in ("hidden_units", *LAYER_WIDTHS))
    layers = space.domains.get("hidden_layers")
    in_layers = layers is not None and any(1 in choice for choice in values(layers))
    return in_layers or any(width is not None and contains(width, 1) for width in widths)


def _conditions(space: Space, name: str) -> list[str]:
    conditions = space.conditions.get(name, {}).items()
    words = ("where", *["and"] * len(conditions))
    return [
        f"{word} {parent} is {' or '.join(map(setting, values))}"
        for word, (parent, values) in zip(words, conditions, strict=False)
    ]
