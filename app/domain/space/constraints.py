"""Constraints: comparisons that a configuration has to satisfy. Parsed here, never evaluated as code.

constraint: sum ("<=" | "<" | ">=" | ">" | "==" | "!=") sum
sum:        product (("+" | "-") product)*
product:    factor (("*" | "/") factor)*
factor:     number | name | "(" sum ")" | "-" factor
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.configuration import LAYER_WIDTHS, MLPConfig, completed
from app.domain.hyperparameters import HYPERPARAMETERS, Number
from app.domain.space.search_space import Space
from app.errors import FieldError, InvalidError

PARAMETERS = "parameters"  # weights and biases of the model

Numbers = Mapping[str, float]
Term = Callable[[Numbers], float]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign><=|>=|==|!=|[<>+\-*/()]))"
)
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True)
class Constraint:
    """One comparison. `sides` are functions of the numbers that it names; `literal` says which are mere numbers."""

    text: str
    names: frozenset[str]
    sides: tuple[Term, Term]
    literal: tuple[bool, bool]
    sign: str

    def most_parameters(self) -> float:
        """The most parameters that a model may have, where the constraint says just that; else infinity."""
        if re.match(rf"{PARAMETERS}\s*<", self.text) and self.literal[1]:
            return self.sides[1]({})
        return math.inf


@dataclass(frozen=True)
class Constraints:
    """All constraints of a sweep, with the shape of its data: `features` inputs and `classes` outputs."""

    items: Sequence[Constraint] = ()
    features: int = 0
    classes: int = 0

    def broken(self, params: Mapping[str, Any]) -> str | None:
        """The first constraint that does not hold, with its numbers: `parameters <= 500000: 813,056`; else None."""
        for constraint, left, right in self._sides(params):
            if not _holds(constraint, left, right):
                told = [_text(side) for side, bare in zip((left, right), constraint.literal, strict=True) if not bare]
                return f"{constraint.text}: {' and '.join(told)}"
        return None

    def violations(self, params: Mapping[str, Any]) -> dict[str, float]:
        """By constraint how far it is from holding, above 0 where it does not; relative to its larger side."""
        found = {constraint.text: 0.0 for constraint in self.items}
        for constraint, left, right in self._sides(params):
            scale = max(abs(left), abs(right))
            gap = (left - right) / scale if scale and math.isfinite(left) and math.isfinite(right) else 0.0
            gap = -gap if ">" in constraint.sign else gap if "<" in constraint.sign else -abs(gap)
            found[constraint.text] = min(gap, 0.0) if _holds(constraint, left, right) else max(abs(gap), 1e-6)
        return found

    def most_parameters(self) -> float:
        """The most parameters that a model can have under these."""
        return min((constraint.most_parameters() for constraint in self.items), default=math.inf)

    def _sides(self, params: Mapping[str, Any]) -> Iterator[tuple[Constraint, float, float]]:
        """Each constraint that applies, with both sides; one on a layer that the model lacks does not.

        A side that can't be computed, such as 1 / 0, is NaN, with which no comparison holds.
        """
        if not self.items:
            return
        full = completed(params)
        widths: Any = full["hidden_layers"]
        named = dict(zip(LAYER_WIDTHS, widths, strict=False)) if "hidden_layers" not in params else {}
        numbers: dict[str, Any] = {**{name: full[name] for name in full if name not in LAYER_WIDTHS}, **named}
        numbers[PARAMETERS] = MLPConfig.from_params(params).parameter_count(self.features, self.classes)
        for constraint in self.items:
            if constraint.names <= numbers.keys():
                left, right = (_computed(side, numbers) for side in constraint.sides)
                yield constraint, left, right


def parse_constraints(texts: Sequence[str], space: Space, shape: tuple[int, int] = (0, 0)) -> Constraints:
    """The constraints of a body. Raises InvalidError with the position of what can't be read.

    `shape`: features and classes of the data.
    """
    errors: list[FieldError] = []
    items = []
    for index, text in enumerate(texts):
        try:
            items.append(_Parser(text, "hidden_layers" in space.domains).constraint())
        except ValueError as error:
            errors.append(FieldError(("constraints", index), str(error)))
    if errors:
        raise InvalidError("A constraint can't be read.", errors)
    return Constraints(tuple(items), *shape)


class _Parser:
    """Reads one constraint from left to right; raises ValueError with a sentence that says where."""

    def __init__(self, text: str, listed: bool) -> None:
        self.text, self.listed = text, listed
        self.names: set[str] = set()
        self.tokens = list(_tokens(text))
        self.at = 0

    def constraint(self) -> Constraint:
        left, left_literal = self._side()
        sign = self._take(_COMPARISONS, "a comparison such as <= is")
        right, right_literal = self._side()
        if self._next in _COMPARISONS:
            raise self._problem("has a second comparison: write two constraints")
        if self._next:
            raise self._problem(f"{self._next!r} was not expected")
        if not self.names:
            raise ValueError("names no hyperparameter, so it says nothing about a configuration")
        return Constraint(self.text.strip(), frozenset(self.names), (left, right), (left_literal, right_literal), sign)

    @property
    def _next(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def _problem(self, says: str) -> ValueError:
        position = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text.rstrip())
        return ValueError(f"at character {position + 1}: {says}")

    def _take(self, wanted: Mapping[str, object] | set[str], what: str) -> str:
        token = self._next
        if token not in wanted:
            raise self._problem(f"{what} missing" if not token else f"{what} missing before {token!r}")
        self.at += 1
        return token

    def _side(self) -> tuple[Term, bool]:
        start = self.at
        term = self._sum()
        return term, self.at == start + 1 and self.tokens[start][0][0] in "0123456789."

    def _sum(self) -> Term:
        return self._chain({"+", "-"}, lambda: self._chain({"*", "/"}, self._factor))

    def _chain(self, signs: set[str], part: Callable[[], Term]) -> Term:
        term = part()
        while self._next in signs:
            operation = _OPERATIONS[self._take(signs, "")]
            term = _combined(operation, term, part())
        return term

    def _factor(self) -> Term:
        token = self._next
        if token == "-":
            self.at += 1
            return _combined(operator.sub, lambda _: 0, self._factor())
        if token == "(":
            self.at += 1
            term = self._sum()
            self._take({")"}, "a closing bracket is")
            return term
        if not token or not (token[0].isalnum() or token[0] in "._"):
            raise self._problem("a number, a hyperparameter or an opening bracket is missing")
        return self._named(token) if token[0].isalpha() or token[0] == "_" else self._number(token)

    def _number(self, token: str) -> Term:
        number = int(token) if token.isdigit() else float(token)
        if not math.isfinite(float(number)):
            raise self._problem("the number is too large")
        self.at += 1
        return lambda _: number

    def _named(self, name: str) -> Term:
        if name != PARAMETERS:
            parameter = HYPERPARAMETERS.get(name)
            if parameter is None:
                raise self._problem(f"{name!r} is no hyperparameter, and not {PARAMETERS}, the size of the model")
            if not isinstance(parameter.kind, Number):
                raise self._problem(f"{name} is no number")
            if self.listed and name in {"hidden_units", "depth", *LAYER_WIDTHS}:
                raise self._problem(f"this space has hidden_layers in place of {name}")
        self.names.add(name)
        self.at += 1
        return lambda numbers: numbers[name]


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Each token with its position, from 0."""
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ValueError(
                f"at character {at + 1}: {text[at]!r} can't be read; there are numbers, names, + - * / ( )"
            )
        yield found[0].strip(), found.end() - len(found[0].strip())
        at = found.end()


def _holds(constraint: Constraint, left: float, right: float) -> bool:
    return not (math.isnan(left) or math.isnan(right)) and _COMPARISONS[constraint.sign](left, right)


def _combined(operation: Callable[[float, float], float], left: Term, right: Term) -> Term:
    return lambda numbers: operation(left(numbers), right(numbers))


def _computed(side: Term, numbers: Numbers) -> float:
    try:
        return side(numbers)
    except ArithmeticError:
        return math.nan


def _text(number: float) -> str:
    if math.isnan(number):
        return "can't be computed"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"
