"""What a run was like epoch by epoch, and what its training goes on from."""

from sqlalchemy import Float, ForeignKey, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class Epoch(Base):
    """One point of a run's learning curve; null where a figure was not finite, or is of the other kind of target."""

    __tablename__ = "epochs"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    train_loss: Mapped[float | None]
    train_accuracy: Mapped[float | None]
    val_loss: Mapped[float | None]
    val_accuracy: Mapped[float | None]
    seconds: Mapped[float]
    train_r2: Mapped[float | None]
    train_mae: Mapped[float | None]
    val_r2: Mapped[float | None]
    val_mae: Mapped[float | None]


class Diagnostics(Base):
    """What a run's network does with a fixed sample after an epoch; null where a figure was not finite.

    What each column means is said in app.domain.diagnostics.
    """

    __tablename__ = "diagnostics"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, doc="0 is before the first step.")
    dead_share: Mapped[list[float]] = mapped_column(ARRAY(Float(53)), doc="By hidden layer.")
    activation_rms: Mapped[list[float | None]] = mapped_column(ARRAY(Float(53)), doc="By layer.")
    gradient_rms: Mapped[list[float | None]] = mapped_column(ARRAY(Float(53)), doc="By layer.")
    predicted_classes: Mapped[int | None]
    top_class_share: Mapped[float | None]
    distinct_outputs: Mapped[int]
    bottleneck: Mapped[list[list[float | None]] | None] = mapped_column(
        ARRAY(Float(53), dimensions=2), doc="Quantiles by class."
    )


class Checkpoint(Base):
    """What the training of a trial goes on from: until the trial has ended, or to be trained longer."""

    __tablename__ = "checkpoints"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    epochs_done: Mapped[int] = mapped_column(doc="Recorded epochs, summed over the trial's runs.")
    data: Mapped[bytes] = mapped_column(doc="Safetensors, which only workers read: worker.legs.checkpoint.")
    is_final: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Of a complete trial, after its last epoch."
    )
    devices: Mapped[list[str] | None] = mapped_column(
        ARRAY(Text), doc="Names of those that trained up to it; null of earlier versions'."
    )
