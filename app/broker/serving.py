"""The server's side of the calls that workers make over HTTP: each is one of a worker's broker in the database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import select

from app import queue
from app.broker.broker import Broker, Claim, Environment, LeaseSeconds, MaxTrials, TrialIds, WorkerFacts
from app.broker.checks import check_diagnostics, check_results, check_scores
from app.broker.database import DatabaseBroker
from app.broker.wire import OF_ARGUMENTS, Limits, MalformedError, Signature, Unpacked, signature_of, unpacked
from app.db.tables import Sweep, Trial, Worker
from app.queue.claims import ClaimedTrial
from app.queue.errors import RefusedError
from app.queue.leases import Lease
from app.queue.legs import TrialCheckpoint
from app.queue.progress import Count, DiagnosticsPoint, EpochPoint, TrialResult
from app.queue.scoring import Scores, Unscored

MAX_MESSAGE_BYTES = 512 * 2**20
MAX_LOADED_BYTES = 16 * 2**20  # of checkpoints in an answer, unless a single one has more

# The calls that ask the sampler, or wait for their turn at a sweep.
SLOW_CALLS = frozenset({"claim", "assign_params"})

# The calls by which a worker keeps what it holds, or hands it back: small, and never behind others.
VITAL_CALLS = frozenset({"heartbeat", "is_draining", "postpone_retraining", "give_back", "sign_off"})

# The calls that read all trials of a sweep, and the curves of many.
READING_CALLS = frozenset({"trial_snapshots", "values_after"})

# The calls whose answers may have checkpoints or weights.
LOADING_CALLS = frozenset({"load_checkpoints", "load_weights"})

_SAME_CALLS = frozenset(
    {
        "sign_off",
        "live_workers",
        "heartbeat",
        "is_draining",
        "note_idle",
        "give_back",
        "fail_attempt",
        "leave_to_larger",
        "end_leg",
        "must_make_room",
        "is_machine_shared",
        "save_checkpoints",
        "epochs_trained",
        "means_at_rung",
        "trial_snapshots",
        "values_after",
        "claim_retraining",
        "postpone_retraining",
        "store_retrained",
        "leave_retraining_to_larger",
        "give_up_retraining",
        "next_unscored",
        "load_weights",
        "request_weights",
    }
)


class ClaimAnswer(NamedTuple):
    """A claim, and the moment before it: what comes to do from then on ends the worker's wait."""

    claim: Claim | None
    moment: str


class FinishAnswer(NamedTuple):
    """What became of results. Nothing is written where more is wanted: they are to be sent again, with that."""

    accepted_ids: set[int]
    wanted_weights: list[int]  # ids of trials
    wanted_checkpoints: list[int]


class CheckpointsAnswer(NamedTuple):
    """Checkpoints by trial id, and the trials for which there was no room."""

    checkpoints: Mapping[int, bytes]
    rest: list[int]


class ServedCalls:
    """The calls of one worker that are made in another way than those of its broker, whose names they have."""

    def __init__(self, broker: DatabaseBroker, moment: str) -> None:
        self._broker, self._moment = broker, moment

    def check(self) -> None:
        """Answers a worker of this version."""

    def sign_on(self, facts: WorkerFacts) -> None:
        """Registers the worker, once."""
        with self._broker.transaction() as session:
            queue.register(session, Worker(id=self._broker.worker_id, over_http=True, **asdict(facts)))

    def claim(
        self,
        max_trials: MaxTrials,
        lease_seconds: LeaseSeconds,
        environment: Environment,
        is_idle: bool,
        lost_claims: Count,
    ) -> ClaimAnswer:
        """Claims. `lost_claims`: how many answers to claims the worker has lost, of which it may hold trials."""
        with self._broker.transaction() as session:
            if session.get(Worker, self._broker.worker_id) is None:
                raise RefusedError("This worker has not signed on here: start it again.")
        claim = self._broker.claim_after(lost_claims, max_trials, lease_seconds, environment, is_idle=is_idle)
        return ClaimAnswer(claim, self._moment)

    def assign_params(self, sweep_id: int, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
        """Assigns parameters to those of the trials that the worker holds.

        Whether they have some is read here: an earlier answer may have been lost, and no worker chooses them itself.
        """
        columns = (Trial.id, Trial.lease_token, Trial.number, Trial.params)
        ids = [trial.lease.trial_id for trial in trials]
        with self._broker.transaction() as session:
            rows = session.execute(select(*columns).where(Trial.id.in_(ids), Trial.sweep_id == sweep_id))
            by_lease = {Lease(row.id, row.lease_token): row for row in rows}
        held_trials = [
            replace(trial, number=row.number, params=row.params)
            for trial in trials
            if (row := by_lease.get(trial.lease)) is not None
        ]
        return self._broker.assign_params(self._broker.setup(sweep_id), held_trials)

    def record(
        self,
        sweep_id: int,
        leases: Sequence[Lease],
        epochs_done: Sequence[Count],
        points: Sequence[EpochPoint],
        lease_seconds: LeaseSeconds,
        diagnostics: Sequence[DiagnosticsPoint],
    ) -> set[int]:
        """Records; `epochs_done` are those of the leases."""
        if len(leases) != len(epochs_done):
            raise RefusedError("The message of record can't be used: it must have as many epochs_done as leases.")
        check_diagnostics(diagnostics)
        by_lease = dict(zip(leases, epochs_done, strict=True))
        return self._broker.record(sweep_id, by_lease, points, lease_seconds, diagnostics)

    def finish(
        self,
        sweep_id: int,
        results: Sequence[TrialResult],
        weights: Mapping[int, Mapping[int, bytes]],
        checkpoints: Mapping[int, TrialCheckpoint | None] | None,
    ) -> FinishAnswer:
        """Finishes, in one transaction with all that is to be stored of these trials; else says what is missing."""
        wanted_weights: list[int] = []
        wanted_checkpoints: list[int] = []

        def weights_of(trial_id: int) -> Mapping[int, bytes]:
            if trial_id not in weights:
                wanted_weights.append(trial_id)
            return weights.get(trial_id, {})

        def checkpoint_of(trial_id: int) -> TrialCheckpoint | None:
            assert checkpoints is not None
            if trial_id not in checkpoints:
                wanted_checkpoints.append(trial_id)
            checkpoint = checkpoints.get(trial_id)
            if checkpoint is not None and checkpoint.lease.trial_id != trial_id:
                raise RefusedError(f"The checkpoint of trial {trial_id} is another trial's.")
            return checkpoint

        try:
            with self._broker.transaction() as session:
                objectives = session.scalar(select(Sweep.objectives).where(Sweep.id == sweep_id))
                check_results(results, objectives)
                callbacks = weights_of, None if checkpoints is None else checkpoint_of
                accepted_ids = queue.finish(session, sweep_id, self._broker.worker_id, results, *callbacks)
                if wanted_weights or wanted_checkpoints:
                    raise _NotWhole
        except _NotWhole:
            accepted_ids = set()
        return FinishAnswer(accepted_ids, wanted_weights, wanted_checkpoints)

    def write_scores(self, unscored: Unscored, scores: Mapping[int, Scores]) -> None:
        """Stores the test scores of a sweep's best trial."""
        check_scores(scores)
        self._broker.write_scores(unscored, scores)

    def load_checkpoints(self, trial_ids: TrialIds) -> CheckpointsAnswer:
        """Loads checkpoints, as many as fit into an answer and one at least."""
        with self._broker.transaction() as session:
            sizes = queue.checkpoint_sizes(session, trial_ids)
        ids = list(sizes)
        size_before = list(accumulate(sizes.values(), initial=0))
        count = sum(size <= MAX_LOADED_BYTES for size in size_before[1:]) or 1
        return CheckpointsAnswer(self._broker.load_checkpoints(ids[:count]), ids[count:])


class _NotWhole(Exception):  # noqa: N818 (not an error)
    """Ends a transaction in which not all was written."""


_CALLS = _SAME_CALLS | {name for name in vars(ServedCalls) if not name.startswith("_")}


def signature(call: str) -> Signature | None:
    """That of a call; None where there is none of this name."""
    return _signature(call) if call in _CALLS else None


@cache
def _signature(call: str) -> Signature:
    return signature_of(getattr(Broker if call in _SAME_CALLS else ServedCalls, call))


def arguments_of(call: str, signed: Signature, message: bytes, limits: Limits) -> dict[str, Any]:
    """The arguments in the message of a call. Raises RefusedError."""
    with _refusing(call):
        return signed.arguments_of(message, limits)


def unpacked_arguments(call: str, message: bytes) -> Unpacked:
    """What is in the message of a call, which takes many times its memory once it is read. Raises RefusedError."""
    if call not in _CALLS:
        raise RefusedError(f"There is no call {call[:100]!r}.")
    with _refusing(call):
        return unpacked(message, OF_ARGUMENTS)


def answer(broker: DatabaseBroker, call: str, content: Unpacked, moment: str) -> bytes:
    """The answer to a call of this worker. Raises CallError, and whatever the call raises."""
    signed = _signature(call)
    with _refusing(call):
        arguments = signed.arguments_in(content)
    if call in _SAME_CALLS:
        if call in READING_CALLS:
            arguments["sweep"] = broker.setup(arguments.pop("sweep_id"))
        result = getattr(broker, call)(**arguments)
    else:
        result = getattr(ServedCalls(broker, moment), call)(**arguments)
    return signed.packed_answer(result)


@contextmanager
def _refusing(call: str) -> Iterator[None]:
    """Raises what is wrong with the message of a call as RefusedError."""
    try:
        yield
    except MalformedError as error:
        raise RefusedError(f"The message of {call} can't be used: {str(error)[:1000]}") from None
