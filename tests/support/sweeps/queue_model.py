"""A plain model of the lifecycle of sweeps and trials, which the real queue is held against."""

from dataclasses import dataclass, field

from app.errors import ConflictError
from app.queue.leases import Lease

LIVE, ENDED = {"waiting", "running"}, {"completed", "cancelled", "failed"}
ATTEMPTS = 3


@dataclass(eq=False)
class ModelTrial:
    """What a trial is; `lease` is the one that may write to it."""

    state: str = "waiting"
    attempt: int = 0
    lease: Lease | None = None
    epochs: set[int] = field(default_factory=set)
    runs: int = 0
    excluded: bool = False

    def end(self, state: str) -> None:
        self.state, self.lease = state, None

    def lose(self) -> None:
        self.end("failed" if self.attempt >= ATTEMPTS else "waiting")


@dataclass
class ModelSweep:
    """What a sweep is. `settle` is what follows of itself from each change."""

    trials: list[ModelTrial]
    state: str = "queued"
    started: bool = False

    def settle(self) -> None:
        if self.state == "stopping":
            for trial in self.trials:
                if trial.state == "waiting":
                    trial.end("cancelled")
        states = {trial.state for trial in self.trials}
        if self.state not in ENDED and not states & LIVE:
            self.state = "completed" if "complete" in states else "failed" if "failed" in states else "cancelled"

    def reopen(self) -> None:
        """Raises ConflictError where it is stopping."""
        if self.state == "stopping":
            raise ConflictError("stopping")
        if self.state in ENDED:
            self.state = "running" if self.started else "queued"

    def call(self, name: str) -> None:
        """Raises ConflictError where its state forbids it."""
        allowed = {"pause": {"queued", "running"}, "resume": {"paused"}}.get(name, {"queued", "running", "paused"})
        already = {"pause": {"paused"}, "resume": {"queued", "running"}, "stop": {"stopping", *ENDED}}
        if name == "cancel":
            allowed, already = allowed | {"stopping"}, already | {"cancel": {"cancelled"}}
        if self.state in already[name]:
            return
        if self.state not in allowed:
            raise ConflictError(name)
        going = "running" if self.started else "queued"
        self.state = {"pause": "paused", "resume": going, "stop": "stopping", "cancel": "cancelled"}[name]
        for trial in self.trials if name == "cancel" else []:
            if trial.state in LIVE:
                trial.end("cancelled")
        self.settle()
