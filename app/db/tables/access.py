"""Who may look and change: keys, browsers that have logged in, and links that share."""

from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, stored_enum
from app.domain.people.roles import Role


class Key(Base):
    """A key to the server: only its hash is here. A row is never removed: once there is one, the server needs keys."""

    __tablename__ = "keys"
    __table_args__ = (Index("ix_keys_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(stored_enum(Role, "key_role"))
    prefix: Mapped[str] = mapped_column(doc="The key's first characters, to tell it from others.")
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str | None]
    last_used_at: Mapped[datetime | None] = mapped_column(doc="To the minute.")
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def state(self) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= datetime.now(UTC) else "valid"


class LoginSession(Base):
    """A browser that has logged in, with a key of the table or with that of the server's environment."""

    __tablename__ = "login_sessions"
    __table_args__ = (CheckConstraint("(key_id IS NULL) = (key_proof IS NOT NULL)", name="begun_with_a_key"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    key_id: Mapped[int | None] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    key_proof: Mapped[bytes | None] = mapped_column(doc="Of the environment's key: void when that is another.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class Share(Base):
    """A link that shows one sweep, or one run of an exercise, to whoever has it; the row goes when it is ended."""

    __tablename__ = "shares"
    __table_args__ = (CheckConstraint("(sweep_id IS NULL) <> (exercise_run_id IS NULL)", name="shows_one_thing"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"), index=True)
    exercise_run_id: Mapped[int | None] = mapped_column(ForeignKey("exercise_runs.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str | None]
    expires_at: Mapped[datetime]
