"""Stored totals: what the trials of a sweep come to, without those that a worker holds."""

from decimal import Decimal

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base

_NONE = text("0")


class SweepTotals(Base):
    """Sums over the trials of a sweep that are not running, which triggers keep with each change of these.

    A running trial is counted by who reads it, so that recording its epochs changes no sum. Sums of costs are numeric:
    what was added to one is taken away to the last digit. What is summed is said in app.queries.totals.
    """

    __tablename__ = "sweep_totals"

    sweep_id: Mapped[int] = mapped_column(
        ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    waiting: Mapped[int] = mapped_column(server_default=_NONE)
    complete: Mapped[int] = mapped_column(server_default=_NONE)
    pruned: Mapped[int] = mapped_column(server_default=_NONE)
    failed: Mapped[int] = mapped_column(server_default=_NONE)
    cancelled: Mapped[int] = mapped_column(server_default=_NONE)
    infeasible: Mapped[int] = mapped_column(server_default=_NONE)
    survivor_trials: Mapped[int] = mapped_column(server_default=_NONE)
    candidates: Mapped[int] = mapped_column(server_default=_NONE, doc="For further seeds, where survivors get some.")
    epochs_done: Mapped[int] = mapped_column(server_default=_NONE)
    epochs_total: Mapped[int] = mapped_column(server_default=_NONE)
    unknown: Mapped[int] = mapped_column(server_default=_NONE, doc="Trials whose cost is not known yet.")
    unknown_done: Mapped[int] = mapped_column(server_default=_NONE, doc="Of these, what has ended.")
    unknown_left: Mapped[int] = mapped_column(server_default=_NONE, doc="Of these, what has not.")
    feasible: Mapped[int] = mapped_column(server_default=_NONE, doc="Trials of a known cost that are not infeasible.")
    feasible_cost: Mapped[Decimal] = mapped_column(server_default=_NONE)
    cost: Mapped[Decimal] = mapped_column(server_default=_NONE)
    cost_done: Mapped[Decimal] = mapped_column(server_default=_NONE)
    cost_left: Mapped[Decimal] = mapped_column(server_default=_NONE)
