"""The tabs of a sweep's page, each an address."""

from dataclasses import dataclass
from typing import Literal, get_args

from app.web.pages.rendering import PageLink

TabName = Literal["overview", "curves", "compare", "timeline", "events", "setup"]
TAB_NAMES: tuple[TabName, ...] = get_args(TabName)


@dataclass(frozen=True)
class Tab:
    """A link to one part of the page."""

    name: TabName
    address: str
    current: bool
    """Whether it is the one that is shown."""
    count: int = 0
    """What stands behind its label, where that is worth a number."""

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name.title()


def tabs(link: PageLink, current: TabName, counts: dict[TabName, int]) -> list[Tab]:
    """The tabs of the page at this link, from left to right."""
    return [Tab(name, link.to(tab=name), name == current, counts.get(name, 0)) for name in TAB_NAMES]
