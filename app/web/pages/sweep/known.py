"""What is known of a sweep so far, in sentences: each follows from its rows and says of how many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app import queries, schemas
from app.charts.importance import LEAST_CONFIGURATIONS, ImportanceData, ImportanceOptions, Share, importance_data
from app.charts.lens import Lens
from app.charts.titles import value_name, within
from app.db.tables import Sweep
from app.domain.comparisons.near_best import near_best
from app.domain.comparisons.paired_differences import student_quantile
from app.domain.formatting import plural, setting
from app.domain.sampling import SAMPLERS
from app.domain.space import Space, parse_space
from app.domain.space.edges import Edge, edges, widened
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.lifecycle.failures import most_common_error
from app.queries import chart_rows
from app.queries.leading_configurations import LeadingConfiguration, failed_errors, leading_configurations
from app.queries.lens.trial_metrics import through_metric
from app.queries.objective_values import FrontTrial, front_trials
from app.queries.totals import count_trials
from app.queue.workers import live_workers
from app.web.dependencies import DatabaseSession, SweepId
from app.web.pages.sweep.copies import Copy, copies
from app.web.pages.sweep.summary import SweepSummary, objective_texts
from app.web.security.drawings import DRAWING_PLACE
from app.web.templating import templates

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}")

LEADERS = 21  # configurations: the best, and those that are compared with it
NAMED = 4  # of them, before the others are counted
FRONT_NAMED = 8  # trials on the Pareto front, before the others are counted
CONFIRMED = 5  # configurations, and further seeds of each
LEAST_FOR_EDGES = 8  # complete trials
MATTERING = 5  # hyperparameters that are named
CERTAINTY = 0.99  # with which the best's own runs must speak against what is expected of it, before that is left out
TRUSTED = 0.2  # of the variance of unseen trials, below which a forest's shares say nothing


def read_known(request: Request, session: Session, sweep: schemas.SweepOut, space: Space) -> "Known":
    """What is known of the sweep now."""
    return Known(
        sweep=sweep,
        space=space,
        leaders=leading_configurations(session, sweep.id, LEADERS) if sweep.best else (),
        front=front_trials(session, sweep.id, sweep.pareto) if sweep.pareto else (),
        errors=failed_errors(session, sweep.id) if sweep.counts.failed else (),
        workers=live_workers(session),
        importance_address=_importance_address(sweep),
        address=str(request.base_url).rstrip("/"),
    )


def _importance_address(sweep: schemas.SweepOut) -> str:
    """Another one at another age, so that a page asks again."""
    return "" if sweep.counts.complete < LEAST_CONFIGURATIONS else f"/sweeps/{sweep.id}/what-matters?age={_age(sweep)}"


def _age(sweep: schemas.SweepOut) -> int:
    """A forest takes a while: while a sweep runs it is grown again for every tenth more of trials."""
    return sweep.revision if sweep.finished_at else int(math.log(max(sweep.counts.complete, 1), 1.1))


@router.get("/what-matters", dependencies=[DRAWING_PLACE])
def show_importance(request: Request, sweep_id: SweepId, session: DatabaseSession) -> Response:
    """What matters, as a small chart for a sweep's page, or nothing; drawn once for all who ask at its same age.

    The age that is named is not believed: else a forest would be grown for each number, and kept for the age it names.
    """
    age = _age(queries.summary(session, sweep_id))

    def write() -> str:
        with request.app.state.drawings.one_of(count_trials(session, [sweep_id])):
            matters = _matters_by_objective(session, sweep_row.get(session, sweep_id))
        return templates.get_template("sweep/what_matters.html").render(view=matters)

    return HTMLResponse(request.app.state.answer_cache.get_or_make(("what matters", sweep_id, age), write))


def _matters_by_objective(session: Session, sweep: Sweep) -> list[tuple[str, "Matters"]]:
    """What each of the sweep's objectives is called, and what matters for it."""
    row, trials = chart_rows.measured_sweep(session, sweep), chart_rows.trial_rows(session, sweep.id, runs="pooled")
    further = [Lens(objective=objective) for objective in row.objectives[1:]]
    rows = [(row, trials), *(through_metric(session, sweep, row, trials, lens) for lens in further)]
    return [
        (within(value_name(row.objective.metric)), what_matters(importance_data(row, trials, ImportanceOptions())))
        for row, trials in rows
    ]


@dataclass(frozen=True)
class Known:
    """What can be said now; what is not known is left out."""

    sweep: schemas.SweepOut
    space: Space
    leaders: Sequence[LeadingConfiguration]
    """The best configurations, the best first."""
    front: Sequence[FrontTrial] = ()
    """The trials that no other beats in every one of several objectives."""
    errors: Sequence[str] = ()
    """Of the failed trials, of very many those of the first."""
    workers: int = 0
    """That live."""
    importance_address: str = ""
    """Where what matters is told, which takes a while; another one once it may have changed."""
    address: str = ""
    """Where the service is, for commands."""

    @property
    def expected(self) -> float | None:
        """What more runs of the best are expected to have; nothing where its own runs speak against that.

        There the noise of others, say of some that nearly diverge, would be told as its own.
        """
        best = self.sweep.best
        if best is None or best.expected is None or not best.std:
            return best.expected if best else None
        margin = student_quantile(CERTAINTY, best.runs - 1) * best.std / math.sqrt(best.runs)
        return best.expected if abs(best.expected - best.value) <= margin else None

    @property
    def importance_note(self) -> str:
        """That what matters can't be told, where there is something to compare but too little of it."""
        if self.importance_address or len(self.space.free()) < 2:
            return ""
        yet = "" if self.sweep.finished_at else " yet"
        return f"What matters can't be told{yet}: that takes {LEAST_CONFIGURATIONS} configurations."

    @cached_property
    def noise(self) -> str:
        """Which configurations lie within the noise of the best one, in a sentence."""
        return noise_sentence(self.leaders)

    @property
    def front_places(self) -> list["FrontPlace"]:
        """The trials on the Pareto front with their values, the best in the first objective first."""
        objectives = self.sweep.objectives or ()
        if not objectives:
            return []
        by_value = sorted(self.front, key=lambda trial: trial.values[0], reverse=objectives[0].direction == "maximize")
        return [
            FrontPlace(trial.number, ", ".join(objective_texts(self.sweep, trial.values)))
            for trial in by_value[:FRONT_NAMED]
        ]

    @property
    def front_rest(self) -> int:
        """How many more trials are on the front."""
        return max(0, len(self.front) - FRONT_NAMED)

    @property
    def failures(self) -> str:
        """The reason that explains most failures, in a sentence."""
        trials = self.sweep.n_trials + self.sweep.survivor_trials
        return failures_sentence(self.errors, self.sweep.counts.failed, trials)

    @property
    def widenings(self) -> list["Widening"]:
        """Where the best configuration lies at the edge of the space, where that is worth a word."""
        if self.sweep.best is None or self.sweep.counts.complete < LEAST_FOR_EDGES or self.sweep.state == "stopping":
            return []
        at_edge = edges(self.space, self.sweep.best.params, TASKS[self.sweep.task].hyperparameters)
        return [Widening(edge, self._further_trials(edge), self._is_grid) for edge in at_edge]

    @property
    def _is_grid(self) -> bool:
        return SAMPLERS[SweepSummary(self.sweep).sampler].enumerates

    def _further_trials(self, edge: Edge) -> int:
        """How many trials would come with a wider space: the new cells of a grid, a fifth as many for a sampler."""
        if not self._is_grid:
            return 0 if self.sweep.counts.waiting else max(10, self.sweep.n_trials // 5)
        raw = {**self.sweep.space, edge.name: widened(self.sweep.space[edge.name], edge)}
        return parse_space(raw, self.sweep.task).grid_size() - self.space.grid_size()

    @property
    def copies(self) -> list[Copy]:
        """The best configuration as texts to take along."""
        return copies(self.sweep, self.address)

    # confirming the best ones with further seeds

    @property
    def can_confirm(self) -> bool:
        """Whether there is something to train again."""
        return bool(self.leaders) and self.sweep.state != "stopping"

    @property
    def confirmed(self) -> int:
        """How many configurations are proposed to be trained again."""
        return min(CONFIRMED, len(self.leaders))

    @property
    def seeds_step(self) -> int:
        """Further seeds come in such steps: runs of a trial."""
        return self.sweep.seeds.first if isinstance(self.sweep.seeds, schemas.SurvivorSeeds) else self.sweep.seeds

    @property
    def further_seeds(self) -> int:
        """How many are proposed."""
        return -(-CONFIRMED // self.seeds_step) * self.seeds_step

    @property
    def seed_seconds(self) -> list[float]:
        """What one further seed of the best one, the best two … takes on the workers that live."""
        seconds = accumulate(leader.run_seconds for leader in self.leaders)
        return [round(total / max(1, self.workers), 4) for total in seconds]


class FrontPlace(NamedTuple):
    """A trial on the Pareto front, and what it came to."""

    number: int
    text: str


@dataclass(frozen=True)
class Widening:
    """A proposal to let a hyperparameter go further."""

    edge: Edge
    trials: int
    """That would be added."""
    is_grid: bool

    @property
    def sentence(self) -> str:
        """`The best lies at the upper edge of batch_size (32).`"""
        side = "upper" if self.edge.is_high else "lower"
        return f"The best lies at the {side} edge of {self.edge.name} ({setting(self.edge.value)})."

    @property
    def label(self) -> str:
        """`Widen to 8 (12 further trials)`."""
        trials = f" ({plural(self.trials, 'further trial')})" if self.trials else ""
        return f"Widen to {setting(self.edge.wider_to)}{trials}"

    @property
    def asked_trials(self) -> int:
        """Trials to ask for; those of a grid come by themselves."""
        return 0 if self.is_grid else self.trials


def noise_sentence(leaders: Sequence[LeadingConfiguration]) -> str:
    """`Of the 20 next best configurations, trials 54 and 25 can't be told from it (95 %, at equal seeds).`"""
    if len(leaders) < 2:
        return ""
    best, *rivals = leaders
    near = near_best(best.runs, {leader.number: leader.runs for leader in rivals})
    if not near.compared:
        return "Whether others are as good can't be told: none of the next best shares two seeds with it."
    several = near.compared > 1
    rest = f"{len(near.unknown)} more share fewer than two seeds with it"
    remark = f"(95 %, at equal seeds{'; ' + rest if near.unknown else ''})"
    if not near.within:
        rivals_text = (
            f"each of the {near.compared} next best configurations" if several else "the next best configuration"
        )
        return f"It is clearly better than {rivals_text} {remark}."
    trials = _trials(near.within)
    subject = f"Of the {near.compared} next best configurations," if several else "The next best configuration,"
    return f"{subject} {trials}{'' if several else ','} can't be told from it {remark}."


def failures_sentence(errors: Sequence[str], failed: int, trials: int) -> str:
    """`7 of 24 trials failed, 6 of them with: diverged at epoch 1 to 3.`, from the errors of the first that failed."""
    if not errors:
        return ""
    common = most_common_error(errors)
    count = f"{failed} of {plural(trials, 'trial')} failed"
    if common.trials == failed:
        return f"{count}: {common.words}."
    them = "them" if len(errors) >= failed else f"the first {len(errors)} of them"
    return f"{count}, {common.trials} of {them} with: {common.words}."


class Matters(NamedTuple):
    """What matters, as a small chart: shares of the variance, and in words of what, or that they don't tell."""

    shares: Sequence[Share]
    sentence: str


def what_matters(data: ImportanceData) -> Matters:
    """The hyperparameters that explain more of the variance than random numbers seem to; those that matter most.

    Nothing where there is nothing to compare, and where the trials don't tell, that they don't.
    """
    if data.reason:
        return Matters((), "")
    count = plural(data.configurations, "configuration")
    chance = data.comparisons[-1].high if data.comparisons else 0.0
    telling = [share for share in data.single if share.low > chance][:MATTERING]
    if data.predicted < TRUSTED or not telling:
        return Matters((), f"{count} can't tell that yet. The chart shows how uncertain the shares are.")
    return Matters(telling, f"as a share of the variance between {count}. Lines: 90 % of resamples.")


def _trials(numbers: Sequence[int]) -> str:
    """`trials 54, 25 and 3`, `trials 1, 2, 3, 4 and 12 more`."""
    texts = [str(number) for number in numbers[:NAMED]]
    if len(numbers) > NAMED:
        texts.append(f"{len(numbers) - NAMED} more")
    if len(texts) == 1:
        return f"trial {texts[0]}"
    return f"trials {', '.join(texts[:-1])} and {texts[-1]}"
