"""The rows of workers: which processes train, and which of them live."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, func, literal_column, select, text, true, update
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Worker
from app.domain.devices.kinds import DeviceKind, device_kind
from app.domain.devices.products import EXACT, Products
from app.domain.states import WorkerState
from app.errors import ConflictError, NotFoundError

SILENT_SECONDS = 60.0  # a worker not heard of for so long no longer counts
GONE_SECONDS = 600.0  # nothing is left to one not heard of for so long: it is not being started again

LARGER = 1.1  # so many times as much memory is more: what is free when workers sign on is never quite equal

# A live worker, as SQL says it of a row of `workers`.
IS_LIVE_SQL = f"""(workers.state <> 'stopped'
    AND workers.last_seen > clock_timestamp() - make_interval(secs => {SILENT_SECONDS:g}))"""

IS_LIVE = literal_column(IS_LIVE_SQL, Boolean)

# The kind of its device, as `device_kind` has it.
KIND_SQL = "(CASE WHEN workers.device IN ('cpu', 'mps') THEN workers.device ELSE 'cuda' END)"


LARGEST = ("largest_memory", "largest_of_kind", "largest_alike", "largest_of_kind_alike")  # of a claimer


@dataclass(frozen=True)
class Claimer:
    """A worker that claims, and what its claims depend on."""

    id: UUID
    kind: DeviceKind
    memory: int
    largest_memory: int
    """Of all workers that were heard of in the last ten minutes: one that is started again keeps what is left to it."""
    largest_of_kind: int
    """Of those with the same kind of device."""
    largest_alike: int
    """Of those that compute the same products."""
    largest_of_kind_alike: int
    """Of those with both."""
    products: Products
    """That it computes beside exact ones, which all do."""
    speed: float | None
    """Cost that it trains a second; None where neither it nor one like it was measured."""

    @property
    def memories(self) -> dict[str, Any]:
        """The parameters of `FITS_WORKER`."""
        return {"memory": self.memory} | {name: getattr(self, name) for name in LARGEST}

    def largest_for(self, sweep: Sweep) -> int:
        """The most memory that a worker has which may train this sweep, as this one may."""
        if sweep.products == EXACT:
            return self.largest_memory if sweep.device is None else self.largest_of_kind
        return self.largest_alike if sweep.device is None else self.largest_of_kind_alike

    def memory_of_larger(self, memory: int) -> int:
        """The least that a worker has to have for what needs so much, and did not fit here."""
        return max(memory, int(self.memory * LARGER) + 1)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of `HAS_WORK`."""
        return {"kind": self.kind, "products": self.products} | self.memories

    def may_train(self, sweep: Sweep) -> bool:
        """Whether it has the device that the sweep wishes for, and computes its products, as `MAY_TRAIN` says it."""
        return sweep.device in (None, self.kind) and sweep.products in (EXACT, self.products)


# The trials off which the speed of workers is read. What deleted sweeps have left is passed over before the limit:
# behind it there might be nothing else.
NEWEST_ENDED_SQL = """(
    SELECT * FROM trials
    WHERE state IN ('complete', 'pruned', 'failed') AND sweep_id NOT IN (SELECT sweep_id FROM deleted_sweeps)
    ORDER BY id DESC LIMIT 5000
)"""

# Of trials in several legs only the last one has times; one that ends at a rung was not in training when it ended.
IN_ONE_LEG_SQL = "t.epochs_trained = 0 AND t.rung_means = '{}'"

_CLAIMER = text(f"""
    WITH own AS MATERIALIZED (
        SELECT device, memory, products, speed, {KIND_SQL} AS kind FROM workers WHERE id = :worker AND NOT draining
    ), largest AS MATERIALIZED (
        SELECT coalesce(max(workers.memory), 0) AS largest_memory,
               coalesce(max(workers.memory) FILTER (WHERE {KIND_SQL} = own.kind), 0) AS largest_of_kind,
               coalesce(max(workers.memory) FILTER (WHERE workers.products = own.products), 0) AS largest_alike,
               coalesce(max(workers.memory) FILTER (WHERE {KIND_SQL} = own.kind AND workers.products = own.products), 0)
               AS largest_of_kind_alike
        FROM workers, own WHERE last_seen > clock_timestamp() - make_interval(secs => {GONE_SECONDS:g})
    )
    SELECT device, memory, products, speed, {", ".join(LARGEST)} FROM own, largest
""")

_FORGET_WORKERS = text("""
    DELETE FROM workers w
    WHERE w.last_seen < clock_timestamp() - interval '7 days'
      AND NOT EXISTS (SELECT FROM trials t WHERE t.worker_id = w.id)
""")


def register(session: Session, worker: Worker) -> None:
    """Writes the row of a worker that has started, once; its speed is that of the last one of its host and device."""
    like_it = select(Worker.speed).where(Worker.host == worker.host, Worker.device == worker.device)
    newest = like_it.where(Worker.speed.is_not(None)).order_by(Worker.last_seen.desc()).limit(1)
    worker.speed = session.scalar(newest)
    session.merge(worker)


def forget_workers(session: Session) -> None:
    """Removes workers that were last heard of a week ago, except those that trained a trial that is still here."""
    session.execute(_FORGET_WORKERS)


def live_workers(session: Session) -> int:
    """How many workers live: heard of lately, and not signed off."""
    return session.scalars(select(func.count()).select_from(Worker).where(IS_LIVE)).one()


def live_kinds(session: Session) -> Collection[DeviceKind]:
    """The kinds of devices that live workers have, but for those that claim nothing as they drain."""
    devices = select(Worker.device).where(IS_LIVE, ~Worker.draining).distinct()
    return {device_kind(name) for name in session.scalars(devices)}


def live_products(session: Session) -> Collection[str]:
    """The products that live workers compute, but for those that claim nothing as they drain."""
    return set(session.scalars(select(Worker.products).where(IS_LIVE, ~Worker.draining).distinct()))


def largest_memory(session: Session, kind: DeviceKind | None = None) -> int:
    """The most bytes that a live worker has, of those with such a device."""
    of_kind = true() if kind is None else literal_column(KIND_SQL) == kind
    return session.scalar(select(func.max(Worker.memory)).where(IS_LIVE, ~Worker.draining, of_kind)) or 0


def read_claimer(session: Session, worker_id: UUID) -> Claimer | None:
    """The worker as it claims; None for one that is drained, or that has not signed on."""
    row = session.execute(_CLAIMER, {"worker": worker_id}).one_or_none()
    if row is None:
        return None
    largest = {name: getattr(row, name) for name in LARGEST}
    own_row = {"memory": row.memory, "products": row.products, "speed": row.speed}
    return Claimer(id=worker_id, kind=device_kind(row.device), **own_row, **largest)


def is_draining(session: Session, worker_id: UUID) -> bool:
    """Whether the worker is to hand its trials back, and to claim none."""
    return bool(session.scalar(select(Worker.draining).where(Worker.id == worker_id)))


def set_draining(session: Session, worker_id: UUID, *, draining: bool) -> None:
    """Drains a worker, or lets it work again. Raises NotFoundError, and ConflictError for one that is gone."""
    row = session.execute(select(Worker, IS_LIVE).where(Worker.id == worker_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no worker {worker_id}.")
    worker, is_live = row
    if not is_live:
        raise ConflictError(f"Worker {worker_id} is gone: what it held goes back to the queue by itself.")
    worker.draining = draining


def note_lost_claims(session: Session, worker_id: UUID, lost_claims: int) -> bool:
    """Notes that the worker has given up so many claims, and whether that is news.

    Once this is committed, no claim comes true that was begun before: those that did already are seen.
    """
    news = update(Worker).where(Worker.id == worker_id, Worker.lost_claims < lost_claims)
    return session.scalar(news.values(lost_claims=lost_claims).returning(Worker.id)) is not None


def set_worker_state(session: Session, worker_id: UUID, state: WorkerState) -> None:
    """Writes what the worker does now, and that it was heard of."""
    session.execute(update(Worker).where(Worker.id == worker_id).values(state=state, last_seen=func.clock_timestamp()))
