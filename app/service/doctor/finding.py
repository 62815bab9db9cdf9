"""What the doctor found out about one thing."""

import enum
from typing import NamedTuple


class Level(enum.StrEnum):
    """How bad it is."""

    ok = "ok"
    warn = "warn"
    fail = "fail"


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and what to do where it is not well."""

    subject: str
    level: Level
    text: str


def ok(subject: str, text: str) -> Finding:
    """It is well."""
    return Finding(subject, Level.ok, text)


def warn(subject: str, text: str) -> Finding:
    """It works, but may not for long."""
    return Finding(subject, Level.warn, text)


def fail(subject: str, text: str) -> Finding:
    """It does not work."""
    return Finding(subject, Level.fail, text)
