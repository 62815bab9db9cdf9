"""All changes of state of sweeps and trials, as two tables.

docs/lifecycle.md prints them, and whatever changes a state asks them.

The queue's own statements (app.queue.statements) make the changes of the workers, under their leases.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from app.domain.states import ENDED_SWEEPS, LIVE_TRIALS, SweepState, TrialState
from app.errors import ConflictError

State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True)
class Transition(Generic[State]):
    """What one call changes."""

    call: str
    sources: tuple[State, ...]
    targets: tuple[State, ...]  # where there are several, `effect` says what decides
    effect: str
    already: tuple[State, ...] = ()  # the states in which it is so already


class Table(Generic[State]):
    """The transitions of one kind of thing, by call."""

    def __init__(self, transitions: Iterable[Transition[State]]) -> None:
        self.transitions = {transition.call: transition for transition in transitions}

    def target(self, call: str, state: State, subject: str) -> State | None:
        """The first target of the call, None where it is so already.

        Raises ConflictError, naming both states, where the state does not allow it. `subject`: e.g. `Sweep 3`.
        """
        transition = self.transitions[call]
        if state in transition.sources:
            return transition.targets[0]
        if state in transition.already:
            return None
        raise ConflictError(f"{subject} is {state}: it can't become {transition.targets[0]}.")

    def sources(self, call: str) -> tuple[State, ...]:
        """The states in which the call changes something."""
        return self.transitions[call].sources

    def allowed(self, state: State, calls: Iterable[str]) -> list[str]:
        """Those of the calls that change something in this state."""
        return [call for call in calls if state in self.sources(call)]

    def markdown(self) -> str:
        """The table of docs/lifecycle.md."""
        rows = ["| call | from | to | what happens | 200, nothing to do |", "|---|---|---|---|---|"]
        for transition in self.transitions.values():
            cells = [
                transition.call,
                _joined(transition.sources),
                _joined(transition.targets),
                transition.effect,
                _joined(transition.already),
            ]
            rows.append(f"| {' | '.join(cells)} |")
        return "\n".join(rows)


def _joined(states: Iterable[StrEnum]) -> str:
    return ", ".join(states)


_S, _T = SweepState, TrialState
SWEEP_CALLS = ("pause", "resume", "stop", "cancel")  # each is also an API path
MORE_TO_DO = "(more to do)"  # the transition of an ended sweep in which a trial was retried or added

SWEEPS = Table[SweepState](
    [
        Transition("(first claim)", (_S.queued,), (_S.running,), "a worker has taken the first trials"),
        Transition(
            "pause",
            (_S.queued, _S.running),
            (_S.paused,),
            "no new trial starts; running ones finish, or wait with a checkpoint if that takes over 10 seconds",
            already=(_S.paused,),
        ),
        Transition(
            "resume",
            (_S.paused,),
            (_S.running, _S.queued),
            "goes on; queued where nothing has started yet",
            already=(_S.queued, _S.running),
        ),
        Transition(
            "stop",
            (_S.queued, _S.running, _S.paused),
            (_S.stopping,),
            "waiting trials are cancelled, running ones finish, then it ends; also by a stop rule",
            already=(_S.stopping, *ENDED_SWEEPS),
        ),
        Transition(
            "cancel",
            (_S.queued, _S.running, _S.paused, _S.stopping),
            (_S.cancelled,),
            "waiting trials are cancelled, running ones at their next epoch",
            already=(_S.cancelled,),
        ),
        Transition(
            MORE_TO_DO,
            ENDED_SWEEPS,
            (_S.running, _S.queued),
            "a trial was retried or added (retry, rerun, rerun-top, continue, `POST …/trials`, `PATCH` of n_trials or "
            "of a grid's space): it goes on and is scored again at its end; queued where nothing has started yet",
            already=(_S.queued, _S.running, _S.paused),
        ),
        Transition(
            "(nothing left to do)",
            (_S.queued, _S.running, _S.paused, _S.stopping),
            (_S.completed, _S.failed, _S.cancelled),
            "no trial waits or runs: completed if any is complete or pruned, else failed if any failed, else cancelled",
        ),
    ]
)

TRIALS = Table[TrialState](
    [
        Transition("(claim)", (_T.waiting,), (_T.running,), "a worker holds it, by a lease that it has to extend"),
        Transition(
            "(result)",
            (_T.running,),
            (_T.complete, _T.pruned, _T.failed),
            "written under the lease; pruned by the pruner, failed where a run diverged; complete with another trial's "
            "results where those are reused",
        ),
        Transition(
            "(infeasible)",
            (_T.waiting, _T.running),
            (_T.infeasible,),
            "its parameters break a constraint, or were tried before where that is forbidden: not trained, and no part "
            "of the budget",
        ),
        Transition(
            "(given back)",
            (_T.running,),
            (_T.waiting, _T.cancelled),
            "its worker was asked to leave, or its parameters are in training and the results will be reused; the "
            "attempt does not count; cancelled in a sweep that stops",
        ),
        Transition(
            "(leg ends)",
            (_T.running,),
            (_T.waiting,),
            "it has come to a rung, where it waits to be among the best, or makes room for another sweep; it goes on "
            "from its checkpoint",
        ),
        Transition(
            "(not promoted)",
            (_T.waiting,),
            (_T.pruned,),
            "it waits at a rung, and no other trial of its sweep is left to come, or its sweep is stopped",
        ),
        Transition(
            "(lost)",
            (_T.running,),
            (_T.waiting, _T.failed, _T.cancelled),
            "its lease ran out or its training raised an error: noted in its history; it goes on from its last "
            "checkpoint, its third attempt begins anew, and the third time it fails; cancelled in a sweep that stops",
        ),
        Transition(
            "cancel",
            LIVE_TRIALS,
            (_T.cancelled,),
            "it does not start, or ends at its next epoch; also when its sweep is cancelled or, waiting, stopped, and "
            "without parameters where the space holds nothing more to try",
            already=(_T.cancelled,),
        ),
        Transition(
            "retry",
            (_T.failed, _T.cancelled, _T.pruned),
            (_T.waiting,),
            "trained anew with the same parameters and three attempts; what came of it before is in its history",
            already=LIVE_TRIALS,
        ),
    ]
)
