"""Checks of a sweep's body: what its fields must be to each other, beside what each must be by itself."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from app.domain.datasets import DatasetInfo
from app.domain.formatting import plural
from app.domain.pruning.options import PatientPruner, WilcoxonPruner
from app.domain.sampling import traits_of
from app.domain.space import Constraints, Space, check_model_fits, parse_constraints, parse_space, runs_in_memory
from app.domain.space.domains import largest
from app.domain.sweep_limits import MAX_SEEDS
from app.domain.tasks import TASKS
from app.errors import FieldError, InvalidError
from app.schemas import Objective, SweepCreate

MIN_R2_ROWS = 2


def with_objective(body: SweepCreate, dataset: DatasetInfo) -> SweepCreate:
    """The body with what it leaves out of its objective: the task's first metric on such data, and its direction."""
    metrics = TASKS[body.task].metrics_of(dataset.target)
    posted = body.objective.model_dump(exclude_unset=True)
    metric = posted.get("metric", next(iter(metrics)))
    if body.objectives is not None or metric not in metrics:
        return body
    objective = Objective.model_validate({"metric": metric, "direction": metrics[metric].direction, **posted})
    return body.model_copy(update={"objective": objective})


def check_body(body: SweepCreate, dataset: DatasetInfo) -> tuple[Space, int]:
    """The space and the number of trials of a body that makes a sweep. Raises InvalidError.

    A grid has as many trials as feasible cells.
    """
    check_text({"name": body.name, "notes": body.notes})
    if errors := [
        *_task_errors(body, dataset),
        *_validation_errors(body, dataset),
        *_objective_errors(body, dataset),
        *_pruner_errors(body),
        *_warm_start_errors(body),
        *_seed_errors(body),
    ]:
        raise InvalidError("What is searched for can't be searched for in this way.", errors)
    space = parse_space(body.space, body.task)
    constraints = check_sizes(space, body.constraints, dataset, body.first_seeds)
    if traits_of(body.sampler.name).enumerates:
        return space, _feasible_cells(body, space, constraints)
    if body.n_trials is None:
        missing = FieldError(("n_trials",), "is missing: say how many trials, or use the sampler grid")
        raise InvalidError("The budget is missing.", [missing])
    return space, body.n_trials


def check_sizes(space: Space, posted_constraints: Sequence[str], dataset: DatasetInfo, seeds: int) -> Constraints:
    """The constraints, checked, under which all models of the space can be trained. Raises InvalidError."""
    constraints = parse_constraints(posted_constraints, space, dataset.shape)
    if TASKS[space.task].takes_data:
        _check_target(space, dataset)
        check_model_fits(space, dataset.shape, runs_in_memory(space, seeds), constraints.max_parameters())
    return constraints


def _check_target(space: Space, dataset: DatasetInfo) -> None:
    """Raises InvalidError for a hyperparameter that means nothing for targets of this kind."""
    smoothing = space.domains.get("label_smoothing")
    if dataset.target == "number" and smoothing is not None and largest(smoothing) > 0:
        alone = FieldError(
            ("space", "label_smoothing"), f"is for classes, and the target of {dataset.name} is a number"
        )
        raise InvalidError("Some hyperparameters can't be searched on this data set.", [alone])


def check_text(texts: Mapping[str, str]) -> None:
    """Raises InvalidError for what Postgres can't store, by the name of the field."""
    errors = [FieldError((name,), "can't contain the character U+0000") for name, text in texts.items() if "\0" in text]
    if errors:
        raise InvalidError("A text has a character that can't be stored.", errors)


def _feasible_cells(body: SweepCreate, space: Space, constraints: Constraints) -> int:
    cells = space.grid_size()
    if constraints.items:
        cells = constraints.broken_by_all(list(space.grid())).count(None)
        if not cells:
            empty = FieldError(("constraints",), "are satisfied by no cell of the grid")
            raise InvalidError("The grid is empty.", [empty])
    if body.n_trials not in {None, cells}:
        other_number = FieldError(("n_trials",), f"must be {cells}, the number of cells, or be left out for a grid")
        raise InvalidError("A grid is every cell once.", [other_number])
    return cells


def _task_errors(body: SweepCreate, dataset: DatasetInfo) -> Iterator[FieldError]:
    """What the sweep's task can't do."""
    task = TASKS[body.task]
    metrics = task.metrics_of(dataset.target)
    if body.objectives is None and body.objective.metric not in metrics:
        subject = f"{task.name} on {body.dataset}" if body.objective.metric in task.metrics else task.name
        names = ", ".join(metrics)
        yield FieldError(("objective", "metric"), f"must be one of {names} for {subject}, not {body.objective.metric}")
    if not task.is_timing:
        return
    refusals = {
        "objectives": (body.objectives is not None, f"can't be several for {task.name}, which measures one time"),
        "pruner": (body.pruner is not None, f"has nothing to stop: {task.name} has no learning curves; leave it out"),
        "warm_start": (body.warm_start is not None, f"is for networks that are trained, not for {task.name}"),
        "seeds": (body.survivor_seeds is not None, f"must be a number for {task.name}, which repeats all alike"),
        "constraints": (bool(body.constraints), f"are for networks that are trained, not for {task.name}"),
        "keep_models": (body.keep_models != "best", f"has nothing to keep: {task.name} has no models; leave it out"),
        "diagnostics": (body.diagnostics, f"has nothing to measure: {task.name} trains no networks; leave it out"),
        "split": (body.split != "holdout", f"has no meaning for {task.name}, which validates nothing; leave it out"),
    }
    yield from (FieldError((field,), msg) for field, (is_wrong, msg) in refusals.items() if is_wrong)
    if not task.takes_data and body.dataset != SweepCreate.model_fields["dataset"].default:
        yield FieldError(("dataset",), f"has no meaning for {task.name}, which takes no data; leave it out")


def _validation_errors(body: SweepCreate, dataset: DatasetInfo) -> Iterator[FieldError]:
    """R² of a single row is not defined: each trial would be trained, and fail."""
    rows = dataset.test if body.split == "book" else dataset.held_out
    if rows >= MIN_R2_ROWS:
        return
    places: dict[tuple[str | int, ...], str] = {("objective", "metric"): body.objective.metric}
    if body.objectives is not None:
        places = {("objectives", place, "metric"): goal.metric for place, goal in enumerate(body.objectives)}
    why = f"{dataset.name} has {plural(rows, 'row')} to validate on with the split {body.split}"
    for place, metric in places.items():
        if metric == "val_r2":
            yield FieldError(place, f"can't be val_r2: {why}, and R² needs two that differ; take val_mae or val_loss")


def _objective_errors(body: SweepCreate, dataset: DatasetInfo) -> Iterator[FieldError]:
    if body.objectives is None:
        return
    metrics = [objective.metric for objective in body.objectives]
    available = TASKS["train_mlp"].metrics_of(dataset.target)
    names = ", ".join(available)
    if metrics[0] not in available:
        yield FieldError(("objectives", 0, "metric"), f"must be one of {names}: the best trial goes by the first")
    for index, metric in enumerate(metrics):
        if index and metric in TASKS["train_mlp"].metrics and metric not in available:
            yield FieldError(
                ("objectives", index, "metric"), f"must be one of {names} for {body.dataset}, not {metric}"
            )
        if metric in metrics[:index]:
            yield FieldError(("objectives", index, "metric"), f"names {metric} a second time")
    if not traits_of(body.sampler.name).several_objectives:
        yield FieldError(("sampler",), f"{body.sampler.name} knows one objective only; tpe, gp and nsgaii take several")
    objective = body.objective.model_dump()
    if "objective" in body.model_fields_set and objective != body.objectives[0].model_dump():
        yield FieldError(("objective",), "must be the first of the objectives, or be left out beside them")


def _pruner_errors(body: SweepCreate) -> Iterator[FieldError]:
    pruner = body.pruner
    if pruner is not None and body.objectives is not None:
        alone = "judges by one objective, and would prune trials that are good by another: leave it out"
        yield FieldError(("pruner",), alone)
    if isinstance(pruner, PatientPruner):
        pruner = pruner.wrapped
    if isinstance(pruner, WilcoxonPruner) and 0.5**body.first_seeds >= pruner.p_threshold:
        yield _wilcoxon_error(pruner.p_threshold, body.first_seeds)


def _warm_start_errors(body: SweepCreate) -> Iterator[FieldError]:
    if body.warm_start is not None and traits_of(body.sampler.name).enumerates:
        yield FieldError(("warm_start",), "can't stand beside a grid, which is every cell once: leave it out")


def _seed_errors(body: SweepCreate) -> Iterator[FieldError]:
    if body.survivor_seeds is not None and body.best_by == "mean":
        luck = "must be expected or lower_bound beside seeds for survivors: the best mean of few runs is partly luck"
        yield FieldError(("best_by",), luck)


def _wilcoxon_error(p_threshold: float, seeds: int) -> FieldError:
    """What would be right for a signed-rank test that no trial with so many seeds can fail."""
    if p_threshold <= 0.5**MAX_SEEDS:
        least = f"must be above {0.5**MAX_SEEDS:.2g}, the smallest p of {MAX_SEEDS} seeds, not {p_threshold:g}"
        return FieldError(("pruner", "p_threshold"), least)
    return FieldError(
        ("seeds",),
        f"must be at least {_wilcoxon_seeds(p_threshold)} for wilcoxon with p_threshold {p_threshold:g}: "
        f"it compares seeds, and the smallest p of {seeds} is {0.5**seeds:g}",
    )


def _wilcoxon_seeds(p_threshold: float) -> int:
    """The fewest seeds whose signed-rank test can have a p below the threshold: of n seeds the smallest is 0.5^n."""
    return max(2, next(seeds for seeds in count(1) if 0.5**seeds < p_threshold))
