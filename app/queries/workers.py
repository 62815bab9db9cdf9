"""Lists the workers that were heard of in the last day, what they train and how fast, and what waits for them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from app import schemas
from app.db import datasets
from app.db.tables import Worker
from app.domain.datasets import SPLITS
from app.domain.devices.kinds import DeviceKind, device_kind
from app.errors import NotFoundError
from app.lifecycle.claimable import IS_CLAIMABLE
from app.queue.workers import IN_ONE_LEG_SQL, IS_LIVE, NEWEST_ENDED_SQL

_OF_THE_ROW = set(schemas.WorkerOut.model_fields) & set(Worker.__table__.columns.keys())


def list_workers(session: Session) -> list[schemas.WorkerOut]:
    """Workers heard of in the last day, live ones first."""
    alive = IS_LIVE.label("alive")
    recent = Worker.last_seen > func.clock_timestamp() - text("interval '1 day'")
    query = select(Worker, alive).where(recent).order_by(alive.desc(), Worker.started_at.desc()).limit(200)
    rows = session.execute(query).all()
    work = _work(session, [worker.id for worker, _ in rows])
    return [_worker(worker, work.get(worker.id), is_alive=is_alive) for worker, is_alive in rows]


def get_worker(session: Session, worker_id: UUID) -> schemas.WorkerOut:
    """A worker, whenever it was heard of. Raises NotFoundError."""
    row = session.execute(select(Worker, IS_LIVE).where(Worker.id == worker_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no worker {worker_id}.")
    return _worker(row[0], _work(session, [worker_id]).get(worker_id), is_alive=row[1])


def open_trials(session: Session, most: int, kind: DeviceKind) -> int:
    """How many trials train or could be claimed now by workers with such a device, counted up to `most`."""
    return int(session.execute(_OPEN_TRIALS, {"most": most, "kind": kind}).scalar_one())


def _worker(worker: Worker, work: Row[Any] | None, *, is_alive: bool) -> schemas.WorkerOut:
    return schemas.WorkerOut(
        **{name: getattr(worker, name) for name in _OF_THE_ROW},
        device_kind=device_kind(worker.device),
        alive=is_alive,
        trials=worker.trials_done,
        sweep=work.sweep if work else None,
        sweep_name=work.sweep_name if work else None,
        running=work.running if work else 0,
        examples_per_second=work.examples_per_second if work else None,
    )


def _work(session: Session, worker_ids: list[UUID]) -> dict[UUID, Row[Any]]:
    """What workers train now, and how fast they did in the last minutes, by worker."""
    kinds = [(dataset, split) for dataset in datasets.catalogue(session).values() for split in SPLITS]
    parameters = {
        "workers": worker_ids,
        "datasets": [dataset.name for dataset, _ in kinds],
        "splits": [split for _, split in kinds],
        "examples": [dataset.train_examples(split) for dataset, split in kinds],
    }
    return {row.worker_id: row for row in session.execute(_WORK, parameters)}


# A worker trains many trials at once: its seconds are those in which any of them was in training.
_WORK = text(f"""
    WITH latest AS (
        SELECT * FROM trials WHERE state = 'running' AND worker_id = ANY(:workers)
        UNION ALL
        SELECT * FROM {NEWEST_ENDED_SQL} AS ended
        WHERE worker_id = ANY(:workers) AND finished_at > clock_timestamp() - interval '10 minutes'
    ), recent AS (
        SELECT t.worker_id, t.state, t.sweep_id, s.name,
               tstzrange(t.started_at, greatest(t.started_at, coalesce(t.finished_at, clock_timestamp()))) AS period,
               CASE WHEN s.task = 'train_mlp' AND {IN_ONE_LEG_SQL}
                    THEN CAST(t.epochs_done AS float8) * size.examples END AS examples
        FROM latest t JOIN sweeps s ON s.id = t.sweep_id
        LEFT JOIN unnest(CAST(:datasets AS text[]), CAST(:splits AS text[]), CAST(:examples AS int[]))
             AS size(dataset, split, examples) ON size.dataset = s.dataset AND size.split = s.split
        WHERE t.started_at IS NOT NULL
    ), rates AS (
        SELECT worker_id, sum(examples) AS examples,
               (SELECT sum(extract(epoch FROM upper(period) - lower(period)))
                FROM unnest(range_agg(period) FILTER (WHERE examples IS NOT NULL)) AS period) AS seconds
        FROM recent GROUP BY worker_id
    ), holds AS (
        SELECT worker_id, min(sweep_id) AS sweep, min(name) AS sweep_name, count(*) AS running
        FROM recent WHERE state = 'running' GROUP BY worker_id
    )
    SELECT rates.worker_id, holds.sweep, holds.sweep_name, coalesce(holds.running, 0) AS running,
           CAST(nullif(rates.examples, 0) / nullif(rates.seconds, 0) AS float8) AS examples_per_second
    FROM rates LEFT JOIN holds USING (worker_id)
""")

_OPEN_TRIALS = text(f"""
    SELECT count(*) FROM (
        SELECT FROM sweeps s CROSS JOIN LATERAL (
            (SELECT FROM trials t WHERE t.sweep_id = s.id AND t.state = 'running' LIMIT :most)
            UNION ALL
            (SELECT FROM trials t
             WHERE t.sweep_id = s.id AND s.state IN ('queued', 'running') AND {IS_CLAIMABLE} LIMIT :most)
        ) AS open_trials
        WHERE s.state NOT IN ('completed', 'cancelled', 'failed') AND (s.device IS NULL OR s.device = :kind) LIMIT :most
    ) AS counted
""")
