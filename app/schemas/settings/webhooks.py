"""Webhooks: the address that changes of a sweep are sent to, and how its deliveries went."""

import base64
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.domain.body import Body, Matching
from app.domain.states import SweepState
from app.schemas.base import UtcTime


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        right = right and parts.username is None and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        right = False
    if not right:
        raise ValueError("must be an address like https://example.org/hook, in ASCII, without user and password")
    return url


def _key(secret: str) -> str:
    if secret.startswith("whsec_"):
        try:
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("must be base64 after whsec_") from None
    return secret


class Webhook(Body):
    """Where changes of the sweep's state are posted, and the secret that signs them."""

    url: Annotated[str, AfterValidator(_web_address)] = Field(
        max_length=2000, description="http or https.", examples=["https://example.org/hook"]
    )
    secret: Annotated[str, Matching(r"[\x21-\x7e]+", "printable ASCII without spaces"), AfterValidator(_key)] = Field(
        min_length=16,
        max_length=200,
        repr=False,
        description="Signs what is sent (Standard Webhooks): `whsec_` and base64, or any text. It is never shown.",
        json_schema_extra={"writeOnly": True},
    )


class WebhookOut(BaseModel):
    """Where changes of the sweep's state are posted."""

    url: str


class DeliveryOut(BaseModel):
    """One change of a sweep's state on its way to the webhook."""

    model_config = ConfigDict(from_attributes=True)

    delivery: UUID = Field(description="The header `webhook-id`, the same in each attempt.")
    event: str = Field(description="`sweep.` and the new state.")
    state: Literal["waiting", "delivered", "given_up"]
    sweep_state: SweepState
    at: UtcTime = Field(description="When the state changed.")
    attempts: int
    next_attempt_at: UtcTime | None
    delivered_at: UtcTime | None
    status: int | None = Field(description="HTTP status of the last answer.")
    error: str | None = Field(description="Why the last attempt failed.")
