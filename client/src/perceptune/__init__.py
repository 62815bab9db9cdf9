"""Perceptune from Python: make sweeps, wait for them, and take home trials, charts and models."""

from typing import TYPE_CHECKING, Any

from perceptune._async.client import AsyncClient
from perceptune._async.sweep import AsyncSweep
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
from perceptune._sync.client import Client
from perceptune._sync.sweep import Sweep
from perceptune.errors import (
    BusyError,
    ConflictError,
    DownloadError,
    FieldProblem,
    ForbiddenError,
    InvalidError,
    MlflowError,
    ModelFileError,
    NotFoundError,
    PerceptuneError,
    ProblemError,
    UnauthorizedError,
    UnreachableError,
    WandbError,
)
from perceptune.exports.mlflow_export import MlflowExport
from perceptune.exports.wandb_export import WandbExport
from perceptune.model_file import Model

if TYPE_CHECKING:
    from perceptune.search_cv import PerceptuneRegressionSearchCV as PerceptuneRegressionSearchCV
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
    "DownloadError",
    "EpochOut",
    "FieldProblem",
    "ForbiddenError",
    "InvalidError",
    "LogEntryOut",
    "MlflowError",
    "MlflowExport",
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
    "WandbError",
    "WandbExport",
]


_SEARCHES = ("PerceptuneRegressionSearchCV", "PerceptuneSearchCV")


def __getattr__(name: str) -> Any:
    """The searches, where one is asked for: they need scikit-learn, and nothing else does."""
    if name not in _SEARCHES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from perceptune import search_cv
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("numpy", "sklearn"):
            raise
        sentence = f"{name} needs scikit-learn: pip install 'perceptune-client[sklearn]'"
        raise ModuleNotFoundError(sentence, name=error.name) from None
    return getattr(search_cv, name)
