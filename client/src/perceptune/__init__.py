"""Perceptune from Python: make sweeps, wait for them, and take home trials, charts and models."""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from perceptune.search_cv import PerceptuneSearchCV as PerceptuneSearchCV

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


def __getattr__(name: str) -> Any:
    """PerceptuneSearchCV, where it is asked for: it needs scikit-learn, and nothing else does."""
    if name != "PerceptuneSearchCV":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from perceptune.search_cv import PerceptuneSearchCV
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("numpy", "sklearn"):
            raise
        sentence = "PerceptuneSearchCV needs scikit-learn: pip install 'perceptune-client[sklearn]'"
        raise ModuleNotFoundError(sentence, name=error.name) from None
    return PerceptuneSearchCV
