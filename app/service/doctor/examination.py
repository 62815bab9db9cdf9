"""All that the doctor looks at, in order, and how it is printed."""

import json
from collections.abc import Iterator

from app.config import Settings
from app.service.doctor import machine, postgres, training
from app.service.doctor.finding import Finding, Level


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding after the other, as soon as it is there."""
    yield machine.data_folder(settings)
    yield machine.disk(settings)
    yield machine.memory()
    yield machine.port(settings)
    yield from postgres.findings(settings)
    yield from training.findings(settings)


def as_line(finding: Finding) -> str:
    """For people."""
    return f"{finding.level:<5}{finding.subject:<13}{finding.text}"


def as_json(findings: list[Finding]) -> str:
    """For programs."""
    return json.dumps(
        {"ok": not has_failed(findings), "findings": [finding._asdict() for finding in findings]}, indent=1
    )


def has_failed(findings: list[Finding]) -> bool:
    """Whether something does not work."""
    return any(finding.level == Level.fail for finding in findings)
