"""Perceptune from Python: make sweeps, wait for them, and take home trials, charts and models."""

from perceptune._models import (
    Best,
    Counts,
    DatasetDetail,
    DatasetOut,
    DatasetPreview,
    EpochOut,
    LogEntryOut,
    SweepOut,
    SweepPreview,
    TrialOut,
)
from perceptune.client import AsyncClient, Client
from perceptune.errors import (
    BusyError,
    ConflictError,
    FieldProblem,
    ForbiddenError,
    InvalidError,
    ModelFileError,
    NotFoundError,
    PerceptuneError,
    ProblemError,
    UnauthorizedError,
    UnreachableError,
)
from perceptune.model_file import Model
from perceptune.sweep import AsyncSweep, Sweep

__all__ = [
    "AsyncClient",
    "AsyncSweep",
    "Best",
    "BusyError",
    "Client",
    "ConflictError",
    "Counts",
    "DatasetDetail",
    "DatasetOut",
    "DatasetPreview",
    "EpochOut",
    "FieldProblem",
    "ForbiddenError",
    "InvalidError",
    "LogEntryOut",
    "Model",
    "ModelFileError",
    "NotFoundError",
    "PerceptuneError",
    "ProblemError",
    "Sweep",
    "SweepOut",
    "SweepPreview",
    "TrialOut",
    "UnauthorizedError",
    "UnreachableError",
]
