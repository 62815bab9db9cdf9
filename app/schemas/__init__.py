"""The bodies of requests and responses.

Accuracies are fractions in [0, 1], durations seconds, times ISO 8601 in UTC.
"""

from app.schemas.access import KeyCreate, KeyOut, LogEntryOut, NewKey, NewShare, ShareCreate, ShareOut
from app.schemas.base import Page, Problem
from app.schemas.changes import SweepPatch, SweepPreview
from app.schemas.datasets import DatasetDetail, DatasetOut, DatasetPreview, UploadOptions
from app.schemas.exercises import (
    AnswerOut,
    ExerciseOut,
    ExerciseRunCreate,
    ExerciseRunItem,
    ExerciseRunOut,
    ExerciseTry,
    ExerciseWithRun,
)
from app.schemas.models import ModelOut, Prediction, PredictionOut, PredictionRequest
from app.schemas.reruns import (
    ContinuedTrials,
    ContinueTop,
    ContinueTrial,
    NotContinued,
    RerunTop,
    RerunTrial,
    RerunTrials,
)
from app.schemas.settings.samplers import GridSampler, RandomSampler, Sampler, TPESampler
from app.schemas.settings.seeds import SurvivorSeeds
from app.schemas.settings.stop import StopRules
from app.schemas.settings.warm_starts import LeftOut, WarmStarted
from app.schemas.settings.webhooks import DeliveryOut, Webhook, WebhookOut
from app.schemas.sweeps import Best, Counts, EpochCounts, Objective, OneObjective, ScoreOut, SweepCreate, SweepOut
from app.schemas.system import ChartOut, ReadyOut, WorkerOut
from app.schemas.trials import (
    AttemptOut,
    Circumstances,
    DiagnosticsOut,
    EpochOut,
    Metrics,
    RunOut,
    TrialCreate,
    TrialOut,
    TrialPatch,
)

__all__ = [
    "AnswerOut",
    "AttemptOut",
    "Best",
    "ChartOut",
    "Circumstances",
    "ContinueTop",
    "ContinueTrial",
    "ContinuedTrials",
    "Counts",
    "DatasetDetail",
    "DatasetOut",
    "DatasetPreview",
    "DeliveryOut",
    "DiagnosticsOut",
    "EpochCounts",
    "EpochOut",
    "ExerciseOut",
    "ExerciseRunCreate",
    "ExerciseRunItem",
    "ExerciseRunOut",
    "ExerciseTry",
    "ExerciseWithRun",
    "GridSampler",
    "KeyCreate",
    "KeyOut",
    "LeftOut",
    "LogEntryOut",
    "Metrics",
    "ModelOut",
    "NewKey",
    "NewShare",
    "NotContinued",
    "Objective",
    "OneObjective",
    "Page",
    "Prediction",
    "PredictionOut",
    "PredictionRequest",
    "Problem",
    "RandomSampler",
    "ReadyOut",
    "RerunTop",
    "RerunTrial",
    "RerunTrials",
    "RunOut",
    "Sampler",
    "ScoreOut",
    "ShareCreate",
    "ShareOut",
    "StopRules",
    "SurvivorSeeds",
    "SweepCreate",
    "SweepOut",
    "SweepPatch",
    "SweepPreview",
    "TPESampler",
    "TrialCreate",
    "TrialOut",
    "TrialPatch",
    "UploadOptions",
    "WarmStarted",
    "Webhook",
    "WebhookOut",
    "WorkerOut",
]
