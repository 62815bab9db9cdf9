"""Which role each call needs: the one place that says it, for the API and the pages alike."""

import re

from app.access.shares import PLACE
from app.domain.people.roles import Role

# They need no key: the probes, and the page that asks for it.
_PUBLIC = {"/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz", "/login"}
_PUBLIC_BELOW = ("/static/", PLACE)  # what a link shows, the link itself is the key to

_FOR_ADMINS = ("/api/v1/keys", "/keys")
_OF_WORKERS = "/api/v1/worker/"

# Posts that change nothing of what others see.
_POSTS_THAT_READ = {"/api/v1/sweeps/preview", "/sweeps/new/preview", "/sweeps/new/fields", "/logout"}
_PREDICTION = re.compile(r"/api/v1/sweeps/\d+/trials/\d+/predict")


def needed_role(method: str, path: str) -> Role | None:
    """The role that a call needs; None where it needs no key."""
    if path in _PUBLIC or path.startswith(_PUBLIC_BELOW):
        return None
    if any(path == place or path.startswith(f"{place}/") for place in _FOR_ADMINS):
        return Role.admin
    if path.startswith(_OF_WORKERS):
        return Role.worker
    if method in {"GET", "HEAD", "OPTIONS"} or path in _POSTS_THAT_READ or _PREDICTION.fullmatch(path):
        return Role.read
    return Role.write
