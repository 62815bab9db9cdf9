"""What can be done with a sweep in its state, and why not where it can't."""

from dataclasses import dataclass

from app import schemas
from app.domain import transitions
from app.domain.configuration import DEFAULTS
from app.domain.sampling import SAMPLERS
from app.domain.states import SweepState
from app.web.pages.labels import SWEEP_BUTTONS, Button, ending_sentence
from app.web.pages.sweep.summary import SweepSummary

MAX_EPOCHS = 10_000  # that are proposed to train longer


@dataclass(frozen=True)
class StateButton:
    """A button with a fixed place."""

    button: Button
    enabled: bool
    why_not: str


@dataclass(frozen=True)
class SweepActions:
    """The buttons of a sweep's page, and the words of their dialogs."""

    summary: SweepSummary
    retryable: int = 0
    """Failed trials that may come out otherwise if they are trained again."""

    @property
    def sweep(self) -> schemas.SweepOut:
        """The sweep's fields."""
        return self.summary.sweep

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
        return self._stopping

    @property
    def why_not_longer(self) -> str:
        """Why its best configurations can't go on to more epochs, or nothing."""
        if self.summary.task.is_timing:
            return "What is timed is not trained"
        if self.sweep.best is None:
            return "No trial is complete yet"
        return self._stopping

    @property
    def why_not_deleted(self) -> str:
        """Why it can't be deleted, or nothing."""
        is_training = self.sweep.state in {SweepState.running, SweepState.stopping}
        return "It is being trained: stop or cancel it first" if is_training else ""

    @property
    def _stopping(self) -> str:
        return "It is stopping" if self.sweep.state == SweepState.stopping else ""

    @property
    def can_retry(self) -> bool:
        """Whether failed trials can be trained again, with another outcome."""
        return bool(self.retryable) and not self._stopping

    @property
    def longer_epochs(self) -> int:
        """Twice the epochs of the best configuration."""
        params = self.sweep.best.params if self.sweep.best else {}
        return min(2 * int(params.get("epochs", DEFAULTS["epochs"])), MAX_EPOCHS)

    def ending(self, call: str) -> str:
        """What a stop or a cancel would do."""
        return ending_sentence(call, self.sweep.counts.waiting, self.sweep.counts.running, "Continue")

    @property
    def keep(self) -> str:
        """What the button says that leaves it as it is."""
        return "Keep it paused" if self.sweep.state == SweepState.paused else "Keep running"

    @property
    def duplicate_address(self) -> str:
        """The form for a new sweep, filled with this one's body."""
        return f"/sweeps/new?like={self.sweep.id}"
