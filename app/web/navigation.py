"""The links at the head of every page."""

from dataclasses import dataclass

_PAGES = {"/": "Sweeps", "/exercises": "Exercises", "/workers": "Workers", "/datasets": "Data sets"}


@dataclass(frozen=True)
class NavigationLink:
    """A link to one of the dashboard's main pages."""

    address: str
    label: str
    current: bool
    """Whether the page that is shown is this one, or one below it."""


def navigation(path: str) -> list[NavigationLink]:
    """The links, as they are on the page at this path."""
    return [NavigationLink(address, label, _is_within(path, address)) for address, label in _PAGES.items()]


def _is_within(path: str, address: str) -> bool:
    section = "/sweeps" if address == "/" else address  # the list of sweeps is where the dashboard begins
    return path in {address, section} or path.startswith(f"{section}/")
