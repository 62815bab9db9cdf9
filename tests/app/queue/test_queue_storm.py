"""The queue with everything at once: no deadlock, nothing lost, nothing twice."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from threading import Event
from uuid import UUID

from sqlalchemy import Engine

from app import queue
from app.db.engine import transaction
from app.db.tables import Trial
from app.domain.states import TrialState
from app.errors import ConflictError
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from tests.support.queue_examples import (
    at_once,
    change,
    choose,
    claim,
    create_sweep,
    expire,
    finish,
    heartbeat,
    let_lapse,
    new_worker,
    record,
    runs_of,
    states,
    success,
    sweep_of,
    trials_of,
)
from tests.support.sweeps.stored_totals import wrong_totals


class Storm:
    """Everything that can happen to a few sweeps, at the same time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sweeps = [create_sweep(engine, n_trials=25) for _ in range(3)]
        self.over = Event()
        self.accepted: list[int] = []

    def worker(self, seed: int) -> Callable[[], None]:
        """Claims, records and ends trials in every way, its heartbeat beside it, until nothing waits."""
        chance, worker = random.Random(seed), new_worker(self.engine)

        def work() -> None:
            for _ in range(25):
                if claimed := claim(self.engine, worker, max_trials=6):
                    self._train(chance, worker, claimed)

        return work

    def _train(self, chance: random.Random, worker: UUID, claimed: Sequence[ClaimedTrial]) -> None:
        engine, leases = self.engine, [trial.lease for trial in claimed]
        with transaction(engine) as session:
            sweep = session.get_one(Trial, leases[0].trial_id).sweep_id
        at_once(
            [
                lambda: choose(engine, sweep, [trial for trial in claimed if trial.params is None]),
                lambda: [heartbeat(engine, worker, chance.sample(leases, len(leases))) for _ in range(4)],
                lambda: [record(engine, sweep, chance.sample(leases, len(leases)), epoch) for epoch in (1, 2)],
            ]
        )
        ends = at_once(
            [
                lambda: finish(engine, sweep, worker, [success(lease) for lease in leases[:4]]),
                lambda: heartbeat(engine, worker, leases),
            ]
        )
        self.accepted += ends[0]
        with transaction(engine) as session:
            if chance.random() < 0.5:
                queue.give_back(session, sweep, leases[4:])
            else:
                queue.fail_attempt(session, sweep, leases[4:], "an error")

    def weather(self) -> None:
        """Lapses leases, takes trials back, pauses and resumes, and at last cancels one sweep."""
        chance = random.Random(0)
        for round_ in count():
            for trial in trials_of(self.engine, chance.choice(self.sweeps)):
                if trial.lease_token and chance.random() < 0.2:
                    let_lapse(self.engine, Lease(trial.id, trial.lease_token))
            expire(self.engine)
            for call in ("pause", "resume") if round_ < 8 else ("cancel",):
                with suppress(ConflictError):  # it has ended
                    change(self.engine, self.sweeps[0], call)
            if self.over.is_set() and round_ > 8:
                return

    def watch(self) -> None:
        """Sees no revision go back."""
        revisions = dict.fromkeys(self.sweeps, 0)
        while not self.over.is_set():
            for sweep in self.sweeps:
                revision = sweep_of(self.engine, sweep).revision
                assert revision >= revisions[sweep]
                revisions[sweep] = revision


def test_a_storm_of_everything_at_once_loses_and_locks_nothing(engine: Engine) -> None:
    """Workers, heartbeats, lapses, pauses and a cancel at once: no deadlock, one result a trial, true totals."""
    storm = Storm(engine)

    def work() -> None:
        try:
            at_once([storm.worker(seed) for seed in range(4)], seconds=60)
        finally:
            storm.over.set()

    at_once([work, storm.weather, storm.watch], seconds=60)
    assert wrong_totals(engine) == []
    trials = [trial for sweep in storm.sweeps for trial in trials_of(engine, sweep)]
    finished = {trial.id for trial in trials if trial.state == TrialState.complete}
    assert len(storm.accepted) == len(set(storm.accepted))
    assert finished == set(storm.accepted)
    assert sorted(run.trial_id for sweep in storm.sweeps for run in runs_of(engine, sweep)) == sorted(finished)
    assert set(states(engine, storm.sweeps[0])) <= {"complete", "cancelled", "failed"}
