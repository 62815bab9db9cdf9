"""The calls of a worker over HTTP that are one message each, and whose answer is what the broker's call gives."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from app.broker.broker import WorkerFacts
from app.domain.sweep_setup import SweepSetup
from app.queue.leases import Lease, TooLargeTrial
from app.queue.legs import LegResult
from app.queue.retraining import Retraining
from app.queue.scoring import Scores, Unscored
from app.search.curve_cache import TrialSnapshot


class PlainCalls(ABC):
    """Those calls of a broker."""

    @abstractmethod
    def _call(self, call: str, **arguments: Any) -> Any:
        """The answer to a call. Raises CallError, and OversizeError before anything is sent."""

    def sign_on(self, facts: WorkerFacts) -> None:
        self._call("sign_on", facts=facts)

    def sign_off(self) -> None:
        self._call("sign_off")

    def live_workers(self) -> int:
        return int(self._call("live_workers"))

    def heartbeat(
        self, leases: Sequence[Lease], lease_seconds: float, examples_per_second: float, speed: float | None = None
    ) -> set[int]:
        rates = {"examples_per_second": examples_per_second, "speed": speed}
        return set[int](self._call("heartbeat", leases=leases, lease_seconds=lease_seconds, **rates))

    def is_draining(self) -> bool:
        return bool(self._call("is_draining"))

    def note_idle(self) -> None:
        self._call("note_idle")

    def give_back(self, sweep_id: int, leases: Sequence[Lease]) -> None:
        self._call("give_back", sweep_id=sweep_id, leases=leases)

    def fail_attempt(self, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
        self._call("fail_attempt", sweep_id=sweep_id, leases=leases, reason=reason)

    def leave_to_larger(self, sweep_id: int, trials: Sequence[TooLargeTrial]) -> None:
        self._call("leave_to_larger", sweep_id=sweep_id, trials=trials)

    def end_leg(self, sweep_id: int, results: Sequence[LegResult]) -> set[int]:
        return set[int](self._call("end_leg", sweep_id=sweep_id, results=results))

    def must_make_room(self, sweep_id: int) -> bool:
        return bool(self._call("must_make_room", sweep_id=sweep_id))

    def is_machine_shared(self) -> bool:
        return bool(self._call("is_machine_shared"))

    def epochs_trained(self, trial_ids: Sequence[int]) -> Mapping[int, int]:
        epochs: Mapping[int, int] = self._call("epochs_trained", trial_ids=list(trial_ids))
        return epochs

    def means_at_rung(self, trial_id: int) -> Sequence[float]:
        means: Sequence[float] = self._call("means_at_rung", trial_id=trial_id)
        return means

    def trial_snapshots(self, sweep: SweepSetup) -> Sequence[TrialSnapshot]:
        snapshots: Sequence[TrialSnapshot] = self._call("trial_snapshots", sweep_id=sweep.id)
        return snapshots

    def claim_retraining(self, lease_seconds: float) -> Retraining | None:
        retraining: Retraining | None = self._call("claim_retraining", lease_seconds=lease_seconds)
        return retraining

    def postpone_retraining(self, trial_id: int, seconds: float) -> None:
        self._call("postpone_retraining", trial_id=trial_id, seconds=seconds)

    def leave_retraining_to_larger(self, sweep_id: int, trial_id: int, memory: int, reason: str) -> None:
        place = {"sweep_id": sweep_id, "trial_id": trial_id}
        self._call("leave_retraining_to_larger", **place, memory=memory, reason=reason)

    def give_up_retraining(self, sweep_id: int, trial_id: int, reason: str) -> None:
        self._call("give_up_retraining", sweep_id=sweep_id, trial_id=trial_id, reason=reason)

    def next_unscored(self, leave_out: Sequence[int]) -> Unscored | None:
        unscored: Unscored | None = self._call("next_unscored", leave_out=leave_out)
        return unscored

    def load_weights(self, trial_id: int, seed: int) -> bytes | None:
        weights: bytes | None = self._call("load_weights", trial_id=trial_id, seed=seed)
        return weights

    def request_weights(self, unscored: Unscored) -> None:
        self._call("request_weights", unscored=unscored)

    def write_scores(self, unscored: Unscored, scores: Mapping[int, Scores]) -> None:
        self._call("write_scores", unscored=unscored, scores=scores)
