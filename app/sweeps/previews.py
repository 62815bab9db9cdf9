"""Previews: how large a sweep would be and how long it would take, before it is posted."""

from itertools import islice
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import datasets
from app.domain.comparisons.survivors import places
from app.domain.datasets import SPLITS, DatasetInfo
from app.domain.devices.kinds import DeviceKind
from app.domain.formatting import plural
from app.domain.memory import ESTIMATE_SLACK
from app.domain.sampling import traits_of
from app.domain.space import Space, largest_trial, parse_constraints, runs_in_memory
from app.domain.tasks import TASKS
from app.queries.standing.warnings import no_device
from app.queue.workers import IN_ONE_LEG_SQL, IS_LIVE_SQL, KIND_SQL, NEWEST_ENDED_SQL, largest_memory
from app.schemas import SweepCreate, SweepPreview
from app.search.samplers import AskSeed
from app.search.search import Search
from app.sweeps import advice, body_checks, warm_starts

MAX_COSTED = 500  # cells of a grid whose costs are added up; of more, the mean of so many counts
QUICKLY_COSTED = 100  # the same while somebody waits for the sweep to be stored
LEAST_SECONDS = 5  # that workers of a kind must have trained before it tells their speed: the first ones are warm-up


class Budget(NamedTuple):
    """What a checked body would train."""

    body: SweepCreate
    space: Space
    n_trials: int
    dataset: DatasetInfo


class Speed(NamedTuple):
    """How fast all live workers together train."""

    workers: int
    trials: int  # from which the speed is known
    per_second: float | None  # of cost and examples; None where no such workers have trained for long enough


def preview(session: Session, body: SweepCreate, speed: Speed | None = None) -> SweepPreview:
    """Size, memory and time of the sweep that this body would make; nothing is stored. Raises InvalidError.

    `speed` is that of the workers, where it has been measured already.
    """
    dataset = datasets.get_named(session, body.dataset)
    body = body_checks.with_objective(body, dataset)
    space, n_trials = body_checks.check_body(body, dataset)
    parameters, memory = _largest(body, space, dataset)
    speed = speed or measured_speed(session, body.device)
    seconds = _trial_seconds(Budget(body, space, n_trials, dataset), speed, MAX_COSTED)
    max_survivors = 0 if body.survivor_seeds is None else places(n_trials, is_final=True)
    trainings = n_trials * body.first_seeds + max_survivors * ((body.survivor_seeds or 0) - body.first_seeds)
    estimated_seconds = None if seconds is None else seconds * trainings / body.first_seeds
    return SweepPreview(
        n_trials=n_trials,
        cells=n_trials if traits_of(body.sampler.name).enumerates else None,
        trainings=trainings,
        survivors=max_survivors or None,
        warm_started=warm_starts.preview(session, body, space, n_trials),
        parameters=int(parameters),
        memory=int(memory),
        estimated_seconds=estimated_seconds,
        estimate=_timing_explanation(body, speed) if TASKS[body.task].is_timing else _explanation(body, speed),
        warnings=[*_lacking(session, body, speed, memory), *advice.warnings(body, space, n_trials, estimated_seconds)],
    )


def _largest(body: SweepCreate, space: Space, dataset: DatasetInfo) -> tuple[float, float]:
    """Parameters of the largest model, and the bytes that its runs take; nothing where no network is trained."""
    if not TASKS[body.task].takes_data:
        return 0, 0
    max_parameters = parse_constraints(body.constraints, space, dataset.shape).max_parameters()
    return largest_trial(space, dataset.shape, runs_in_memory(space, body.first_seeds), max_parameters)


def trial_seconds(session: Session, budget: Budget) -> float | None:
    """Seconds that a trial will take on all live workers together, None where nobody knows; a quick estimate."""
    return _trial_seconds(budget, measured_speed(session, budget.body.device), QUICKLY_COSTED)


def _trial_seconds(budget: Budget, speed: Speed, max_costed: int) -> float | None:
    """Those of the mean trial. One that is timed has the machine for itself, and costs seconds."""
    if TASKS[budget.body.task].is_timing:
        return _mean_cost(budget, max_costed) if speed.workers else None
    if speed.per_second is None:
        return None
    return _mean_cost(budget, max_costed) * budget.dataset.train_examples(budget.body.split) / speed.per_second


def measured_speed(session: Session, device: DeviceKind | None = None) -> Speed:
    """The speed of the live workers, or those with such a device, by what they, or ones like them before, have trained.

    A worker trains many trials at once: its seconds are those in which any of them was in training.
    """
    kinds = [(dataset, split) for dataset in datasets.catalogue(session).values() for split in SPLITS]
    sizes = {
        "datasets": [dataset.name for dataset, _ in kinds],
        "splits": [split for _, split in kinds],
        "examples": [dataset.train_examples(split) for dataset, split in kinds],
    }
    row = session.execute(_SPEED, sizes | {"device": device}).one()
    return Speed(row.workers, row.trials, row.per_second)


def _mean_cost(budget: Budget, max_costed: int) -> float:
    """The cost of a trial, all its runs together, as the mean of a part of the trials: the task says in what."""
    body, space, n_trials, dataset = budget
    if traits_of(body.sampler.name).enumerates:
        configurations = list(islice(space.grid(), 0, None, -(-n_trials // max_costed)))
    else:
        search = Search(space, {"name": "random"})
        count = min(n_trials, max_costed // 5)
        configurations = [search.ask(AskSeed(body.seed, number)) for number in range(count)]
    costs = [TASKS[body.task].cost(params, dataset) for params in configurations]
    return body.first_seeds * sum(costs) / len(costs)


def _lacking(session: Session, body: SweepCreate, speed: Speed, memory: float) -> list[str]:
    """That no worker has the device that the body asks for, or the memory that its largest trial takes."""
    if not speed.workers:
        return [] if body.device is None else [no_device(body.device)]
    free = largest_memory(session, body.device)
    if TASKS[body.task].is_timing or memory <= ESTIMATE_SLACK * free:
        return []
    return [
        f"Its largest trial takes up to {memory / 2**20:,.0f} MiB, and no worker that is connected for it has more "
        f"than {free / 2**20:,.0f} MiB free: it will fail, unless one is connected that has."
    ]


def _nobody(body: SweepCreate) -> str:
    """That no worker is there by which time could be told."""
    wish = "" if body.device is None else f" with the device {body.device}"
    return f"No worker{wish} is connected, so nobody knows how long it takes."


def _timing_explanation(body: SweepCreate, speed: Speed) -> str:
    """The same of a sweep that times."""
    if not speed.workers:
        return _nobody(body)
    return "Roughly, as an ordinary core would take; what is timed runs alone on its machine."


def _explanation(body: SweepCreate, speed: Speed) -> str:
    """Says from what the time is estimated, or why it is not."""
    if not speed.workers:
        return _nobody(body)
    if speed.per_second is None:
        return (
            f"How long it takes can be told once workers like those that are connected have trained for "
            f"{LEAST_SECONDS} seconds."
        )
    trials, workers = plural(speed.trials, "trial"), plural(speed.workers, "connected worker")
    return f"By the speed of {trials} that finished before, on {workers} with no other sweep beside it."


_SPEED = text(f"""
    WITH live AS (
        SELECT host, device FROM workers
        WHERE {IS_LIVE_SQL} AND NOT workers.draining AND (CAST(:device AS text) IS NULL OR {KIND_SQL} = :device)
    ), past AS (
        SELECT w.id, w.host, w.device, tstzrange(t.started_at, t.finished_at) AS period,
               t.cost * least(1, t.epochs_done / CAST(t.epochs_total AS float8)) * size.examples AS work
        FROM {NEWEST_ENDED_SQL} AS t
        JOIN workers w ON w.id = t.worker_id
        JOIN sweeps s ON s.id = t.sweep_id
        JOIN unnest(CAST(:datasets AS text[]), CAST(:splits AS text[]), CAST(:examples AS int[]))
             AS size(dataset, split, examples) ON size.dataset = s.dataset AND size.split = s.split
        WHERE s.task = 'train_mlp' AND t.epochs_done > 0 AND t.finished_at > t.started_at
          AND {IN_ONE_LEG_SQL}
          AND (w.host, w.device) IN (SELECT host, device FROM live)
    ), past_workers AS (
        SELECT host, device, count(*) AS trials, sum(work) AS work,
               (SELECT sum(extract(epoch FROM upper(period) - lower(period)))
                FROM unnest(range_agg(past.period)) AS period) AS seconds
        FROM past GROUP BY id, host, device
    ), kinds AS (
        SELECT host, device, sum(trials) AS trials, CAST(sum(work) / sum(seconds) AS float8) AS speed
        FROM past_workers GROUP BY host, device HAVING sum(seconds) >= {LEAST_SECONDS}
    )
    SELECT (SELECT count(*) FROM live) AS workers,
           (SELECT CAST(coalesce(sum(trials), 0) AS bigint) FROM kinds) AS trials,
           (SELECT sum(coalesce(speed, (SELECT avg(speed) FROM kinds))) FROM live LEFT JOIN kinds USING (host, device))
               AS per_second
""")
