"""Checks of what workers over HTTP hand in, beyond its types: whatever could not be shown or searched afterwards."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field, ValidationError

from app.domain.body import plain_sentence
from app.domain.sweep_limits import MAX_SEEDS
from app.queue.errors import RefusedError
from app.queue.progress import DiagnosticsPoint, TrialResult
from app.queue.scoring import Scores
from app.schemas import Circumstances, DiagnosticsOut


class _Scores(BaseModel):
    """The bounds of a run's test scores."""

    test_accuracy: float = Field(0, ge=0, le=1)
    test_r2: float = Field(0, le=1)
    test_mae: float = Field(0, ge=0)


def check_results(results: Sequence[TrialResult], further_objectives: Sequence[object] | None) -> None:
    """Raises RefusedError for circumstances of a timing, runs, or a number of values, that no trial can have.

    `further_objectives`: of their sweep, None where that was deleted.
    """
    count = None if further_objectives is None else len(further_objectives)
    for result in results:
        trial = f"trial {result.lease.trial_id}"
        if len(result.runs) > MAX_SEEDS:
            raise RefusedError(f"The runs of {trial} can't be used: they are more than {MAX_SEEDS}.")
        if result.circumstances is not None:
            _check(f"The circumstances of {trial}", Circumstances, result.circumstances)
        is_complete = result.value is not None and result.pruning_reason is None
        if is_complete and not (result.runs and all(run.value is not None for run in result.runs)):
            raise RefusedError(f"The runs of {trial} can't be used: of a complete trial each must have a value.")
        if is_complete and count not in {None, len(result.other_values or ())}:
            raise RefusedError(f"The values of {trial} can't be used: its sweep has {count} further objectives.")


def check_diagnostics(points: Sequence[DiagnosticsPoint]) -> None:
    """Raises RefusedError for measurements that no network can have."""
    for point in points:
        _check(f"A measurement of trial {point.trial_id}", DiagnosticsOut, point.row())


def check_scores(scores: Mapping[int, Scores]) -> None:
    """Raises RefusedError for scores that no network can have."""
    for seed, of_run in scores.items():
        _check(f"The scores of run {seed}", _Scores, of_run)


def _check(subject: str, schema: type[BaseModel], values: object) -> None:
    try:
        schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RefusedError(f"{subject} can't be used: {f'{place} {plain_sentence(first)}'.strip()[:500]}.") from None
