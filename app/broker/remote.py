"""The broker of a worker that reaches a server alone: its calls are those of the one in the database, over HTTP.

Why, and how it stays exact: docs/adr/0015-workers-over-http.md.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from app.broker.broker import Claim
from app.broker.http import (
    ANSWER_SECONDS,
    READ_BYTES,
    SLICE_SECONDS,
    ForbiddenError,
    HttpConnections,
    TooLargeMessageError,
    TooSlowMessageError,
)
from app.broker.plain_calls import PlainCalls
from app.broker.serving import MAX_MESSAGE_BYTES, SLOW_CALLS, CheckpointsAnswer, ClaimAnswer, FinishAnswer, signature
from app.broker.wire import OF_WORDS, MalformedError, OversizeError, pack
from app.db.migrations import program_version
from app.domain.sampling import traits_of
from app.domain.sweep_setup import SweepSetup
from app.errors import StartError
from app.queue.claims import ClaimedTrial
from app.queue.errors import CallError, FaultError, RefusedError, UnreachableError
from app.queue.leases import Lease
from app.queue.legs import TrialCheckpoint
from app.queue.progress import DiagnosticsPoint, EpochPoint, TrialResult
from app.search.curve_cache import MAX_CURVES, Values

logger = logging.getLogger(__name__)

SLOW_ANSWER_SECONDS = 900.0  # a sampler may think for long; the heartbeat tells meanwhile whether the server lives
WAIT_SECONDS = 5.0  # for work, in one request
MAX_POINTS = 20_000  # of learning curves in one message
MAX_ASSIGNED = 10_000  # trials in one message
MAX_BLOB_BYTES = MAX_MESSAGE_BYTES - 2**24  # of checkpoints and weights in one message, beside its JSON
_TOO_MUCH = (OversizeError, TooLargeMessageError, TooSlowMessageError)  # for one message; several may carry it


class RemoteBroker(PlainCalls):
    """The broker of one worker, at a server."""

    def __init__(self, url: str, key: str | None, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._worker_id = uuid4()
        self._connections = HttpConnections(url, key, program_version())
        self._moment = ""  # before the last claim
        self._lost_claims = 0  # answers to claims that never came

    def _call(self, call: str, **arguments: Any) -> Any:
        """The answer to a call. Ends the worker where the server will answer none any more.

        Raises CallError, and OversizeError before anything is sent.
        """
        signed = signature(call)
        assert signed is not None, call
        seconds = SLOW_ANSWER_SECONDS if call in SLOW_CALLS else ANSWER_SECONDS
        message = signed.packed_arguments(arguments)
        try:
            # a claim tells whether the answer to the one before was lost, so none is made unnoticed
            answer = self._connections.call(
                f"{self._worker_id}/{call}", message, seconds, is_repeatable=call != "claim"
            )
            return signed.answer_of(answer)
        except ForbiddenError as error:
            if not self._stopping.is_set():
                logger.error("the worker ends: %s", error)
                self._stopping.set()
            raise
        except (MalformedError, ValidationError) as error:
            raise UnreachableError(f"the answer to {call} can't be read: {error}") from error

    @property
    def worker_id(self) -> UUID:
        return self._worker_id

    def check(self) -> None:
        try:
            self._call("check")
        except RefusedError as error:
            raise StartError(f"The server refuses this worker: {error}") from None

    def close(self) -> None:
        self._connections.close()

    def wait_for_work(self, seconds: float, stopping: threading.Event) -> None:
        """Waits longer than was asked for: the server says when there is something, and a request costs more here."""
        message = pack({"seconds": max(seconds, WAIT_SECONDS), "moment": self._moment}, OF_WORDS)
        try:
            with self._connections.answer(
                f"{self._worker_id}/wait", message, 2 * WAIT_SECONDS, lambda: not stopping.is_set()
            ) as answer:
                answer.read()
            stopping.wait(random.uniform(0, SLICE_SECONDS))  # not all workers at the same moment
        except CallError as error:
            logger.debug("not waiting: %s", error)
            stopping.wait(seconds)

    def stop_waiting(self) -> None:
        """Nothing is kept while the worker trains."""

    def claim(
        self, max_trials: int, lease_seconds: float, environment: Mapping[str, str], *, is_idle: bool
    ) -> Claim | None:
        lost_claims, self._lost_claims = self._lost_claims, self._lost_claims + 1
        limits = {"max_trials": max_trials, "lease_seconds": lease_seconds}
        facts = {"environment": environment, "is_idle": is_idle, "lost_claims": lost_claims}
        answer: ClaimAnswer = self._call("claim", **limits, **facts)
        self._lost_claims, self._moment = lost_claims, answer.moment
        return answer.claim

    def assign_params(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
        assigned_trials: list[ClaimedTrial] = []
        for start in range(0, len(trials), MAX_ASSIGNED):
            part = trials[start : start + MAX_ASSIGNED]
            assigned_trials += self._call("assign_params", sweep_id=sweep.id, trials=part)
        return assigned_trials

    def prepare_asking(self, sweep: SweepSetup, max_trials: int) -> Callable[[], None] | None:
        """The server begins at once, with the trials as they stand when this returns; what is left is to wait."""
        if traits_of(sweep.sampler).ask_ahead_from is None:
            return None
        message = pack({"sweep_id": sweep.id, "max_trials": max_trials}, OF_WORDS)
        request = f"{self._worker_id}/ask_ahead", message, SLOW_ANSWER_SECONDS
        with ExitStack() as stack:
            # of its own: its answer is read to the end in another thread
            connection = stack.enter_context(closing(self._connections.new_connection()))
            answer = stack.enter_context(self._connections.answer(*request, connection=connection))
            if not answer.readline():
                return None
            rest = stack.pop_all()

        def wait() -> None:
            with rest:
                answer.read()

        return wait

    def record(
        self,
        sweep_id: int,
        epochs_done: Mapping[Lease, int],
        points: Sequence[EpochPoint],
        lease_seconds: float,
        diagnostics: Sequence[DiagnosticsPoint] = (),
    ) -> set[int]:
        """Records in messages of so many points: what a message has written before, another does not write again."""
        held_ids: set[int] = set()
        for start in range(0, max(len(points), len(diagnostics), 1), MAX_POINTS):
            part = slice(start, start + MAX_POINTS)
            held_ids = self._record(sweep_id, epochs_done, points[part], lease_seconds, diagnostics[part])
        return held_ids

    def _record(
        self,
        sweep_id: int,
        epochs_done: Mapping[Lease, int],
        points: Sequence[EpochPoint],
        lease_seconds: float,
        diagnostics: Sequence[DiagnosticsPoint],
    ) -> set[int]:
        """Records in one message, or in halves where one can't say all."""
        leases = {
            "leases": list(epochs_done),
            "epochs_done": list(epochs_done.values()),
            "lease_seconds": lease_seconds,
        }
        try:
            held_ids: set[int] = self._call(
                "record", sweep_id=sweep_id, points=points, diagnostics=diagnostics, **leases
            )
        except OversizeError:
            half = max(len(points), len(diagnostics)) // 2
            if half == 0:
                raise
            for part in (slice(half), slice(half, None)):
                held_ids = self._record(sweep_id, epochs_done, points[part], lease_seconds, diagnostics[part])
        return held_ids

    def finish(
        self,
        sweep_id: int,
        results: Sequence[TrialResult],
        weights: Callable[[int], Mapping[int, bytes]],
        final_checkpoint: Callable[[int], TrialCheckpoint | None] | None = None,
    ) -> set[int]:
        """Sends the results alone first: the server says which weights and checkpoints it will store with them."""
        sent_weights: dict[int, Mapping[int, bytes]] = {}
        sent_checkpoints: dict[int, TrialCheckpoint | None] | None = None if final_checkpoint is None else {}
        while True:
            try:
                if _bytes_of(sent_weights, sent_checkpoints) > MAX_BLOB_BYTES:
                    raise TooLargeMessageError("the server takes no message of this size")
                sent = {"results": results, "weights": sent_weights, "checkpoints": sent_checkpoints}
                answer: FinishAnswer = self._call("finish", sweep_id=sweep_id, **sent)
            except _TOO_MUCH as error:
                if len(results) > 1:
                    return self._finish_in_halves(sweep_id, results, weights, final_checkpoint)
                if _bytes_of(sent_weights, sent_checkpoints) == 0:
                    raise
                logger.warning("sweep %d: the weights of a trial are not kept: %s", sweep_id, error)
                sent_weights = {trial_id: {} for trial_id in sent_weights}
                sent_checkpoints = None if sent_checkpoints is None else dict.fromkeys(sent_checkpoints)
                continue
            if not answer.wanted_weights and not answer.wanted_checkpoints:
                return answer.accepted_ids
            sent_weights |= {trial_id: weights(trial_id) for trial_id in answer.wanted_weights}
            if sent_checkpoints is not None and final_checkpoint is not None:
                sent_checkpoints |= {trial_id: final_checkpoint(trial_id) for trial_id in answer.wanted_checkpoints}

    def _finish_in_halves(
        self,
        sweep_id: int,
        results: Sequence[TrialResult],
        weights: Callable[[int], Mapping[int, bytes]],
        final_checkpoint: Callable[[int], TrialCheckpoint | None] | None,
    ) -> set[int]:
        """Finishes in two messages what one can't say or carry."""
        half = len(results) // 2
        first_ids, second_ids = (
            self.finish(sweep_id, part, weights, final_checkpoint) for part in (results[:half], results[half:])
        )
        return first_ids | second_ids

    def load_checkpoints(self, trial_ids: Sequence[int]) -> Mapping[int, bytes]:
        checkpoints: dict[int, bytes] = {}
        rest = list(trial_ids)
        while rest:
            answer: CheckpointsAnswer = self._call("load_checkpoints", trial_ids=rest)
            checkpoints |= answer.checkpoints
            rest = answer.rest
        return checkpoints

    def save_checkpoints(self, sweep_id: int, checkpoints: Sequence[TrialCheckpoint]) -> set[int]:
        """Leaves out what is too large to be sent: such a trial goes on from an earlier checkpoint, or begins anew."""
        sent_checkpoints = [checkpoint for checkpoint in checkpoints if len(checkpoint.data) <= MAX_BLOB_BYTES]
        try:
            return set[int](self._call("save_checkpoints", sweep_id=sweep_id, checkpoints=sent_checkpoints))
        except _TOO_MUCH as error:
            if len(sent_checkpoints) > 1:
                half = len(sent_checkpoints) // 2
                parts = sent_checkpoints[:half], sent_checkpoints[half:]
                return set[int]().union(*(self.save_checkpoints(sweep_id, part) for part in parts))
            logger.warning("sweep %d: the checkpoint of a trial is not kept: %s", sweep_id, error)
            return set()

    def values_after(self, sweep: SweepSetup, known_epochs: Mapping[int, int]) -> Mapping[int, Values]:
        """Asks for the curves of so many trials at a time."""
        values: dict[int, Values] = {}
        items = iter(known_epochs.items())
        while part := dict(islice(items, MAX_CURVES)):
            values |= self._call("values_after", sweep_id=sweep.id, known_epochs=part)
        return values

    def store_retrained(self, sweep_id: int, trial_id: int, weights: Mapping[int, bytes]) -> None:
        """Sends the weights run by run where one message can't carry all of them.

        A run's that do not come in their time are refused for this worker alone: another may have a quicker way.
        """
        try:
            if sum(map(len, weights.values())) > MAX_BLOB_BYTES:
                raise TooLargeMessageError("the server takes no message of this size")
            self._call("store_retrained", sweep_id=sweep_id, trial_id=trial_id, weights=weights)
        except (TooLargeMessageError, TooSlowMessageError) as error:
            if len(weights) == 1 and isinstance(error, TooSlowMessageError):
                raise FaultError(str(error)) from error
            if len(weights) == 1:
                raise
            for seed, content in weights.items():
                self.store_retrained(sweep_id, trial_id, {seed: content})

    def dataset_pieces(self, content_hash: str) -> Iterator[bytes]:
        path, message = f"{self._worker_id}/dataset", pack({"content_hash": content_hash}, OF_WORDS)
        with self._connections.answer(path, message) as answer:
            while piece := answer.read(READ_BYTES):
                yield piece


def _bytes_of(
    weights: Mapping[int, Mapping[int, bytes]], checkpoints: Mapping[int, TrialCheckpoint | None] | None
) -> int:
    of_weights = sum(len(content) for runs in weights.values() for content in runs.values())
    return of_weights + sum(len(checkpoint.data) for checkpoint in (checkpoints or {}).values() if checkpoint)
