"""The selected trials of a sweep: what can be done with them at once, and the calls that do it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from app import queries, schemas
from app.domain.formatting import plural
from app.domain.states import RunState
from app.errors import ConflictError, FieldError, InvalidError
from app.sweeps import reruns, trial_actions
from app.web.dependencies import DatabaseSession, PostedForm, SweepId
from app.web.pages.posted import back, whole_number
from app.web.pages.sweep.trial_row import allowed_calls
from app.web.pages.sweep.trial_table import MAX_SELECTED

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}")

Call = Literal["exclude", "include", "rerun", "cancel", "retry"]

_LABELS: dict[Call, str] = {
    "exclude": "Exclude",
    "include": "Include",
    "rerun": "Rerun",
    "cancel": "Cancel",
    "retry": "Retry",
}


class BulkButton(NamedTuple):
    """A button for those of the selected trials whose state allows it."""

    call: Call
    label: str
    numbers: str
    """Of those trials, with commas between them."""
    title: str


@dataclass(frozen=True)
class Selection:
    """The selected trials that there are."""

    trials: Sequence[schemas.TrialOut]
    seeds_step: int
    """Runs of a trial, in which further seeds come."""

    @property
    def numbers(self) -> str:
        """Theirs, with commas between them."""
        return _joined(self.trials)

    @property
    def buttons(self) -> list[BulkButton]:
        """What can be done with some of them at least, and with how many where it is not with all."""
        buttons = []
        for call, label in _LABELS.items():
            allowed = [trial for trial in self.trials if call in calls_of(trial)]
            if allowed:
                count = f" {len(allowed)}" if len(allowed) < len(self.trials) else ""
                buttons.append(BulkButton(call, label + count, _joined(allowed), _title(call, len(allowed))))
        return buttons


def calls_of(trial: schemas.TrialOut) -> list[str]:
    """What can be done with the trial in its state."""
    diverged = any(run.state == RunState.diverged for run in trial.runs)
    return allowed_calls(trial.state, excluded=trial.excluded, diverged=diverged)


@router.post("/selection/{call}")
def act_on_selection(sweep_id: SweepId, call: Call, form: PostedForm, session: DatabaseSession) -> Response:
    """Does it with each of the trials that the form names and whose state allows it by now."""
    trials = queries.trials_of_numbers(session, sweep_id, _numbers(form))
    allowed = [trial.number for trial in trials if call in calls_of(trial)]
    if not allowed:
        raise ConflictError(f"None of these trials can be changed so any more: {call}.")
    act = _rerunner(form) if call == "rerun" else _ACTS[call]
    for number in allowed:
        act(session, sweep_id, number)
    return back(sweep_id, form)


Act = Callable[[Session, int, int], object]

_ACTS: dict[str, Act] = {
    "exclude": lambda session, sweep_id, number: trial_actions.set_excluded(session, sweep_id, number, True),
    "include": lambda session, sweep_id, number: trial_actions.set_excluded(session, sweep_id, number, False),
    "cancel": trial_actions.cancel,
    "retry": trial_actions.retry,
}


def _rerunner(form: dict[str, str]) -> Act:
    seeds = whole_number(form, "seeds")
    return lambda session, sweep_id, number: reruns.rerun_trial(session, sweep_id, number, seeds)


def _numbers(form: dict[str, str]) -> list[int]:
    """The trials that the form names. Raises InvalidError."""
    texts = form.get("numbers", "").split(",")
    if len(texts) > MAX_SELECTED or not all(text.isdecimal() and len(text) < 10 for text in texts):
        right = f"must be at most {MAX_SELECTED} numbers of trials with commas between them"
        raise InvalidError("The selection can't be used.", [FieldError(("numbers",), right)])
    return [int(text) for text in texts]


def _joined(trials: Sequence[schemas.TrialOut]) -> str:
    return ",".join(str(trial.number) for trial in trials)


def _title(call: Call, count: int) -> str:
    """What a button does, in a sentence."""
    subject = plural(count, "trial")
    return {
        "exclude": f"Leaves {subject} out of the best and of what the sampler learns from; Include takes them in again",
        "include": f"Takes {subject} in again",
        "rerun": f"Trains {subject} again with further seeds",
        "cancel": f"Ends {subject}; what runs ends at its next epoch. Retry begins anew",
        "retry": f"Trains {subject} again, with the same parameters and seeds",
    }[call]
