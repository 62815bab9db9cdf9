"""Writes the trials of a sweep as runs of W&B, by its own client: to its service, or as files for `wandb sync`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from perceptune.errors import WandbError, in_short
from perceptune.exports.trial_runs import MODEL_FILE, NOTE_TAG, SweepRuns, TrialRun

ID_LENGTH = 16  # of a run


class WandbExport(NamedTuple):
    """What became of an export."""

    project: str
    runs: int
    """That were written."""
    places: list[str]
    """Of each run its folder, where it was written as files, else its address."""
    has_model: bool
    """Whether the best run has its network."""


def require_wandb() -> None:
    """Raises ModuleNotFoundError, with what to do, where W&B's client is not installed."""
    try:
        import wandb  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "wandb":
            raise
        raise ModuleNotFoundError(
            "An export to W&B needs its client: pip install 'perceptune[wandb]'", name="wandb"
        ) from None


def write(sweep: SweepRuns, project: str, *, offline: bool, folder: str | os.PathLike[str] | None) -> WandbExport:
    """Writes the sweep into a project; offline as files, in this folder or in the present one. Raises WandbError."""
    import wandb

    try:
        places = [_write_run(wandb, run, sweep, project, offline, folder) for run in sweep.runs]
    except (wandb.Error, ValueError, OSError) as error:
        advice = "" if offline else "; offline it writes files for `wandb sync`"
        raise WandbError(f"W&B's client can't write {project}: {in_short(error)}{advice}") from None
    return WandbExport(project, len(places), places, any(run.model is not None for run in sweep.runs))


def _write_run(
    wandb: Any, run: TrialRun, sweep: SweepRuns, project: str, offline: bool, folder: str | os.PathLike[str] | None
) -> str:
    """Writes one run, and gives back where it is."""
    stored = wandb.init(
        project=project,
        id=run_id(sweep, run),
        name=f"trial {run.number}",
        group=sweep.name,
        config=run.configuration | {"perceptune": _facts(run)},
        tags=[*(["best"] if run.is_best else []), run.state],
        notes=run.tags.get(NOTE_TAG, ""),
        dir=folder,
        mode="offline" if offline else None,
        reinit="create_new",  # whatever other run the caller has
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,  # and nothing else of this machine
            save_code=False,
            x_save_requirements=False,
            x_disable_stats=True,
            x_disable_meta=True,
        ),
    )
    exit_code = 1
    try:
        by_epoch = attrgetter("step")
        for epoch, points in groupby(sorted(run.points, key=by_epoch), by_epoch):
            stored.log({point.name: point.value for point in points}, step=epoch)
        if run.model is not None:
            _log_model(wandb, stored, run.model)
        exit_code = int(run.state == "failed")  # one that was pruned ended as it should
        return str(Path(stored.dir).parent if stored.offline else stored.url)
    finally:  # else W&B takes one that could not be written for one that goes on
        stored.finish(exit_code=exit_code)


def run_id(sweep: SweepRuns, run: TrialRun) -> str:
    """The same for the same trial, so that it is the same run however often it is sent."""
    return hashlib.sha256(f"{sweep.identity} {run.number}".encode()).hexdigest()[:ID_LENGTH]


def _facts(run: TrialRun) -> dict[str, str]:
    """What is known of the trial beside its configuration."""
    return {name.removeprefix("perceptune."): text for name, text in run.tags.items() if name != NOTE_TAG}


def _log_model(wandb: Any, stored: Any, model: bytes) -> None:
    artifact = wandb.Artifact(f"network-{stored.id}", type="model")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        path.write_bytes(model)
        artifact.add_file(str(path))  # which copies it
        stored.log_artifact(artifact)
