"""The caller of a request: its name and its role."""

from dataclasses import dataclass

from app.domain.people.roles import Role


@dataclass(frozen=True)
class Caller:
    """Who calls, as far as a key tells."""

    name: str | None
    """Of the key; None where the server needs none."""
    role: Role
    key_id: int | None = None
    """Of the key's row; None for the key of the environment."""
    has_session: bool = False
    """Whether a browser has logged in, and can log out."""


ANYONE = Caller(None, Role.admin)  # where no key is needed

ENVIRONMENT_KEY = "PERCEPTUNE_API_KEY"
