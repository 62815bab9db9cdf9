"""Worker processes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, stored_enum
from app.domain.devices.products import EXACT, Products
from app.domain.states import WorkerState


class Worker(Base):
    """One trainer process: where it runs and when it was last heard of."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]
    threads: Mapped[int]
    memory: Mapped[int] = mapped_column(doc="Bytes of memory of the device.")
    products: Mapped[Products] = mapped_column(
        Text, server_default=EXACT, doc="That it trains sweeps with which it begins; exact ones it computes as well."
    )
    state: Mapped[WorkerState] = mapped_column(stored_enum(WorkerState, "worker_state"), server_default="idle")
    trials_done: Mapped[int] = mapped_column(server_default=text("0"))
    over_http: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="It takes its work from a server, and does not reach the database."
    )
    draining: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="It hands its trials back, and claims none."
    )
    training_rate: Mapped[float] = mapped_column(
        server_default=text("0"),
        doc="Training examples a second, one for each network, between its last two heartbeats.",
    )
    speed: Mapped[float | None] = mapped_column(
        doc="Cost that it trains a second, smoothed; null where neither it nor one like it was measured."
    )
    lost_claims: Mapped[int] = mapped_column(
        server_default=text("0"), doc="Claims that it gave up without an answer; those begun before count no more."
    )
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen: Mapped[datetime] = mapped_column(server_default=func.now())
