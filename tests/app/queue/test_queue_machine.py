"""The queue against a plain model of the lifecycle: whatever is called in whatever order, both agree."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app import queries, queue
from app.db.engine import transaction
from app.db.tables import Sweep, Trial
from app.errors import ConflictError
from app.queue.leases import Lease
from app.schemas import SweepPatch
from app.sweeps import changes, trial_actions
from tests.support.queue_examples import (
    change,
    choose,
    claim,
    create_sweep,
    expire,
    failure,
    finish,
    heartbeat,
    let_lapse,
    new_worker,
    record,
    success,
    trials_of,
)
from tests.support.sweeps.queue_model import ATTEMPTS, LIVE, ModelSweep, ModelTrial
from tests.support.sweeps.stored_totals import BOTH, wrong_of

MAX_TRIALS = 12  # of a sweep


class QueueMachine(RuleBasedStateMachine):
    """Every write that workers and users make, on one real database."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.sweeps: dict[int, ModelSweep] = {}
        self.leases: list[tuple[int, int, Lease]] = []  # all that ever were: sweep, number, lease
        with transaction(engine) as session:
            session.execute(text("TRUNCATE sweeps, trials, workers CASCADE"))
        self.worker = new_worker(engine)

    @initialize(n_trials=st.integers(1, 4))
    def begin(self, n_trials: int) -> None:
        self.post(n_trials)

    @precondition(lambda self: len(self.sweeps) < 3)
    @rule(n_trials=st.integers(1, 4))
    def post(self, n_trials: int) -> None:
        sweep = create_sweep(self.engine, n_trials=n_trials)
        self.sweeps[sweep] = ModelSweep([ModelTrial() for _ in range(n_trials)])

    @rule(most=st.integers(1, 4))
    def claim(self, most: int) -> None:
        claimed = claim(self.engine, self.worker, most)
        by_id = {trial.id: (sweep, trial.number) for sweep in self.sweeps for trial in trials_of(self.engine, sweep)}
        waiting = {
            number: [trial for trial in sweep.trials if trial.state == "waiting"]
            for number, sweep in self.sweeps.items()
            if sweep.state in {"queued", "running"}
        }
        assert bool(claimed) == any(waiting.values())
        assert len(claimed) <= most
        places = [by_id[claimed_trial.lease.trial_id] for claimed_trial in claimed]
        assert len({sweep for sweep, _ in places}) <= 1, "a cohort is of one sweep"
        for sweep, number in places:
            trial = self.sweeps[sweep].trials[number]
            assert trial in waiting[sweep]
            poisonous = [candidate for candidate in waiting[sweep] if candidate.attempt == ATTEMPTS - 1]
            assert not poisonous or (len(claimed) == 1 and trial in poisonous), "trained alone"
        for claimed_trial, (sweep, number) in zip(claimed, places, strict=True):
            trial = self.sweeps[sweep].trials[number]
            trial.state, trial.lease, trial.epochs = "running", claimed_trial.lease, set()
            trial.attempt += 1
            self.sweeps[sweep].state, self.sweeps[sweep].started = "running", True
            self.leases.append((sweep, number, claimed_trial.lease))
        for sweep in {sweep for sweep, _ in places}:
            choose(self.engine, sweep, [trial for trial in claimed if trial.params is None])

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), epoch=st.integers(1, 2))
    def record(self, data: Any, epoch: int) -> None:
        sweep, trials = self._some_leases(data)
        held_ids = record(self.engine, sweep, list(trials), epoch)
        assert held_ids == self._held_ids(trials)
        for lease in trials:
            if lease.trial_id in held_ids:
                trials[lease].epochs.add(epoch)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def heartbeat(self, data: Any) -> None:
        _, trials = self._some_leases(data)
        assert heartbeat(self.engine, self.worker, list(trials)) == self._held_ids(trials)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), works=st.booleans())
    def finish(self, data: Any, works: bool) -> None:
        def end(trial: ModelTrial) -> None:
            trial.runs = 1
            trial.end("complete" if works else "failed")

        sweep, trials = self._some_leases(data)
        held_ids = self._held_ids(trials)
        accepted = finish(self.engine, sweep, self.worker, [(success if works else failure)(lease) for lease in trials])
        assert accepted == held_ids
        self._end(sweep, trials, end)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def expire(self, data: Any) -> None:
        sweep, trials = self._some_leases(data)
        let_lapse(self.engine, *trials)
        expire(self.engine)
        self._end(sweep, trials, ModelTrial.lose)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        def give(trial: ModelTrial) -> None:
            trial.attempt -= 1
            trial.end("waiting")

        sweep, trials = self._some_leases(data)
        with transaction(self.engine) as session:
            queue.give_back(session, sweep, list(trials))
        self._end(sweep, trials, give)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def fail_attempt(self, data: Any) -> None:
        sweep, trials = self._some_leases(data)
        with transaction(self.engine) as session:
            queue.fail_attempt(session, sweep, list(trials), "an error")
        self._end(sweep, trials, ModelTrial.lose)

    @rule(data=st.data(), call=st.sampled_from(["pause", "resume", "stop", "cancel"]))
    def change(self, data: Any, call: str) -> None:
        sweep, model = self._some_sweep(data)
        self._both_do(lambda: change(self.engine, sweep, call), lambda: model.call(call))

    @rule(data=st.data())
    def retry(self, data: Any) -> None:
        def expected() -> None:
            if trial.state in LIVE:
                return
            if trial.state == "complete":
                raise ConflictError("it has a result")
            model.reopen()
            trial.state, trial.attempt, trial.runs, trial.epochs = "waiting", 0, 0, set()

        sweep, model = self._some_sweep(data)
        number, trial = self._some_trial(data, model)
        self._both_do(lambda: self._act(trial_actions.retry, sweep, number), expected)

    @rule(data=st.data())
    def cancel_trial(self, data: Any) -> None:
        def expected() -> None:
            if trial.state not in LIVE | {"cancelled"}:
                raise ConflictError("it has ended")
            if trial.state in LIVE:
                trial.end("cancelled")
                model.settle()

        sweep, model = self._some_sweep(data)
        number, trial = self._some_trial(data, model)
        self._both_do(lambda: self._act(trial_actions.cancel, sweep, number), expected)

    @rule(data=st.data(), excluded=st.booleans())
    def exclude(self, data: Any, excluded: bool) -> None:
        sweep, model = self._some_sweep(data)
        number, trial = self._some_trial(data, model)
        self._act(trial_actions.set_excluded, sweep, number, excluded)
        trial.excluded = excluded

    @rule(data=st.data())
    def enqueue(self, data: Any) -> None:
        def expected() -> None:
            model.reopen()
            model.trials.append(ModelTrial())

        sweep, model = self._some_sweep(data)
        if len(model.trials) < MAX_TRIALS:
            params = {"hidden_units": 40 + len(model.trials)}
            self._both_do(lambda: self._act(trial_actions.enqueue, sweep, params), expected)

    @rule(data=st.data(), count=st.integers(1, 2))
    def extend(self, data: Any, count: int) -> None:
        def expected() -> None:
            model.reopen()
            model.trials += [ModelTrial() for _ in range(count)]

        sweep, model = self._some_sweep(data)
        if len(model.trials) < MAX_TRIALS:
            body = SweepPatch.model_validate({"n_trials": len(model.trials) + count})
            self._both_do(lambda: self._act(changes.change, sweep, body), expected)

    @invariant()
    def agree(self) -> None:
        """Rows are as the model says, and so are counts, results and curves; stored totals are those of the rows.

        A trial that has had no worker has no curve either, so no claim has to look for one.
        """
        with transaction(self.engine) as session:
            assert wrong_of(session.execute(text(BOTH)).all()) == []
            assert not session.scalar(_LATER_OF_NOBODY)
            for sweep, model in self.sweeps.items():
                self._agree_on(session, sweep, model)

    def _agree_on(self, session: Session, sweep: int, model: ModelSweep) -> None:
        rows = session.scalars(select(Trial).where(Trial.sweep_id == sweep).order_by(Trial.number)).all()
        assert session.get_one(Sweep, sweep).state == model.state
        assert [(row.state, row.attempt, row.excluded) for row in rows] == [
            (trial.state, trial.attempt, trial.excluded) for trial in model.trials
        ]
        assert [row.lease_token for row in rows] == [
            trial.lease.token if trial.lease else None for trial in model.trials
        ]
        counts = queries.summary(session, sweep).counts.model_dump()
        measured = session.execute(_MEASURED, {"sweep": sweep}).all()
        states = [trial.state for trial in model.trials]
        assert counts == {state: states.count(state) for state in counts}
        assert [(runs, set(epochs)) for runs, epochs in measured] == [
            (trial.runs, trial.epochs) for trial in model.trials
        ]

    def _some_leases(self, data: Any) -> tuple[int, dict[Lease, ModelTrial]]:
        """Some leases of one sweep, also ones that are long lost, in any order."""
        sweep = data.draw(st.sampled_from(sorted({sweep for sweep, _, _ in self.leases})))
        leases = [(number, lease) for sweep_id, number, lease in self.leases if sweep_id == sweep]
        drawn_leases = data.draw(
            st.lists(st.sampled_from(leases), min_size=1, max_size=4, unique_by=lambda lease: lease[0])
        )
        return sweep, {lease: self.sweeps[sweep].trials[number] for number, lease in drawn_leases}

    def _held_ids(self, trials: dict[Lease, ModelTrial]) -> set[int]:
        return {lease.trial_id for lease, trial in trials.items() if trial.lease == lease}

    def _end(self, sweep: int, trials: dict[Lease, ModelTrial], how: Callable[[ModelTrial], None]) -> None:
        """What the holder of these leases did to its trials; the lost ones stay as they are."""
        for lease, trial in trials.items():
            if trial.lease == lease:
                how(trial)
        self.sweeps[sweep].settle()

    def _some_sweep(self, data: Any) -> tuple[int, ModelSweep]:
        sweep = data.draw(st.sampled_from(sorted(self.sweeps)))
        return sweep, self.sweeps[sweep]

    def _some_trial(self, data: Any, model: ModelSweep) -> tuple[int, ModelTrial]:
        number = data.draw(st.integers(0, len(model.trials) - 1))
        return number, model.trials[number]

    def _act(self, action: Callable[..., object], *arguments: object) -> None:
        with transaction(self.engine) as session:
            action(session, *arguments)

    def _both_do(self, real: Callable[[], object], model: Callable[[], object]) -> None:
        """Both do it, or both refuse."""
        assert _refused(real) == _refused(model)


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except ConflictError:
        return True
    return False


_LATER_OF_NOBODY = text("""
    SELECT EXISTS (SELECT FROM trials t JOIN epochs e ON e.trial_id = t.id WHERE t.worker_id IS NULL)
""")
_MEASURED = text("""
    SELECT (SELECT count(*) FROM runs WHERE trial_id = t.id),
           ARRAY(SELECT epoch FROM epochs WHERE trial_id = t.id ORDER BY epoch)
    FROM trials t WHERE sweep_id = :sweep ORDER BY number
""")


def test_the_queue_does_what_the_model_does(engine: Engine) -> None:
    """Claims, results, lapses, calls on sweeps and trials in any order, with current and with lost leases."""
    run_state_machine_as_test(
        lambda: QueueMachine(engine),  # type: ignore[arg-type]  # a factory will do
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=[*HealthCheck],
        ),
    )
