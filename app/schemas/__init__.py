"""Request and response bodies. Accuracies are fractions in [0, 1], durations seconds, times ISO 8601 in UTC."""

from app.schemas.base import Body, Page, Problem
from app.schemas.exercises import AnswerOut, ExerciseOut, ExerciseRunCreate, ExerciseRunOut, ExerciseWithRun
from app.schemas.models import ModelOut
from app.schemas.samplers import GridSampler, RandomSampler, Sampler, TPESampler
from app.schemas.sweeps import Best, Counts, EpochCounts, Objective, SweepCreate, SweepOut
from app.schemas.system import ChartOut, DatasetOut, WorkerOut
from app.schemas.trials import EpochOut, Metrics, RunOut, TrialOut

__all__ = [
    "AnswerOut",
    "Best",
    "Body",
    "ChartOut",
    "Counts",
    "DatasetOut",
    "EpochCounts",
    "EpochOut",
    "ExerciseOut",
    "ExerciseRunCreate",
    "ExerciseRunOut",
    "ExerciseWithRun",
    "GridSampler",
    "Metrics",
    "ModelOut",
    "Objective",
    "Page",
    "Problem",
    "RandomSampler",
    "RunOut",
    "Sampler",
    "SweepCreate",
    "SweepOut",
    "TPESampler",
    "TrialOut",
    "WorkerOut",
]
