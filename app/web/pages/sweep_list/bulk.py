"""What is done to several sweeps at once: the question before it, and what became of each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import queries
from app.db.tables import Sweep
from app.domain import transitions
from app.domain.formatting import plural
from app.domain.states import SweepState
from app.errors import FieldError, InvalidError
from app.schemas import Best, Counts
from app.schemas.sweeps import Tag
from app.sweeps import bulk
from app.sweeps.bulk import MAX_SWEEPS, UNDO, Call, Outcome
from app.web.dependencies import DatabaseSession, caller_name
from app.web.pages.labels import ending_sentence
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False, prefix="/sweeps/bulk")

Ids = Annotated[int, Query(ge=1, le=2**62)]
PostedIds = Annotated[int, Form(ge=1, le=2**62)]

READ_AT_ONCE = 25

# What is asked, what the button says, and what the sentence of the results begins with, by call.
_QUESTIONS: dict[Call, str] = {
    "stop": "Stop {sweeps}?",
    "cancel": "Cancel {sweeps}?",
    "delete": "Delete {sweeps}?",
    "tag": "Tag {sweeps}",
}
_BUTTONS: dict[Call, str] = {
    "stop": "Stop {sweeps}",
    "cancel": "Cancel {sweeps}",
    "delete": "Delete for good",
    "tag": "Add the tag",
}
_DONE: dict[Call, str] = {
    "pause": "Paused",
    "resume": "Resumed",
    "continue": "Took up the dropped trials of",
    "stop": "Stopped",
    "cancel": "Cancelled",
    "delete": "Deleted",
    "tag": "Tagged",
    "untag": "Took the tag from",
}
_TRAINING = {SweepState.running, SweepState.stopping}


class ChosenSweep(NamedTuple):
    """What is asked about of a sweep: of hundreds at once, so without its space."""

    id: int
    name: str
    state: SweepState
    counts: Counts
    n_trials: int
    best: Best | None


@dataclass(frozen=True)
class QuestionView:
    """What is asked before it is done."""

    call: Call
    sweeps: Sequence[ChosenSweep]
    """Those that it would change."""
    unchanged_sweeps: Sequence[ChosenSweep]
    """Those whose state does not allow it."""
    tags: Sequence[str]
    """Suggestions for a tag."""

    @property
    def title(self) -> str:
        """`Cancel 3 sweeps?`."""
        return _QUESTIONS[self.call].format(sweeps=plural(len(self.sweeps), "sweep"))

    @property
    def button(self) -> str:
        """What the button that does it says."""
        return _BUTTONS[self.call].format(sweeps=plural(len(self.sweeps), "sweep"))

    @property
    def consequence(self) -> str:
        """What it would do to their trials, in a sentence or two."""
        if self.call in {"stop", "cancel"}:
            waiting, running = (
                sum(getattr(sweep.counts, state) for sweep in self.sweeps) for state in ("waiting", "running")
            )
            is_paused = any(sweep.state == SweepState.paused for sweep in self.sweeps)
            afterwards = " What is paused goes on then." if is_paused else ""
            return ending_sentence(self.call, waiting, running, "Undo") + afterwards
        if self.call == "delete":
            trials = plural(sum(sweep.n_trials for sweep in self.sweeps), "trial")
            return f"{trials} and all that was measured in them are removed for good; there is no way back."
        return ""


@dataclass(frozen=True)
class ResultsView:
    """What became of each sweep."""

    call: Call
    tag: str
    outcomes: Sequence[Outcome]

    @property
    def changed(self) -> list[Outcome]:
        """Those that are other than before."""
        return [outcome for outcome in self.outcomes if outcome.changed]

    @property
    def refused(self) -> list[Outcome]:
        """Those that refused."""
        return [outcome for outcome in self.outcomes if outcome.refusal]

    @property
    def unchanged(self) -> list[Outcome]:
        """Those that were so already."""
        return [outcome for outcome in self.outcomes if not (outcome.changed or outcome.refusal)]

    @property
    def sentence(self) -> str:
        """`Paused 3 sweeps`."""
        count = len(self.changed)
        return f"{_DONE[self.call]} {plural(count, 'sweep')}" if count else "Nothing was changed"

    @property
    def undo(self) -> Call | None:
        """What takes it back."""
        return UNDO.get(self.call) if self.changed else None


@router.get("/ask")
def ask(request: Request, session: DatabaseSession, call: Call, sweep: Annotated[list[Ids], Query()]) -> Response:
    """What the call would do to these sweeps, with the button that does it."""
    if call not in _QUESTIONS:
        raise InvalidError("Nothing is asked before this.", [FieldError(("call",), f"must be {', '.join(_QUESTIONS)}")])
    chosen_sweeps = _chosen_sweeps(session, sweep)
    changing_ids = {entry.id for entry in chosen_sweeps if _is_allowed(call, entry)}
    view = QuestionView(
        call=call,
        sweeps=[entry for entry in chosen_sweeps if entry.id in changing_ids],
        unchanged_sweeps=[entry for entry in chosen_sweeps if entry.id not in changing_ids],
        tags=queries.tags(session) if call == "tag" else (),
    )
    return render(request, "sweep_list/question.html", view)


@router.post("")
def act(
    request: Request,
    call: Annotated[Call, Form()],
    sweep: Annotated[list[PostedIds], Form()],
    tag: Annotated[Tag | None, Form()] = None,
) -> Response:
    """Does it to each of these sweeps, and tells what became of each."""
    _refuse_too_many(sweep)
    if call in {"tag", "untag"} and not (tag or "").strip():
        raise InvalidError("Which tag?", [FieldError(("tag",), "must be a word without a comma")])
    word = (tag or "").strip()
    outcomes = bulk.act(request.app.state.engine, sweep, call, word, caller=caller_name(request))
    return render(request, "sweep_list/results.html", ResultsView(call, word, outcomes))


def _chosen_sweeps(session: Session, ids: Sequence[int]) -> list[ChosenSweep]:
    _refuse_too_many(ids)
    numbers = sorted(set(ids))
    pieces = [numbers[start : start + READ_AT_ONCE] for start in range(0, len(numbers), READ_AT_ONCE)]
    return [
        ChosenSweep(**{name: getattr(sweep, name) for name in ChosenSweep._fields})
        for piece in pieces
        for sweep in queries.summaries(
            session, session.scalars(select(Sweep).where(Sweep.id.in_(piece)).order_by(Sweep.id)).all()
        )
    ]


def _refuse_too_many(ids: Sequence[int]) -> None:
    if len(set(ids)) > MAX_SWEEPS:
        raise InvalidError(
            f"{len(set(ids)):,} sweeps are too many at once.",
            [FieldError(("sweep",), f"must be at most {MAX_SWEEPS:,}")],
        )


def _is_allowed(call: Call, sweep: ChosenSweep) -> bool:
    if call == "delete":
        return sweep.state not in _TRAINING
    return call == "tag" or bool(transitions.SWEEPS.allowed(sweep.state, (call,)))
