"""What each caller has for itself of what there is for all, so that no caller can have all of it."""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from starlette.types import Scope

Part = TypeVar("Part")


class OfCallers(Generic[Part]):
    """A part for each caller, as long as it is used; those who have shared links are one caller together."""

    def __init__(self, make: Callable[[], Part]) -> None:
        self._make = make
        self._parts: WeakValueDictionary[str | None, Part] = WeakValueDictionary()

    def of(self, scope: Scope) -> Part:
        """That of whoever has sent this request."""
        caller = scope.get("state", {}).get("caller")
        return self._parts.setdefault(None if caller is None else caller.name, self._make())
