"""How far a trial's runs have come in a leg, and what is written of it when the leg or the trial ends."""

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from app.domain.datasets import Scaling
from app.domain.memory import STATE_PER_PARAMETER
from app.domain.objectives import Objective, further_values
from app.domain.pruning import wording
from app.domain.pruning.verdicts import Verdict
from app.domain.runs import EpochResult, Run
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from app.queue.legs import LegResult, TrialCheckpoint
from app.queue.progress import EpochPoint, RunResult, TrialResult
from worker.cohort import trial_and_seed
from worker.legs import checkpoint
from worker.legs.checkpoint import RunCheckpoint
from worker.mlp import weights
from worker.mlp.initializers import Parameters
from worker.mlp.run_state import RunState


@dataclass
class RunProgress:
    """How far one run has come."""

    run: Run
    last_result: EpochResult | None = None
    seconds: float = 0.0  # the run's share of the time that its cohorts have trained
    final_layers: Parameters | None = None  # once it has ended without diverging

    @property
    def seed(self) -> int:
        """The index of its seed."""
        return trial_and_seed(self.run.key)[1]

    @property
    def has_ended(self) -> bool:
        """Whether it has no epoch to come."""
        last = self.last_result
        return last is not None and (last.diverged or last.stopped or last.epoch == self.run.config.epochs)

    @property
    def epochs_done(self) -> int:
        """Epochs that it has trained."""
        return 0 if self.last_result is None else self.last_result.epoch

    def add(self, result: EpochResult) -> None:
        """Takes the result of one more epoch."""
        self.last_result = result
        self.seconds += result.seconds

    def resume(self, stored: RunCheckpoint) -> None:
        """Goes on from a checkpoint."""
        self.last_result, self.seconds, self.final_layers = stored.last_result, stored.seconds, stored.final_layers


class TrialProgress:
    """How far the runs of one trial have come."""

    def __init__(self, sweep: SweepSetup, trial: ClaimedTrial, runs: Sequence[RunProgress]) -> None:
        self.lease, self.number, self.runs = trial.lease, trial.number, runs
        self._sweep = sweep
        self._rung_epoch = trial.rung_epoch if trial.is_judged else None

    @property
    def _last_results(self) -> list[EpochResult]:
        return [run.last_result for run in self.runs if run.last_result is not None]

    @property
    def epochs_done(self) -> int:
        """Epochs that its runs have trained, summed over them."""
        return sum(run.epochs_done for run in self.runs)

    @property
    def epoch(self) -> int:
        """The last epoch that any of its runs has trained."""
        return max(run.epochs_done for run in self.runs)

    @property
    def has_ended(self) -> bool:
        """Whether no run has an epoch to come, or it has come to a rung with a run that has no value."""
        lacks_value = any(_error(result, self._sweep.all_objectives) for result in self._last_results)
        return all(run.has_ended for run in self.runs) or (lacks_value and self._is_at_rung)

    @property
    def waits_at_rung(self) -> bool:
        """Whether it has come to the rung at which its leg ends, and has more epochs to come."""
        return self._is_at_rung and not self.has_ended

    @property
    def _is_at_rung(self) -> bool:
        return self._rung_epoch is not None and self.epoch >= self._rung_epoch

    @property
    def mean(self) -> float:
        """The mean of the sweep's first objective over its runs, each after its last epoch."""
        return statistics.fmean(map(self._sweep.first_objective.value_of, self._last_results))

    def leg_result(self) -> LegResult:
        """What is written when its leg ends."""
        return LegResult(self.lease, self.mean if self.waits_at_rung else None)

    def trial_result(self, verdict: Verdict | None, features: int, classes: int) -> TrialResult:
        """What is written when it ends: mean and spread of its runs, or the first error where one has no value."""
        runs = [_run_result(run, self._sweep.all_objectives) for run in self.runs]
        errors = [run.error for run in runs if run.error is not None]
        if errors:
            share = f" ({len(errors)} of {len(runs)} runs)" if len(runs) > 1 else ""
            return TrialResult(self.lease, None, None, errors[0] + share, runs)
        values = [run.value for run in runs if run.value is not None]
        std = statistics.stdev(values) if len(values) > 1 else None
        reason = None if verdict is None else wording.sentence(verdict)
        further = self._further_values(features, classes)
        return TrialResult(self.lease, statistics.fmean(values), std, None, runs, reason, further)

    def _further_values(self, features: int, classes: int) -> list[float] | None:
        """The values of the sweep's further objectives; None where it has one objective."""
        if not self._sweep.objectives:
            return None
        metrics = [objective["metric"] for objective in self._sweep.objectives]
        parameters = self.runs[0].run.config.parameter_count(features, classes)
        return further_values(metrics, self._last_results, [run.seconds for run in self.runs], parameters)

    def run_weights(self, scaling: Scaling | None) -> dict[int, bytes]:
        """The parameters of its runs, as safetensors, by the index of the run's seed; `scaling`: of its data."""
        objective = self._sweep.first_objective
        return {
            run.seed: weights.to_bytes(
                weights.in_own_units(run.final_layers, scaling), objective.value_of(run.last_result)
            )
            for run in self.runs
            if run.final_layers is not None and run.last_result is not None
        }

    def drop_layers(self) -> None:
        """Lets go of the parameters of its runs, which are written."""
        for run in self.runs:
            run.final_layers = None

    def checkpoint_bytes(self, features: int, classes: int) -> int:
        """About how many bytes its checkpoint takes."""
        config = self.runs[0].run.config
        return (
            4
            * len(self.runs)
            * (1 + STATE_PER_PARAMETER[config.update_rule])
            * config.parameter_count(features, classes)
        )

    @property
    def keys_of_whole_runs(self) -> set[Hashable]:
        """The keys of its runs that would go on if it had more epochs."""
        return {
            run.run.key
            for run in self.runs
            if run.last_result is not None and not (run.last_result.stopped or run.last_result.diverged)
        }

    @property
    def can_train_longer(self) -> bool:
        """Whether with more epochs it goes on from its last one, to what it comes to without a break."""
        return bool(self.keys_of_whole_runs) and not self.runs[0].run.config.schedule_spans_training

    def checkpoint(self, states: Mapping[Hashable, RunState]) -> TrialCheckpoint:
        """Its checkpoint; `states` are those of its runs that train, by key. Raises MemoryError."""
        runs = [
            RunCheckpoint(
                run.seed,
                run.last_result,
                run.seconds,
                states.get(run.run.key),
                None if run.run.key in states else run.final_layers,
            )
            for run in self.runs
            if run.last_result is not None
        ]
        return TrialCheckpoint(self.lease, self.epoch, self.epochs_done, checkpoint.to_bytes(runs))


def epoch_point(trial_id: int, seed: int, result: EpochResult) -> EpochPoint:
    """The row of a run's learning curve that an epoch adds."""
    return EpochPoint(
        trial_id,
        seed,
        result.epoch,
        train_loss=_finite(result.train_loss),
        train_accuracy=_finite(result.train_accuracy),
        val_loss=_finite(result.val_loss),
        val_accuracy=_finite(result.val_accuracy),
        seconds=result.seconds,
        train_r2=_finite(result.train_r2),
        train_mae=_finite(result.train_mae),
        val_r2=_finite(result.val_r2),
        val_mae=_finite(result.val_mae),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _run_result(progress: RunProgress, objectives: Sequence[Objective]) -> RunResult:
    """How a run ended; a run of a pruned trial ends with its last value."""
    last = progress.last_result
    assert last is not None
    error = _error(last, objectives)
    return RunResult(progress.seed, objectives[0].value_of(last) if error is None else None, error, progress.seconds)


def _error(last: EpochResult, objectives: Sequence[Objective]) -> str | None:
    """Why a run that ends so is worth nothing; None where each objective has a value."""
    if last.diverged:
        return f"diverged at epoch {last.epoch}"
    for objective in objectives:
        if not math.isfinite(getattr(last, objective.metric, 0.0)):  # the size of a network is none of an epoch's
            why = "; R² has none where the numbers to tell are all equal" if objective.metric.endswith("_r2") else ""
            return f"{objective.metric} has no finite value at epoch {last.epoch}{why}"
    return None
