"""What workers need: torch, devices and data sets, as a process of theirs sees them."""

import json
import subprocess
import sys
from collections.abc import Iterator

from app.config import Settings
from app.service.doctor.finding import Finding, fail, ok, warn

SECONDS = 120


def findings(settings: Settings) -> Iterator[Finding]:
    """What `python -m worker --describe` says: the server's code imports no torch."""
    command = [sys.executable, "-m", "worker", "--describe", str(settings.home)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield fail("torch", f"It was not loaded within {SECONDS} s: the disk or the machine is too busy.")
        return
    if process.returncode != 0:
        last_line = (process.stderr.strip().splitlines() or ["no word why"])[-1].removeprefix("perceptune: ")
        yield warn("torch", f"No worker can run here ({last_line}). A server alone, --workers 0, can.")
        return
    description = json.loads(process.stdout)
    yield ok("torch", f"torch {description['torch']} can be loaded.")
    yield ok("devices", f"{', '.join(description['devices'])}; {description['cores']} cores.")
    folder = description["fashion_mnist"]
    if folder is None:
        yield warn("data sets", "Fashion-MNIST is not here yet: `perceptune data` fetches and checks it.")
    else:
        yield ok("data sets", f"Fashion-MNIST is in {folder}.")
