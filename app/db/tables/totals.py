"""Stored totals: what the trials of a sweep come to, so that nobody has to read them for it."""

from decimal import Decimal

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base

_NONE = text("0")


class SweepTotals(Base):
    """Sums over the trials of a sweep, which triggers keep with each change of these.

    Of running ones there is only how many they are and what they cost: for all else they are counted by who reads it,
    so that recording their epochs changes no sum. Ready is what waits for a worker, and not at a rung. Sums of costs
    are numeric: what was added to one is taken away to the last digit. What is summed is said in app.queries.totals.
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
    running: Mapped[int] = mapped_column(server_default=_NONE)
    running_known: Mapped[int] = mapped_column(server_default=_NONE, doc="Of these, what has a cost.")
    ready: Mapped[int] = mapped_column(server_default=_NONE)
    ready_known: Mapped[int] = mapped_column(server_default=_NONE, doc="Of these, what has a cost.")
    ready_for_any: Mapped[int] = mapped_column(server_default=_NONE, doc="Of these, what was too large for no worker.")
    running_cost: Mapped[Decimal] = mapped_column(server_default=_NONE)
    ready_cost: Mapped[Decimal] = mapped_column(server_default=_NONE)
