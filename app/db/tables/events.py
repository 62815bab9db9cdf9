"""What is told to webhooks, and what is counted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, stored_enum
from app.domain.states import SweepState


class WebhookDelivery(Base):
    """A change of a sweep's state that its webhook is to be told; made by a trigger in the change's own transaction.

    It waits while `next_attempt_at` is set, is delivered with `delivered_at`, and was given up with neither.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("delivered_at IS NULL OR next_attempt_at IS NULL", name="delivered_is_done"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index("ix_webhook_deliveries_sweep_id_id", "sweep_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    delivery: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"), doc="The same in each attempt.")
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"))
    state: Mapped[SweepState] = mapped_column(stored_enum(SweepState, "sweep_state"), doc="What the sweep became.")
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    body: Mapped[str | None] = mapped_column(doc="What is sent, written with the first attempt.")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    delivered_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(doc="The last answer's.")
    error: Mapped[str | None] = mapped_column(doc="Why the last attempt failed.")


class Counter(Base):
    """A number of events since the database was made, which no row tells any more."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
