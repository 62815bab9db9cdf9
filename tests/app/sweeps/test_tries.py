import pytest
from sqlalchemy import Engine

from app.db.engine import transaction
from app.db.tables import Sweep, Trial
from app.domain.formatting import setting
from app.domain.tasks import TASKS
from app.errors import ConflictError, InvalidError
from app.exercises.exercise import Exercise
from app.exercises.registry import EXERCISES
from app.sweeps.exercises import results, runs, tries
from tests.support.queue_examples import claim, finish, new_worker, record, success

ALL = pytest.mark.parametrize("entry", EXERCISES.values(), ids=lambda entry: str(entry.number))


def end_trials(engine: Engine) -> None:
    """Ends all trials that are claimed with parameters, as a worker would; those without are left running."""
    worker = new_worker(engine)
    while (claimed := claim(engine, worker)) and claimed[0].params is not None:
        with transaction(engine) as session:
            sweep = session.get_one(Sweep, session.get_one(Trial, claimed[0].lease.trial_id).sweep_id)
            number, trains = sweep.id, not TASKS[sweep.task].is_timing
        if trains:
            record(engine, number, [trial.lease for trial in claimed])
        finish(engine, number, worker, [success(trial.lease, 0.5 + trial.number / 1000) for trial in claimed])


@ALL
def test_a_reader_tries_both_ends_of_every_slider(engine: Engine, entry: Exercise) -> None:
    """Each value is trained or timed as in the run, and its point is where it belongs on the slider's chart."""
    slider = entry.slider
    assert slider is not None
    with transaction(engine) as session:
        run_id = runs.start(session, entry.number, "quick").id
    end_trials(engine)
    ends = (slider.values[0], slider.values[-1])
    with transaction(engine) as session:
        for value in ends:
            sweep = tries.add(session, runs.get(session, entry.number, run_id), value)
        assert sweep.seeds == 1
    end_trials(engine)
    with transaction(engine) as session:
        (figure,) = results.figures(session, runs.get(session, entry.number, run_id), slider.chart)
        *_, points = figure.data
    assert points.name == "tried here, one run each"
    assert set(points.x) == set(ends)
    assert all(setting(value) in " ".join(points.text) for value in ends)
    assert figure.layout.xaxis.tickvals is None or set(ends) <= set(figure.layout.xaxis.tickvals)


@pytest.mark.parametrize("number", [5, 8])
def test_what_varies_the_best_needs_a_best(engine: Engine, number: int) -> None:
    """Before the first result there is nothing whose rate could be changed."""
    with transaction(engine) as session:
        run = runs.start(session, number, "quick")
        with pytest.raises(ConflictError, match="wait for the first"):
            tries.add(session, run, 0.2)


def test_later_tries_are_like_the_first(engine: Engine) -> None:
    """What else it was trained with stays, though a better activation may have come out meanwhile."""
    with transaction(engine) as session:
        run_id = runs.start(session, 8, "quick").id
    end_trials(engine)
    with transaction(engine) as session:
        run = runs.get(session, 8, run_id)
        sweep = tries.add(session, run, 0.2)
        sweep.space = sweep.space | {"activation": "tanh"}
        session.flush()
        assert tries.add(session, run, 0.4).space["activation"] == "tanh"


@pytest.mark.parametrize("value", [10**400, -(10**4000), "x" * 100_000])
def test_a_value_that_no_slider_has_is_refused(engine: Engine, value: object) -> None:
    """In one sentence, however many digits or letters it has."""
    with transaction(engine) as session:
        run = runs.start(session, 1, "quick")
        with pytest.raises(InvalidError) as refusal:
            tries.add(session, run, value)
    assert len(refusal.value.detail) < 300
