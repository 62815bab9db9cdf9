"""What a worker asks of its broker and tells it, with plain values: the one protocol of all ways to the queue."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from app.domain.devices.products import EXACT, PRODUCTS, Products
from app.domain.sweep_limits import MAX_TRIALS
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import MAX_CLAIMED_TRIALS, ClaimedTrial
from app.queue.leases import Lease, MemoryBytes, TooLargeTrial
from app.queue.legs import LegResult, TrialCheckpoint
from app.queue.progress import DiagnosticsPoint, EpochPoint, TrialResult
from app.queue.retraining import Retraining
from app.queue.scoring import Scores, Unscored
from app.search.curve_cache import CurveReader

# What a server takes of a worker: a number beyond it would fail where it looks like a fault of the sweep.
MaxTrials = Annotated[int, Field(ge=1, le=max(MAX_CLAIMED_TRIALS.values()))]
LeaseSeconds = Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
# Of these the server makes sums and quotients over all workers, which none must spoil for the others.
Rate = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
Speed = Annotated[float, Field(gt=1e-6, le=1e18, allow_inf_nan=False)]
SweepIds = Annotated[Sequence[int], Field(max_length=10_000)]
TrialIds = Annotated[Sequence[int], Field(max_length=MAX_TRIALS)]
_Words = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00]*$")]
ContentHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0, lt=2**31)]


def _with_known_facts(environment: Mapping[str, str]) -> Mapping[str, str]:
    if "device" not in environment:
        raise ValueError("must name the device")
    if environment.get("products", EXACT) not in PRODUCTS:
        raise ValueError(f"must have as its products one of {', '.join(PRODUCTS)}")
    return environment


Environment = Annotated[Mapping[_Words, _Words], Field(max_length=50), AfterValidator(_with_known_facts)]


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker says of itself when it signs on."""

    host: _Words
    pid: _Count
    device: _Words
    threads: _Count
    memory: Annotated[int, Field(ge=0, lt=2**60)]  # bytes of the device
    products: Products = EXACT  # that it trains sweeps with which it begins


class Claim(NamedTuple):
    """Trials of one sweep, leased to the worker."""

    sweep: SweepSetup
    trials: Sequence[ClaimedTrial]


class Broker(CurveReader, Protocol):
    """The broker of one worker. Every call raises UnreachableError where it may be made again, else RefusedError.

    A call that is made again, because its answer was lost, changes nothing that the first one has changed already.
    """

    @property
    def worker_id(self) -> UUID:
        """The worker's."""
        ...

    # The worker itself

    def check(self) -> None:
        """Raises StartError where this worker can't work there, because the versions do not match."""
        ...

    def sign_on(self, facts: WorkerFacts) -> None:
        """Registers the worker."""
        ...

    def sign_off(self) -> None:
        """Says that the worker has stopped."""
        ...

    def live_workers(self) -> int:
        """How many workers live, this one included."""
        ...

    def heartbeat(
        self,
        leases: Sequence[Lease],
        lease_seconds: LeaseSeconds,
        examples_per_second: Rate,
        speed: Speed | None = None,
    ) -> set[int]:
        """Says that the worker lives and extends its leases; returns the ids of the trials still held.

        `speed`: cost a second while it trains, of all examples; None where it has not since the last time.
        """
        ...

    def is_draining(self) -> bool:
        """Whether the worker is to hand its trials back, and to claim none."""
        ...

    def note_idle(self) -> None:
        """Says that the worker has nothing to do."""
        ...

    def close(self) -> None:
        """Lets go of all connections."""
        ...

    # Claims

    def wait_for_work(self, seconds: float, stopping: threading.Event) -> None:
        """Returns when there may be something to do, after about as many seconds, or when told to stop."""
        ...

    def stop_waiting(self) -> None:
        """Gives back what waiting takes, while the worker trains."""
        ...

    def claim(
        self, max_trials: MaxTrials, lease_seconds: LeaseSeconds, environment: Environment, *, is_idle: bool
    ) -> Claim | None:
        """Takes waiting trials of one sweep; None where none waits. `is_idle`: whether the worker is said to be so.

        The `environment` names the worker's device and, where they are not exact, its products.
        """
        ...

    def assign_params(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
        """Those of the claimed trials that are to be trained, with parameters and first seeds."""
        ...

    def prepare_asking(self, sweep: SweepSetup, max_trials: MaxTrials) -> Callable[[], None] | None:
        """Asks, once it is called, the sampler for the next trials as these stand now; None where there is no need."""
        ...

    def give_back(self, sweep_id: int, leases: Sequence[Lease]) -> None:
        """Lets trials wait again as if they had not been claimed."""
        ...

    def fail_attempt(self, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
        """Ends an attempt of trials: they wait again, or fail after the last one."""
        ...

    def leave_to_larger(self, sweep_id: int, trials: Sequence[TooLargeTrial]) -> None:
        """Leaves trials that don't fit here to workers with more memory; where none has enough, their attempt ends."""
        ...

    # Progress

    def record(
        self,
        sweep_id: int,
        epochs_done: Mapping[Lease, int],
        points: Sequence[EpochPoint],
        lease_seconds: LeaseSeconds,
        diagnostics: Sequence[DiagnosticsPoint] = (),
    ) -> set[int]:
        """Writes points of learning curves and extends the leases; returns the ids of the trials still held."""
        ...

    def finish(
        self,
        sweep_id: int,
        results: Sequence[TrialResult],
        weights: Callable[[int], Mapping[int, bytes]],
        final_checkpoint: Callable[[int], TrialCheckpoint | None] | None = None,
    ) -> set[int]:
        """Writes how trials ended; returns the ids of those that were accepted. As `app.queue.finish`."""
        ...

    def end_leg(self, sweep_id: int, results: Sequence[LegResult]) -> set[int]:
        """Lets trials wait until they are claimed or promoted; returns the ids of those that were still held."""
        ...

    def must_make_room(self, sweep_id: int) -> bool:
        """Whether another sweep has a better right to this worker, or another worker wants the machine for itself."""
        ...

    def is_machine_shared(self) -> bool:
        """Whether another worker of this one's machine is at work."""
        ...

    # Checkpoints and curves

    def load_checkpoints(self, trial_ids: TrialIds) -> Mapping[int, bytes]:
        """The data of the checkpoints of these trials, by trial id."""
        ...

    def save_checkpoints(self, sweep_id: int, checkpoints: Sequence[TrialCheckpoint]) -> set[int]:
        """Stores checkpoints in place of earlier ones; returns the ids of the trials that are still held."""
        ...

    def epochs_trained(self, trial_ids: TrialIds) -> Mapping[int, int]:
        """From which epoch each of these trials goes on, by trial id."""
        ...

    def means_at_rung(self, trial_id: int) -> Sequence[float]:
        """The means of all trials of the sweep and the bracket that have reached the next rung of this one."""
        ...

    # What is done after the training

    def claim_retraining(self, lease_seconds: LeaseSeconds) -> Retraining | None:
        """Begins with a trial that is to be trained again for its weights; None where none is."""
        ...

    def postpone_retraining(self, trial_id: int, seconds: Seconds) -> None:
        """Lets no other worker begin with this trial for so long."""
        ...

    def store_retrained(self, sweep_id: int, trial_id: int, weights: Mapping[int, bytes]) -> None:
        """Stores the weights of runs of a trial that was trained again, by the index of the seed."""
        ...

    def leave_retraining_to_larger(self, sweep_id: int, trial_id: int, memory: MemoryBytes, reason: str) -> None:
        """Leaves a trial that can't be trained again here to workers with more memory; where none has, gives it up."""
        ...

    def give_up_retraining(self, sweep_id: int, trial_id: int, reason: str) -> None:
        """Takes a trial out of those that are to be trained again, because that fails for this reason."""
        ...

    def next_unscored(self, leave_out: SweepIds) -> Unscored | None:
        """The first sweep that waits to be scored, but for those of these ids; None where none does."""
        ...

    def load_weights(self, trial_id: int, seed: int) -> bytes | None:
        """The weights of a run of a trial; None where they are not kept."""
        ...

    def request_weights(self, unscored: Unscored) -> None:
        """Has the sweep's best trial trained again; it is scored after that."""
        ...

    def write_scores(self, unscored: Unscored, scores: Mapping[int, Scores]) -> None:
        """Stores the test scores of the sweep's best trial, by the index of the seed."""
        ...

    # Data sets

    def dataset_pieces(self, content_hash: str) -> Iterator[bytes]:
        """What is stored of a data set, piece by piece; nothing where it is not."""
        ...
