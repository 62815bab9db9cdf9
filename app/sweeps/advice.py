"""Advice before a sweep is posted: what of it would be expensive, or to no purpose. Pure."""

from collections.abc import Iterator, Mapping

from app.domain.formatting import approximate, plural, setting
from app.domain.sampling import population_size, traits_of
from app.domain.space import Space
from app.domain.space.domains import Choice, Constant, Range, largest, values
from app.errors import InvalidError
from app.schemas import SweepCreate

LONG_SECONDS = 3600.0
MANY_GP_TRIALS = 500  # a Gaussian process is fitted anew to all trials before it is asked

# the hyperparameters that mean nothing unless another one has one of these values
_NEEDED = {
    "init_std": ("initialization", ("normal",)),
    "init_range": ("initialization", ("uniform",)),
    "init_gain": ("initialization", ("xavier_uniform", "xavier_normal")),
    "init_slope": ("initialization", ("msra_prelu",)),
    "momentum": ("optimizer", ("sgd", "momentum", "nesterov", "rmsprop")),
    "lr_step_epochs": ("lr_schedule", ("step",)),
    "lr_gamma": ("lr_schedule", ("step",)),
}


def warnings(body: SweepCreate, space: Space, n_trials: int, seconds: float | None) -> list[str]:
    """A sentence for each thing that would be expensive or to no purpose, the expensive ones first.

    `seconds`: what the sweep is expected to take, None where nobody knows.
    """
    return [
        *_expensive(body, n_trials, seconds),
        *_surplus(body, space, n_trials),
        *_idle(space),
        *_unused(body, space),
    ]


def _expensive(body: SweepCreate, n_trials: int, seconds: float | None) -> Iterator[str]:
    if seconds is not None and seconds > LONG_SECONDS and (body.stop is None or body.stop.seconds is None):
        yield f"It takes about {approximate(seconds)}: fewer trials, seeds or epochs, or a stop after some seconds."
    if body.sampler.name == "gp" and n_trials > MANY_GP_TRIALS:
        yield f"A Gaussian process gets slow beyond {MANY_GP_TRIALS} trials: tpe is quicker for so many."


def _surplus(body: SweepCreate, space: Space, n_trials: int) -> Iterator[str]:
    """More trials than there are configurations, or too few for the sampler."""
    if not space.free() and n_trials > 1:
        yield f"Nothing varies: all {n_trials:,} trials have the same configuration. Give a hyperparameter choices."
        return
    configurations = _configurations(space)
    if not traits_of(body.sampler.name).enumerates and configurations is not None and n_trials > configurations:
        yield (
            f"The space holds only {plural(configurations, 'configuration')}: with {plural(n_trials, 'trial')} some "
            "come again. The sampler grid tries each once."
        )
    generation = population_size(body.sampler.model_dump())
    if generation is not None and n_trials <= generation:
        yield f"{body.sampler.name} learns from generations of {generation}: with {n_trials:,} trials it only draws."


def _idle(space: Space) -> Iterator[str]:
    """Hyperparameters that mean nothing in this space."""
    if space.task != "train_mlp":
        return
    for name, (parent, needed_values) in _NEEDED.items():
        if name not in space.domains:
            continue
        parent_values = _values(space, parent)
        if parent_values is not None and not parent_values & set(needed_values):
            yield f"{name} does nothing here: it needs {parent} {_alternatives(needed_values)}."
    depth = space.domains.get("depth")
    if "hidden_units" in space.free() and depth is not None and largest(depth) == 0:
        yield "hidden_units does nothing here: at depth 0 there is no hidden layer."


def _unused(body: SweepCreate, space: Space) -> Iterator[str]:
    """Parts of the search that can do nothing."""
    if body.pruner is not None and space.task == "train_mlp":
        epochs = space.domains.get("epochs")
        if epochs is not None and largest(epochs) == 1:
            yield "The pruner can stop nothing: every trial has one epoch."
        elif body.pruner.name == "wilcoxon" and body.first_seeds == 1:
            yield "The Wilcoxon pruner compares seed by seed: with one seed it can tell nothing."


def _configurations(space: Space) -> int | None:
    """How many configurations there are; None where they can't be counted, or are very many."""
    try:
        return space.grid_size()
    except InvalidError:
        return None


def _values(space: Space, name: str) -> set[object] | None:
    """What a hyperparameter of names can be; None where nobody can say."""
    domain = space.domains.get(name)
    if isinstance(domain, Choice | Constant):
        return set(values(domain))
    if isinstance(domain, Range):
        return None
    defaults: Mapping[str, object] = space.complete({})
    return {defaults[name]}


def _alternatives(names: tuple[str, ...]) -> str:
    *first, last = map(setting, names)
    return f"{', '.join(first)} or {last}" if first else last
