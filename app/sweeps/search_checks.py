"""What a body's fields must be to each other, beside what each must be by itself. Pure."""

from collections.abc import Iterator

from app.domain.pruning.options import PatientPruner, WilcoxonPruner
from app.errors import FieldError, InvalidError
from app.schemas import SweepCreate

_OF_AN_EPOCH = ("val_accuracy", "val_loss", "train_accuracy", "train_loss")


def check_search(body: SweepCreate) -> None:
    """Raises InvalidError for objectives, pruner and seeds that don't go together."""
    if errors := [*_objectives(body), *_pruner(body)]:
        raise InvalidError("What is searched for can't be searched for in this way.", errors)


def _objectives(body: SweepCreate) -> Iterator[FieldError]:
    if body.objectives is None:
        return
    metrics = [one.metric for one in body.objectives]
    if metrics[0] not in _OF_AN_EPOCH:
        known = ", ".join(_OF_AN_EPOCH)
        yield FieldError(("objectives", 0, "metric"), f"must be one of {known}: the best trial goes by the first")
    for index, metric in enumerate(metrics):
        if metric in metrics[:index]:
            yield FieldError(("objectives", index, "metric"), f"names {metric} a second time")
    if body.sampler.name == "cmaes":
        yield FieldError(("sampler",), "cmaes knows one objective only; tpe, gp and nsgaii take several")
    given = body.objective.model_dump()
    if "objective" in body.model_fields_set and given != body.objectives[0].model_dump():
        yield FieldError(("objective",), "must be the first of the objectives, or be left out beside them")


def _pruner(body: SweepCreate) -> Iterator[FieldError]:
    pruner = body.pruner
    if pruner is not None and body.objectives is not None:
        alone = "judges by one objective, and would prune trials that are good by another: leave it out"
        yield FieldError(("pruner",), alone)
    inner = pruner.wrapped if isinstance(pruner, PatientPruner) else pruner
    if isinstance(inner, WilcoxonPruner) and 0.5**body.seeds >= inner.p_threshold:
        least = next(seeds for seeds in range(1, 101) if 0.5**seeds < inner.p_threshold) if inner.p_threshold > 0 else 1
        yield FieldError(
            ("seeds",),
            f"must be at least {max(least, 2)} for wilcoxon with p_threshold {inner.p_threshold:g}: it compares seeds, "
            f"and the smallest p of {body.seeds} is {0.5**body.seeds:g}",
        )
