"""Claims: a worker takes waiting trials of one sweep, each under a lease.

What a lease is, and in which order rows are locked, is said in app.queue.leases.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app.db.tables import Sweep
from app.domain.pruning.options import HyperbandPruner, OneEpochPruner, PrunerOptions, stored_pruner
from app.domain.pruning.rules import complete_trials_needed
from app.domain.pruning.rungs import bracket_sizes, ladder, next_bracket, waits_at_rungs
from app.domain.sampling import first_batch, traits_of
from app.domain.states import SweepState
from app.domain.tasks import TASKS
from app.lifecycle.rungs import max_epochs
from app.queue import picking, statements
from app.queue.errors import RefusedError
from app.queue.leases import Lease
from app.queue.picking import PickedSweep
from app.queue.shares import GUESSED_PART
from app.queue.workers import Claimer, read_claimer

# The largest claim by the kind of device; the share of a worker is often less. It bounds what is lost with a worker,
# not what it trains at once: trained in smaller cohorts the same runs took no less time, whether the parameters of all
# fit in the cache or not (`python -m benchmarks.training.cohorts`).
MAX_CLAIMED_TRIALS = {"cpu": 64, "mps": 256, "cuda": 512}
MAX_COMPARED_TRIALS = 4_096  # together, by `one_epoch`: a sampler is asked for all of them at once

# Promoted trials go before new ones where there is one of them for so many of the largest claim: always on a CPU, whose
# epochs cost little more than their networks, and on a GPU once they fill it
# (`python -m benchmarks.claims.claim_rule`).
TRIALS_A_PROMOTED_TRIAL = 64

# Where one promoted trial is enough for a claim, no more are claimed than train in so many seconds: side by side they
# would all come to their next rung late, while the workers that come after find nothing (`python -m
# benchmarks.claims.claim_rule`).
SECONDS_TO_NEXT_RUNG = 10.0

MAX_DEVICES = 100  # that are noted of a sweep


@dataclass(frozen=True)
class ClaimedTrial:
    """A trial that this worker holds."""

    lease: Lease
    number: int
    params: dict[str, Any] | None  # None until the sampler is asked
    attempt: int
    first_seed: int = 0  # index of its first run's seed
    epochs_trained: int = 0  # of its checkpoint, from which it goes on
    rung_epoch: int | None = None  # after which its leg ends; None where it goes on to its last epoch
    is_continuation: bool = False  # it takes on the training of another trial, with that one's seeds

    @property
    def is_judged(self) -> bool:
        """Whether pruners judge it, and others by it: further seeds and more epochs say more of what is known."""
        return self.first_seed == 0 and not self.is_continuation


@dataclass(frozen=True)
class Group:
    """Waiting trials of a sweep that train as one: they stand at the same epoch, and leave at the same rung."""

    epochs_trained: int
    bracket: int | None  # of hyperband; None also before trials have one
    rungs: int  # that they have reached

    @property
    def is_new(self) -> bool:
        """Whether its trials have not trained yet."""
        return self.epochs_trained == 0 and self.rungs == 0


def claim(
    session: Session,
    worker_id: UUID,
    max_trials: int,
    lease_seconds: float,
    leave_out: Iterable[int] = (),
    lost_claims: int = 0,
) -> tuple[Sweep, list[ClaimedTrial]] | None:
    """Takes a fair share of the waiting trials of one sweep, None when nothing waits.

    It is at most `max_trials`, or 4,096 under the pruner `one_epoch`, which compares all trials of its cohort.

    The sweep is one of the highest priority, of those one with the fewest running trials, and of those the one that has
    waited longest, so that a long sweep never starves a short one. All trials stand at the same epoch. The share is the
    cost of all the sweep's live trials over the live workers that fall on it, each by its speed, where they spread over
    all sweeps that have something to claim: enqueued trials first, then the most expensive, so that all workers end
    together. A trial on its last attempt comes before all others and is trained alone, so that it takes no other trial
    down with its worker.

    Nothing is taken while another worker of the machine times, nor by a worker that is drained, nor of a sweep that
    wishes for another kind of device, or was begun with other products than exact ones and the worker's. What was too
    large for a worker is left to one with more memory, as long as such a one lives.

    Trials whose lease has run out come back through `expire`, in a transaction before this one: two workers that hold
    the locks of lapsed sweeps and come here for one more could wait for each other.

    Sweeps of which `leave_out` has the id are passed over. `lost_claims`: how many claims the worker had given up when
    it made this one. Raises UnclaimableError where a sweep is at fault, and RefusedError where the worker has given up
    this one as well: it would never know what it holds.
    """
    claimer = read_claimer(session, worker_id)
    if claimer is None:
        return None
    picked = picking.pick(session, claimer, leave_out)
    if picked is None:
        return None
    with picking.blaming(picked.sweep.id):
        return _claim_from(session, picked, claimer, max_trials, {"lease": lease_seconds, "lost_claims": lost_claims})


def _claim_from(
    session: Session, picked: PickedSweep, claimer: Claimer, max_trials: int, terms: Mapping[str, Any]
) -> tuple[Sweep, list[ClaimedTrial]] | None:
    """Takes trials of the locked sweep, None where others have taken them all."""
    sweep = picked.sweep
    group = _pick_group(session, sweep, claimer, max_trials)
    if group is None:
        return None
    max_trials = max(max_trials // GUESSED_PART, 1) if picked.share.is_guessed else max_trials
    pruner = None if sweep.pruner is None else stored_pruner(sweep.pruner)
    limit = _claim_limit(session, sweep, pruner, max_trials) if group.is_new else max_trials
    bracket = _next_bracket(picked, pruner, limit) if group.is_new else group.bracket
    parameters = {"sweep": sweep.id, "worker": claimer.id, "limit": limit, "bracket": bracket, **terms}
    rung_epoch = _rung_epoch(sweep, pruner, group, bracket)
    share_cost = picked.share.cost
    if not group.is_new:
        parameters |= {"epochs_trained": group.epochs_trained, "rungs": group.rungs}
        share_cost = min(share_cost, _quick_cost(sweep, claimer, pruner, group, rung_epoch, max_trials))
    parameters |= claimer.memories | {"mean_cost": picked.share.mean_cost, "share_cost": share_cost}
    rows = session.execute(statements.CLAIMS[group.is_new, picked.share.is_fitted], parameters).all()
    if not rows:
        return None
    if not rows[0].is_awaited:
        raise RefusedError("the worker has given this claim up")
    set_committed_value(sweep, "state", SweepState.running)
    return sweep, [_claimed(row, group, rung_epoch) for row in sorted(rows, key=lambda row: row.number)]


def _pick_group(session: Session, sweep: Sweep, claimer: Claimer, max_trials: int) -> Group | None:
    """The trials to claim from, None where another worker took them all, or a user them away, before it was locked."""
    if sweep.state not in (SweepState.queued, SweepState.running) or not claimer.may_train(sweep):
        return None
    parameters = claimer.memories | {"sweep": sweep.id, "wide": _wide(max_trials)}
    row = session.execute(statements.PICK_GROUP, parameters).one_or_none()
    return None if row is None else Group(*row)


def _wide(max_trials: int) -> int:
    """How many promoted trials go before new ones."""
    return max(max_trials // TRIALS_A_PROMOTED_TRIAL, 1)


def note_environment(sweep: Sweep, environment: Mapping[str, str]) -> None:
    """Notes with a sweep that was just claimed what its first worker computes with, and the devices of all workers.

    What is timed says itself which products it takes.
    """
    not_noted = {"device", "products"} if TASKS[sweep.task].is_timing else {"device"}
    first_environment = sweep.environment or {k: fact for k, fact in environment.items() if k not in not_noted}
    devices = first_environment.get("devices", [])
    if environment["device"] not in devices and len(devices) < MAX_DEVICES:
        sweep.environment = {**first_environment, "devices": sorted([*devices, environment["device"]])}


def _claim_limit(session: Session, sweep: Sweep, pruner: PrunerOptions | None, max_trials: int) -> int:
    """The most new trials to claim at once.

    A sampler that learns must see results before it is asked for many more. A pruner that compares with complete trials
    needs a few of them, and judges all others from the first epoch on: these train together, as without a pruner.
    `one_epoch` compares what it sees together, so it sees as much as possible.
    """
    if TASKS[sweep.task].is_timing:
        return 1  # it runs alone
    if isinstance(pruner, OneEpochPruner):
        return MAX_COMPARED_TRIALS
    complete_trials = None if pruner is None else complete_trials_needed(pruner)
    if complete_trials is None and not traits_of(sweep.sampler).learns:
        return max_trials
    results: int = session.scalars(_COUNT_RESULTS, {"sweep": sweep.id}).one()
    first = max(first_batch(sweep.sampler), complete_trials or 0, 1)
    if results >= first and not traits_of(sweep.sampler).learns:
        return max_trials
    return min(max_trials, max(first, results // 2))


def _quick_cost(
    sweep: Sweep, claimer: Claimer, pruner: PrunerOptions | None, group: Group, rung_epoch: int | None, max_trials: int
) -> float:
    """The cost of promoted trials that come to their next rung, or to their end, quickly; infinite where it is all one.

    The cost of a trial is that of its whole training.
    """
    if waits_at_rungs(pruner) is None or not claimer.speed or _wide(max_trials) > 1:
        return math.inf
    longest = max_epochs(sweep)
    epochs = max((rung_epoch or longest) - group.epochs_trained, 1)
    examples = sweep.dataset_info.train_examples(sweep.split) * sweep.seeds
    return claimer.speed * SECONDS_TO_NEXT_RUNG * longest / (epochs * examples)


def _next_bracket(picked: PickedSweep, pruner: PrunerOptions | None, limit: int) -> int | None:
    """The bracket of hyperband that new trials go to; None where trials have no bracket, or are dealt to one later."""
    halving = waits_at_rungs(pruner)
    if not isinstance(halving, HyperbandPruner):
        return None
    return next_bracket(bracket_sizes(halving, max_epochs(picked.sweep)), picked.bracket_counts, limit)


def _rung_epoch(sweep: Sweep, pruner: PrunerOptions | None, group: Group, bracket: int | None) -> int | None:
    """The epoch of the rung at which the group's leg ends; None where its trials go on to their last epoch."""
    halving = waits_at_rungs(pruner)
    if halving is None:
        return None
    longest = max_epochs(sweep)
    rungs = ladder(halving, bracket, longest)
    # it may stand at its next rung already: a worker was lost when it had stored the checkpoint there
    epoch = next(rungs.epoch_at(rung) for rung in count(group.rungs) if rungs.epoch_at(rung) >= group.epochs_trained)
    return epoch if epoch < longest else None


def _claimed(row: Row[Any], group: Group, rung_epoch: int | None) -> ClaimedTrial:
    lease = Lease(row.id, row.lease_token)
    place = (group.epochs_trained, rung_epoch, row.continued_from is not None)
    return ClaimedTrial(lease, row.number, row.params, row.attempt, row.first_seed, *place)


# How many trials of a sweep have a result: they have ended, or have come to a rung. The second condition on those that
# wait is that of the index ix_trials_between_legs.
_COUNT_RESULTS = text("""
    SELECT q.complete + q.pruned + q.failed + q.cancelled + CASE WHEN s.pruner IS NULL THEN 0 ELSE (
        SELECT count(*) FROM trials WHERE sweep_id = s.id AND state = 'running' AND rung_means <> '{}'
    ) + (
        SELECT count(*) FROM trials WHERE sweep_id = s.id AND state = 'waiting' AND rung_means <> '{}'
          AND (rung_means <> '{}' OR epochs_trained > 0)
    ) END
    FROM sweeps s JOIN sweep_totals q ON q.sweep_id = s.id WHERE s.id = :sweep
""")
