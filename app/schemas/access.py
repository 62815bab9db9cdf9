"""Keys, as they are made and listed, and what was done with them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.body import Body, Matching
from app.domain.people.log_events import LogEvent
from app.domain.people.roles import MEANINGS, Role
from app.schemas.base import UtcTime

MAX_DAYS = 3650

KeyName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60),
    Matching(r"[^\x00-\x1f\x7f]+", "one line without control characters"),
]


class KeyCreate(Body):
    """A new key: for whom, and what it may do."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada's notebook", "role": "write", "days": 90}]})

    name: KeyName = Field(description="Whose it is, or what for: what it does is logged under this name.")
    role: Annotated[Role, Field(strict=False)] = Field(
        description="; ".join(f"{role}: {meaning}" for role, meaning in MEANINGS.items()) + "."
    )
    days: int | None = Field(None, ge=1, le=MAX_DAYS, description="Until it expires; null: it does not.")


class KeyOut(BaseModel):
    """A key, without the key itself."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    role: Role
    prefix: str = Field(description="What the key begins with.")
    state: Literal["valid", "expired", "revoked"]
    created_at: UtcTime
    created_by: str | None = Field(description="Name of the key with which it was made; null where none was needed.")
    last_used_at: UtcTime | None = Field(description="To the minute.")
    expires_at: UtcTime | None
    revoked_at: UtcTime | None


class NewKey(KeyOut):
    """A key that was just made."""

    key: str = Field(description="Shown this once: `Authorization: Bearer KEY`.")


class LogEntryOut(BaseModel):
    """One entry of a sweep's log."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: UtcTime
    by: str | None = Field(description="Name of the key; null where no key was needed, or it happened by itself.")
    event: LogEvent
    trials: list[int] = Field(description="Numbers of the trials that it is about, 1,000 at most.")
    text: str = Field(description="What happened.")


class ShareCreate(Body):
    """A new link: for how long."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"days": 30}]})

    days: int = Field(30, ge=1, le=366, description="Until it expires.")


class ShareOut(BaseModel):
    """A link that shows one sweep, or one run of an exercise, without its token."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    sweep_id: int | None
    exercise_run_id: int | None
    created_at: UtcTime
    created_by: str | None = Field(description="Name of the key with which it was made.")
    expires_at: UtcTime


class NewShare(ShareOut):
    """A link that was just made."""

    token: str = Field(description="Shown this once.")
    url: str = Field(description="Where it shows it, for everybody who has this address.")
