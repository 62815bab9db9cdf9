"""Reads the constraints of a body, whose text is parsed and never run as code.

constraint: sum ("<=" | "<" | ">=" | ">" | "==" | "!=") sum
sum:        product (("+" | "-") product)*
product:    factor (("*" | "/") factor)*
factor:     number | name | "(" sum ")" | "-" factor
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.domain.configuration import LAYER_WIDTHS
from app.domain.hyperparameters import HYPERPARAMETERS, Number
from app.domain.space.columns import PARAMETERS, quotient
from app.domain.space.constraints import COMPARISONS, Constraint, Constraints, Term
from app.domain.space.search_space import Space
from app.errors import FieldError, InvalidError

MAX_DEPTH = 30
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign><=|>=|==|!=|[<>+\-*/()]))"
)
_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": quotient,
}


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
    """Reads one constraint from left to right. Raises ValueError with a sentence that says where."""

    def __init__(self, text: str, has_hidden_layers: bool) -> None:
        self.text, self.has_hidden_layers = text, has_hidden_layers
        self.names: set[str] = set()
        self.tokens = list(_tokens(text))
        self.position = self.depth = 0

    def constraint(self) -> Constraint:
        left_side, left_literal = self._side()
        sign = self._take(COMPARISONS, "a comparison such as <= is")
        right_side, right_literal = self._side()
        if self._next in COMPARISONS:
            raise self._problem("has a second comparison: write two constraints")
        if self._next:
            raise self._problem(f"{self._next!r} was not expected")
        if not self.names:
            raise ValueError("names no hyperparameter, so it says nothing about a configuration")
        return Constraint(
            self.text.strip(), frozenset(self.names), (left_side, right_side), (left_literal, right_literal), sign
        )

    @property
    def _next(self) -> str:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else ""

    def _problem(self, says: str) -> ValueError:
        position = self.tokens[self.position][1] if self.position < len(self.tokens) else len(self.text.rstrip())
        return ValueError(f"at character {position + 1}: {says}")

    def _take(self, accepted_tokens: Mapping[str, object] | set[str], missing: str) -> str:
        token = self._next
        if token not in accepted_tokens:
            raise self._problem(f"{missing} missing" if not token else f"{missing} missing before {token!r}")
        self.position += 1
        return token

    def _side(self) -> tuple[Term, bool]:
        start = self.position
        term = self._sum()
        return term, self.position == start + 1 and self.tokens[start][0][0] in "0123456789."

    def _sum(self) -> Term:
        return self._chain({"+", "-"}, lambda: self._chain({"*", "/"}, self._factor))

    def _chain(self, signs: set[str], part: Callable[[], Term]) -> Term:
        term = part()
        while self._next in signs:
            operation = _OPERATIONS[self._take(signs, "")]
            term = _combined(operation, term, part())
        return term

    def _factor(self) -> Term:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._problem(f"more than {MAX_DEPTH} brackets and signs stand within each other")
        term = self._inner_factor()
        self.depth -= 1
        return term

    def _inner_factor(self) -> Term:
        token = self._next
        if token == "-":
            self.position += 1
            return _combined(operator.sub, lambda _: 0.0, self._factor())
        if token == "(":
            self.position += 1
            term = self._sum()
            self._take({")"}, "a closing bracket is")
            return term
        if not token or not (token[0].isalnum() or token[0] in "._"):
            raise self._problem("a number, a hyperparameter or an opening bracket is missing")
        return self._named(token) if token[0].isalpha() or token[0] == "_" else self._number(token)

    def _number(self, token: str) -> Term:
        number = float(token)
        if not math.isfinite(number):
            raise self._problem("the number is too large")
        self.position += 1
        return lambda _: number

    def _named(self, name: str) -> Term:
        if name != PARAMETERS:
            parameter = HYPERPARAMETERS.get(name)
            if parameter is None:
                raise self._problem(f"{name!r} is no hyperparameter, and not {PARAMETERS}, the size of the model")
            if not isinstance(parameter.kind, Number):
                raise self._problem(f"{name} is no number")
            if self.has_hidden_layers and name in {"hidden_units", "depth", *LAYER_WIDTHS}:
                raise self._problem(f"this space has hidden_layers in place of {name}")
        self.names.add(name)
        self.position += 1
        return lambda numbers: numbers[name]


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Each token with its position, from 0."""
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            raise ValueError(
                f"at character {position + 1}: {text[position]!r} can't be read; there are numbers, names, + - * / ( )"
            )
        yield match[0].strip(), match.end() - len(match[0].strip())
        position = match.end()


def _combined(operation: Callable[[Any, Any], Any], left_side: Term, right_side: Term) -> Term:
    return lambda numbers: operation(left_side(numbers), right_side(numbers))
