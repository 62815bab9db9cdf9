"""The panel of one trial: what it is, how it went, in words, and what can be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import queries, schemas
from app.charts.looks import Look
from app.db.tables import Run, Trial, Worker
from app.domain.formatting import memory, percent, plural
from app.domain.sampling import SAMPLERS
from app.domain.space import parse_space
from app.domain.states import RunState, TrialState
from app.domain.tasks import TASKS, Task
from app.files import trained_models
from app.sweeps import reruns
from app.web.dependencies import DatabaseSession, PostedForm, SweepId, TrialNumber
from app.web.pages.posted import back, whole_number
from app.web.pages.rendering import ChartPanel, render
from app.web.pages.sweep.summary import SweepSummary, objective_texts
from app.web.pages.sweep.trial_row import TrialRow
from app.web.pages.sweep.trial_table import TrialQuery, settings_of

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}/trials/{number}")

PROPOSED_SEEDS = 5
MAX_EPOCHS = 10_000


class RunLine(NamedTuple):
    """A run of the trial."""

    run: schemas.RunOut
    model: str
    """Where its weights are to be had, or nothing."""


class LayerNote(NamedTuple):
    """What a run's network did after its last epoch."""

    seed: int
    text: str


@dataclass(frozen=True)
class TrialPanel:
    """One trial with all that is known of it."""

    sweep: schemas.SweepOut
    row: TrialRow
    varied: Sequence[str]
    worker: str
    """Where it is, or was last, trained; nothing where nobody knows."""
    kept_seeds: frozenset[int]
    """Seeds of the runs whose weights are kept."""
    diagnostics: Sequence[LayerNote]
    look: Look
    """How charts draw it where it is told from others."""

    @property
    def trial(self) -> schemas.TrialOut:
        """The trial."""
        return self.row.trial

    @property
    def path(self) -> str:
        """Where its forms post to."""
        return f"/sweeps/{self.sweep.id}/trials/{self.trial.number}"

    @property
    def task(self) -> Task:
        """What its value is of."""
        return TASKS[self.sweep.task]

    @property
    def state_sentence(self) -> str:
        """Its state in words."""
        return state_sentence(self.trial, self.worker, self.task.run_noun)

    @property
    def objectives(self) -> str:
        """Its value in each of several objectives, as a sentence; nothing where there is one."""
        texts = objective_texts(self.sweep, self.trial.values)
        if not texts:
            return ""
        is_on_front = self.trial.number in (self.sweep.pareto or ())
        return f"In all objectives: {', '.join(texts)}{'; on the Pareto front' if is_on_front else ''}."

    @property
    def legs(self) -> list[str]:
        """What it goes on from, and the rungs that it has reached."""
        trial = self.trial
        return [
            text
            for text in (
                f"It goes on from trial {trial.continued_from}." if trial.continued_from is not None else "",
                f"{plural(trial.epochs_trained, 'epoch')} of each run are in its checkpoint."
                if trial.epochs_trained
                else "",
                f"Means at its rungs: {', '.join(f'{mean:.4f}' for mean in trial.rung_means)}."
                if trial.rung_means
                else "",
            )
            if text
        ]

    @property
    def runs(self) -> list[RunLine]:
        """Its runs, with the addresses of their models."""
        return [
            RunLine(run, f"/api/v1{self.path}/model?run={run.seed}" if run.seed in self.kept_seeds else "")
            for run in self.trial.runs
        ]

    @property
    def can_keep_model(self) -> bool:
        """Whether its weights are not kept and could be made again."""
        is_whole = self.trial.state == TrialState.complete and bool(self.trial.runs)
        return is_whole and not self.task.is_timing and len(self.kept_seeds) < len(self.trial.runs)

    @property
    def charts(self) -> list[ChartPanel]:
        """Its curves, seed by seed."""
        if self.task.is_timing or self.trial.state in (TrialState.waiting, TrialState.infeasible):
            return []
        measure = self.sweep.objective.metric.partition("_")[2]
        address = f"/api/v1/sweeps/{self.sweep.id}/charts/curves?trials={self.trial.number}&measure={measure}"
        return [ChartPanel("curves-trial", address, f"Curves of trial {self.trial.number}")]

    @property
    def further_seeds(self) -> int:
        """How many are proposed, in steps of a trial's runs."""
        return -(-PROPOSED_SEEDS // self.seeds_step) * self.seeds_step

    @property
    def seeds_step(self) -> int:
        """Runs of a trial."""
        seeds = self.sweep.seeds
        return seeds.first if isinstance(seeds, schemas.SurvivorSeeds) else seeds

    @property
    def proposed_epochs(self) -> int:
        """Twice its epochs."""
        return min(2 * (self.row.min_epochs - 1), MAX_EPOCHS)

    @property
    def can_start_from(self) -> bool:
        """Whether its parameters can begin a trial of the user's own: a grid has every cell once."""
        enumerates = SAMPLERS[SweepSummary(self.sweep).sampler].enumerates
        return self.trial.params is not None and not enumerates and self.sweep.state != "stopping"


def state_sentence(trial: schemas.TrialOut, worker: str, run_noun: str) -> str:
    """`Complete: 2 runs, trained by here (attempt 2).`"""
    where = f", on {worker}" if worker else ""
    attempt = f", attempt {trial.attempt}" if trial.attempt > 1 else ""
    diverged = sum(run.state == RunState.diverged for run in trial.runs)
    sentences = {
        TrialState.waiting: f"Waits for a worker{_with_memory(trial)}."
        if trial.params
        else "Waits; the sampler chooses its parameters when a worker takes it.",
        TrialState.running: f"Trains{where}{attempt}.",
        TrialState.complete: f"Complete: {plural(len(trial.runs), 'run')}{where}{attempt}.",
        TrialState.pruned: f"Pruned: its value is the last one that it had{where}{attempt}.",
        TrialState.failed: (
            f"Failed: {diverged} of {plural(len(trial.runs), run_noun)} diverged; with the same seeds they would again."
            if diverged
            else f"Failed{where}{attempt}."
        ),
        TrialState.cancelled: "Cancelled: Retry begins it anew.",
        TrialState.infeasible: "Infeasible: it was not trained and costs no budget.",
    }
    return sentences[trial.state]


def _with_memory(trial: schemas.TrialOut) -> str:
    """What a worker has to have for it, where one had too little."""
    return f" with {memory(trial.least_memory)} of memory: another had too little" if trial.least_memory else ""


@router.get("")
def show_trial(
    request: Request,
    sweep_id: SweepId,
    number: TrialNumber,
    session: DatabaseSession,
    query: Annotated[TrialQuery, Depends()],
) -> Response:
    """The panel's content for a sweep's page with this query; anybody else is led to that page with the panel open."""
    if "hx-request" not in request.headers:
        return RedirectResponse(f"/sweeps/{sweep_id}?trial={number}", status_code=303)
    return render(request, "sweep/trial_panel.html", _read_panel(session, sweep_id, number, query.look(number)))


@router.post("/rerun")
def rerun_trial(sweep_id: SweepId, number: TrialNumber, form: PostedForm, session: DatabaseSession) -> Response:
    """Trains the trial's configuration with further seeds."""
    reruns.rerun_trial(session, sweep_id, number, whole_number(form, "seeds"))
    return back(sweep_id, form)


@router.post("/model")
def keep_model(sweep_id: SweepId, number: TrialNumber, form: PostedForm, session: DatabaseSession) -> Response:
    """Keeps the trial's weights, for which it may be trained again."""
    trained_models.keep_model(session, sweep_id, number)
    return back(sweep_id, form)


def _read_panel(session: Session, sweep_id: int, number: int, look: Look) -> TrialPanel:
    sweep = queries.summary(session, sweep_id)
    trial = queries.get_trial(session, sweep_id, number)
    varied = list(parse_space(sweep.space, sweep.task).free())
    is_best = sweep.best is not None and sweep.best.number == number
    return TrialPanel(
        sweep=sweep,
        row=TrialRow(trial, settings_of(trial, [*(trial.params or varied)]), is_best, metric=sweep.objective.metric),
        varied=varied,
        worker=_host(session, trial),
        kept_seeds=_kept_seeds(session, sweep_id, number),
        diagnostics=_diagnostics(session, sweep, number),
        look=look,
    )


def _host(session: Session, trial: schemas.TrialOut) -> str:
    """`gpu-3 (NVIDIA H200)`; of a trial that was trained elsewhere only on what."""
    worker = None if trial.worker is None else session.get(Worker, trial.worker)
    devices = " and then ".join(trial.devices)
    return f"{worker.host} ({devices or worker.device})" if worker else devices


def _kept_seeds(session: Session, sweep_id: int, number: int) -> frozenset[int]:
    query = select(Run.seed).join(Trial, Trial.id == Run.trial_id)
    query = query.where(Trial.sweep_id == sweep_id, Trial.number == number, Run.weights.is_not(None))
    return frozenset(session.scalars(query))


def _diagnostics(session: Session, sweep: schemas.SweepOut, number: int) -> list[LayerNote]:
    """What was measured after the last epoch of each run."""
    if not sweep.diagnostics:
        return []
    return [LayerNote(row.run, _diagnosis(row)) for row in queries.last_diagnostics(session, sweep.id, number)]


def _diagnosis(row: schemas.DiagnosticsOut) -> str:
    """`after epoch 8: dead units by layer 0 %, 12 %; predicts 10 classes, 11 % of the examples in the first one`."""
    dead = ", ".join(map(percent, row.dead_share)) or "none"
    text = f"after epoch {row.epoch}: dead units by layer {dead}; "
    if row.predicted_classes is None or row.top_class_share is None:
        return f"{text}{plural(row.distinct_outputs, 'different answer')}"
    text += f"predicts {plural(row.predicted_classes, 'classe')}, ".replace("1 classe,", "1 class,")
    return f"{text}{percent(row.top_class_share)} of the examples in the most frequent one"
