"""The results of an exercise's run: its progress, and the answer and charts from what has been measured so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go
from sqlalchemy.orm import Session

from app import queries
from app.db.tables import ExerciseRun
from app.domain.datasets import DATASETS
from app.domain.formatting import plural
from app.domain.states import ENDED_SWEEPS
from app.errors import NotFoundError
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import ENDED
from app.exercises.exercise import ExerciseChart, Measurements
from app.exercises.registry import exercise
from app.schemas import Best, SweepOut
from app.sweeps.exercises import tries
from app.sweeps.exercises.measuring import measurements
from app.sweeps.exercises.runs import state_of, sweeps_of

NO_ANSWER = "There is no answer yet: too little has been trained."


@dataclass(frozen=True)
class RunView:
    """A run of an exercise as it stands."""

    id: int
    preset: str
    state: str
    progress: float
    sweeps: Sequence[SweepOut]
    answer: Answer  # from the trials that have finished

    @property
    def is_over(self) -> bool:
        """Whether all sweeps of the run have ended."""
        return self.state in set(ENDED_SWEEPS)


def view(session: Session, run: ExerciseRun) -> RunView:
    """The run with its sweeps' states and the answer so far. Raises NotFoundError when its sweeps were deleted."""
    rows = sweeps_of(session, run)
    sweeps = queries.summaries(session, rows)
    return RunView(
        id=run.id,
        preset=run.preset,
        state=state_of(run.exercise, ((row.exercise_sweep, row.state) for row in rows)),
        progress=sum(sweep.progress for sweep in sweeps) / len(sweeps),
        sweeps=sweeps,
        answer=_answer(session, run, sweeps),
    )


def figures(session: Session, run: ExerciseRun, name: str | None = None) -> list[go.Figure]:
    """The exercise's charts from the run's data, all or the one of this name. Raises NotFoundError."""
    definition = exercise(run.exercise)
    charts = [item for item in definition.charts if name in {None, item.name}]
    if not charts:
        names = ", ".join(item.name for item in definition.charts)
        raise NotFoundError(f"Exercise {run.exercise} has no chart {name!r}; there are {names}.")
    data = measurements(session, run)
    if missing := _missing(run, data):
        raise NotFoundError(_deleted(missing))
    return [_figure(session, run, item, data) for item in charts]


def _figure(session: Session, run: ExerciseRun, item: ExerciseChart, data: Measurements) -> go.Figure:
    """A chart, with what readers have tried where that belongs to it."""
    figure, slider = item.draw(data), exercise(run.exercise).slider
    if slider is not None and item.name == slider.chart:
        tries.draw(session, run, slider, figure)
    return figure


def revision(session: Session, run: ExerciseRun) -> str:
    """A text that changes whenever the run's data does."""
    sweeps = [*sweeps_of(session, run), tries.sweep_of_tries(session, run)]
    return ".".join(f"{sweep.id}-{sweep.revision}" for sweep in sweeps if sweep is not None)


def _answer(session: Session, run: ExerciseRun, sweeps: Sequence[SweepOut]) -> Answer:
    """The exercise's answer, with how far it rests on what is still to come, and what the test images said."""
    definition, data = exercise(run.exercise), measurements(session, run)
    if missing := _missing(run, data):
        return Answer(_deleted(missing), final=True)
    total = sum(sweep.n_trials for sweep in sweeps)
    open_trials = sum(sweep.counts.waiting + sweep.counts.running for sweep in sweeps)
    some_ended = any(trial.state in ENDED for item in data.values() for trial in item.trials)
    answer = (definition.answer(data) if some_ended else None) or Answer(NO_ANSWER)
    scored_sweeps = [sweep for sweep, name in zip(sweeps, data, strict=True) if name in definition.scored]
    progress = f"{total - open_trials} of {plural(total, 'trial')} have ended so far; what follows may still change."
    return replace(
        answer,
        findings=[*answer.findings, *(finding for sweep in scored_sweeps for finding in _test_findings(sweep))],
        progress=progress if open_trials else "",
        final=not open_trials,
    )


def _missing(run: ExerciseRun, data: Measurements) -> list[str]:
    """The sweeps of the run's preset that were deleted."""
    names = exercise(run.exercise).sweeps("full" if run.preset == "full" else "quick")
    return [name for name in names if name not in data]


def _deleted(names: Sequence[str]) -> str:
    return f"This run has no answer, for its sweep {', '.join(names)} was deleted. Run the exercise again."


def _test_findings(sweep: SweepOut) -> list[Finding]:
    """What the test images say of the best configuration, once it has been scored."""
    if sweep.best is None or sweep.best.test_accuracy is None:
        return []
    return [
        Finding(
            "test_accuracy",
            _test_text(sweep, sweep.best),
            sweep.best.test_accuracy,
            n=sweep.test_looks,
            unit="accuracy",
            settings=sweep.best.params,
        )
    ]


def _test_text(sweep: SweepOut, best: Best) -> str:
    """What the test images say, and how often they were asked."""
    count = f"{DATASETS[sweep.dataset].test:,}"
    runs = next((look.runs for look in sweep.test_scores if look.number == best.number), best.runs)
    text = (
        f"On the {count} test images the best configuration scores {best.test_accuracy:.4f}, "
        f"{'by one run' if runs == 1 else f'the mean of its {runs} runs'} (in validation, which chose it, "
        f"{best.value:.4f})"
    )
    if sweep.test_looks <= 1:
        return f"{text}. In this run the test images were read once, when all was chosen."
    scores_text = ", ".join(f"{look.test_accuracy:.4f} (trial {look.number})" for look in sweep.test_scores)
    return (
        f"{text}. They were looked at {sweep.test_looks} times: {scores_text}. What was chosen after the first look "
        "may depend on it, so the last of these is a little too good."
    )
