"""What the address of the list of sweeps says: search, filters, order and page; and the links that change it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import Query

from app.domain.states import SweepState
from app.queries.sweep_search import ORDERS, SweepFilter
from app.schemas.sweeps import Tag

SWEEPS_A_PAGE = 25
NEWEST_FIRST: Final = "-created"

# The columns and which end of them comes first at the first click.
COLUMNS: Mapping[str, str] = {
    "Sweep": "name",
    "State": "state",
    "Progress": "-progress",
    "Best": "-best",
    "Time": "-time",
    "Created": NEWEST_FIRST,
}

OrderBy = Literal[
    "created", "name", "state", "progress", "best", "time",
    "-created", "-name", "-state", "-progress", "-best", "-time",
]  # fmt: skip
Word = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class ListQuery:
    """The query string of the list."""

    q: Word = ""
    """What to search for."""
    state: SweepState | Literal[""] = ""
    tag: Tag | Literal[""] = ""
    task: Word = ""
    dataset: Word = ""
    order_by: OrderBy = NEWEST_FIRST
    page: Annotated[int, Query(ge=1, le=10**6)] = 1

    @property
    def filter(self) -> SweepFilter:
        """What the sweeps have to be."""
        return SweepFilter(self.q, self.state or None, self.tag, self.task, self.dataset)

    @property
    def narrows(self) -> bool:
        """Whether some sweeps are left out."""
        return self.filter != SweepFilter()

    @property
    def skip(self) -> int:
        """The sweeps on the pages before."""
        return (self.page - 1) * SWEEPS_A_PAGE

    @property
    def address(self) -> str:
        """The page itself; what is as usual is not worth a word."""
        usual = ListQuery()
        fields = {name: value for name, value in vars(self).items() if value != getattr(usual, name)}
        return f"/?{urlencode(fields)}" if fields else "/"

    def to(self, **changes: object) -> str:
        """The address of the first page with these fields changed."""
        return replace(self, **{"page": 1, **changes}).address  # type: ignore[arg-type]


@dataclass(frozen=True)
class Chip:
    """A state to narrow the list to."""

    label: str
    count: int
    address: str
    current: bool


@dataclass(frozen=True)
class Column:
    """A column by which the list can be sorted."""

    label: str
    address: str
    order: str
    """As aria-sort has it."""


def chips(query: ListQuery, counts: Mapping[SweepState, int]) -> Iterator[Chip]:
    """All sweeps, and those of each state that there is."""
    yield Chip("all", sum(counts.values()), query.to(state=""), not query.state)
    for state in SweepState:
        if counts.get(state) or state == query.state:
            yield Chip(state, counts.get(state, 0), query.to(state=state), state == query.state)


def columns(query: ListQuery) -> Iterator[Column]:
    """The columns; a second click turns the order round."""
    for label, first_order in COLUMNS.items():
        name = first_order.removeprefix("-")
        is_current = query.order_by.removeprefix("-") == name
        turned = name if query.order_by.startswith("-") else f"-{name}"
        order = ("descending" if query.order_by.startswith("-") else "ascending") if is_current else "none"
        yield Column(label, query.to(order_by=turned if is_current else first_order), order)


assert {name.removeprefix("-") for name in COLUMNS.values()} == set(ORDERS)
