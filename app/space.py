"""The search space: what a sweep may try. Pure: no database, no Optuna."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import FieldError, InvalidError
from app.hyperparameters import HYPERPARAMETERS, Category, Layers, Number, completed

MAX_GRID_CELLS = 100_000
MAX_CHOICES = 1_000
MAX_TRIAL_BYTES = 8 * 2**30  # the runs of a trial train together
MAX_MODEL_PARAMETERS = 50_000_000  # 200 MB of float32 a run, and as much again for its gradient


@dataclass(frozen=True)
class Constant:
    value: Any


@dataclass(frozen=True)
class Choice:
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included. `whole` ones hold integers; `step` None is continuous unless whole."""

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    @property
    def size(self) -> int:
        """Number of values; of a continuous range it means nothing."""
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def value(self, index: int) -> float:
        """A whole range's is an int; a float is rounded to what was meant, 0.3 rather than 0.30000000000000004."""
        exact = self.low + index * (self.step or 1)
        return int(exact) if self.whole else float(f"{exact:.12g}")

    @property
    def last(self) -> float:
        """The highest value: `high`, or less where the steps don't end there."""
        return self.high if self.step is None else self.value(self.size - 1)


Domain = Constant | Choice | Range


@dataclass(frozen=True)
class Space:
    """One domain a hyperparameter, in the order in which they were posted."""

    domains: Mapping[str, Domain]

    def free(self) -> dict[str, Choice | Range]:
        """The hyperparameters that vary."""
        return {name: domain for name, domain in self.domains.items() if not isinstance(domain, Constant)}

    def constants(self) -> dict[str, Any]:
        return {name: domain.value for name, domain in self.domains.items() if isinstance(domain, Constant)}

    def grid_size(self) -> int:
        """Number of cells. Raises InvalidError where a range is continuous, or the cells are too many."""
        continuous = [
            FieldError(("space", name), "a grid needs a list, whole numbers, or a step; random and tpe take any range")
            for name, domain in self.domains.items()
            if isinstance(domain, Range) and not domain.whole and domain.step is None
        ]
        if continuous:
            raise InvalidError("A grid can't cover a continuous range.", continuous)
        cells = math.prod(_size(domain) for domain in self.domains.values())
        if cells > MAX_GRID_CELLS:
            too_many = f"has {cells:,} cells; a grid may have at most {MAX_GRID_CELLS:,}: use fewer values or a sampler"
            raise InvalidError("The grid is too large.", [FieldError(("space",), too_many)])
        return cells

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every cell once, the last hyperparameter varying fastest."""
        for cell in itertools.product(*(_values(domain) for domain in self.domains.values())):
            yield dict(zip(self.domains, cell, strict=True))

    def largest(self) -> dict[str, Any]:
        """Parameters of the largest model that the space holds."""
        return {name: _largest(domain) for name, domain in self.domains.items()}


def parse_space(raw: Mapping[str, Any]) -> Space:
    """The space that a body describes. Raises InvalidError that names each wrong field."""
    errors: list[FieldError] = []
    domains: dict[str, Domain] = {}
    for name, given in raw.items():
        if name not in HYPERPARAMETERS:
            known = ", ".join(HYPERPARAMETERS)
            errors.append(FieldError(("space", name), f"is no hyperparameter; there are {known}"))
            continue
        try:
            domains[name] = _parse_domain(name, given)
        except InvalidError as error:
            errors.extend(error.errors)
    errors.extend(
        FieldError(("space", name), "can't stand beside hidden_layers, which says every width: leave one of them out")
        for name in ("hidden_units", "depth")
        if name in raw and "hidden_layers" in raw
    )
    if errors:
        raise InvalidError("The search space has fields that can't be used.", errors)
    return Space(domains)


def check_model_fits(space: Space, features: int, classes: int, seeds: int) -> None:
    """Raises InvalidError when the space holds a trial that is too large to train."""
    largest = [space.largest()]
    if isinstance(layers := space.domains.get("hidden_layers"), Choice):
        largest = [{**largest[0], "hidden_layers": widths} for widths in layers.values]
    parameters = max(parameter_count(params, features, classes) for params in largest)
    if parameters > MAX_MODEL_PARAMETERS:
        too_large = f"holds a model of {parameters:,} parameters; the most is {MAX_MODEL_PARAMETERS:,}: use fewer units"
        raise InvalidError("A model can't fit.", [FieldError(("space",), too_large)])
    size = seeds * max(_run_bytes(params, features, classes) for params in largest)
    if size > MAX_TRIAL_BYTES:
        too_large = (
            f"holds a trial whose {seeds} runs take about {size / 2**30:.1f} GiB together; the most is "
            f"{MAX_TRIAL_BYTES / 2**30:.0f} GiB: use fewer seeds, fewer units or a smaller batch_size"
        )
        raise InvalidError("A trial can't fit.", [FieldError(("space",), too_large)])


def _run_bytes(params: Mapping[str, Any], features: int, classes: int) -> int:
    """About what a run takes while it trains: its parameters with copies, its layers' outputs with gradients."""
    outputs = sum(width for _, width in layer_shapes(params, features, classes))
    examples = 6 * int(str(completed(dict(params))["batch_size"]))
    return 4 * (4 * parameter_count(params, features, classes) + outputs * examples)


def layer_shapes(params: Mapping[str, Any], features: int, classes: int) -> list[tuple[int, int]]:
    """(inputs, outputs) of each linear layer."""
    widths = [features, *completed(dict(params))["hidden_layers"], classes]  # type: ignore[misc]
    return list(itertools.pairwise(widths))


def parameter_count(params: Mapping[str, Any], features: int, classes: int) -> int:
    """Weights and biases of the model."""
    return sum(inputs * outputs + outputs for inputs, outputs in layer_shapes(params, features, classes))


def training_cost(params: Mapping[str, Any], features: int, classes: int, seeds: int) -> float:
    """Multiply-adds of all runs of a trial over all epochs, per training example: what its time is proportional to."""
    forward = sum(inputs * outputs for inputs, outputs in layer_shapes(params, features, classes))
    return float(forward * int(str(completed(dict(params))["epochs"])) * seeds)


def _parse_domain(name: str, given: Any) -> Domain:
    kind = HYPERPARAMETERS[name].kind
    if isinstance(kind, Layers):
        choices = isinstance(given, list) and given != [] and all(isinstance(item, list) for item in given)
        return _choice(name, given) if choices else Constant(_checked(name, given))
    if isinstance(given, list):
        return _choice(name, given)
    if isinstance(given, dict):
        if not isinstance(kind, Number):
            raise _wrong((name,), f"takes names, not a range: {given!r}")
        return _range(name, kind, given)
    return Constant(_checked(name, given))


def _choice(name: str, given: list[Any]) -> Choice:
    if not 1 <= len(given) <= MAX_CHOICES:
        raise _wrong((name,), f"must list between 1 and {MAX_CHOICES:,} values, not {len(given)}")
    values = [_checked(name, value, index) for index, value in enumerate(given)]
    for index, value in enumerate(values):
        if value in values[:index]:
            raise _wrong((name, index), f"lists {value!r} twice")
    return Choice(tuple(values))


def _checked(name: str, value: Any, *index: int) -> Any:
    kind = HYPERPARAMETERS[name].kind
    if problem := _problem(kind, value):
        raise _wrong((name, *index), problem)
    if isinstance(kind, Layers):
        return [int(width) for width in value]
    return int(value) if isinstance(kind, Number) and kind.whole else value


def _range(name: str, kind: Number, given: dict[str, Any]) -> Range:
    errors = [(name, key) for key in given if key not in {"low", "high", "step", "log"}]
    if errors:
        raise _wrong(errors[0], "is no part of a range; write low, high, and perhaps step or log")
    for key in ("low", "high"):
        if key not in given:
            raise _wrong((name, key), "is missing: a range is {'low': ..., 'high': ...}")
        if problem := _problem(kind, given[key]):
            raise _wrong((name, key), problem)
    low, high, step, log = given["low"], given["high"], given.get("step"), given.get("log", False)
    _check_shape(name, low, high, step, log)
    whole = kind.whole or all(isinstance(number, int) for number in (low, high, *([] if step is None else [step])))
    if whole:
        step = None if step is None else _whole_step(name, step)
        return Range(int(low), int(high), step, log, whole=True)
    return Range(float(low), float(high), None if step is None else float(step), log)


def _check_shape(name: str, low: float, high: float, step: Any, log: Any) -> None:
    if low >= high:
        raise _wrong((name,), f"runs from {low!r} to {high!r}: low must be less than high")
    if not isinstance(log, bool):
        raise _wrong((name, "log"), f"must be true or false, not {log!r}")
    if log and low <= 0:
        raise _wrong((name, "low"), f"must be above 0 on a log scale, not {low!r}")
    if step is None:
        return
    if problem := _problem(Number(0, high - low, above=True), step):
        raise _wrong((name, "step"), problem)
    if log:
        raise _wrong((name, "step"), "can't be given on a log scale")


def _problem(kind: Number | Category | Layers, value: Any) -> str | None:
    try:
        return kind.problem(value)
    except OverflowError:  # a whole number of hundreds of digits, which no float can hold
        return "is too large"


def _whole_step(name: str, step: float) -> int:
    if step != int(step):
        raise _wrong((name, "step"), f"must be a whole number, not {step!r}")
    return int(step)


def _wrong(loc: tuple[str | int, ...], msg: str) -> InvalidError:
    return InvalidError("The search space has a field that can't be used.", [FieldError(("space", *loc), msg)])


def _size(domain: Domain) -> int:
    if isinstance(domain, Range):
        return domain.size
    return len(domain.values) if isinstance(domain, Choice) else 1


def _values(domain: Domain) -> list[Any]:
    if isinstance(domain, Range):
        return [domain.value(index) for index in range(domain.size)]
    return list(domain.values) if isinstance(domain, Choice) else [domain.value]


def _largest(domain: Domain) -> Any:
    if isinstance(domain, Range):
        return domain.last
    if isinstance(domain, Constant):
        return domain.value
    return max(domain.values)
