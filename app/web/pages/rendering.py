"""Fills a page's template with its view, and the values that the views of several pages hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request, Response

from app.web.templating import templates

# No filter, the best first, from the first, the first tab: not worth a word in an address.
_USUAL = {"", "best", None, "overview"}


@dataclass(frozen=True)
class PageLink:
    """A page's path, and what its query string says."""

    path: str
    query: Mapping[str, str]

    def to(self, **changes: object) -> str:
        """The address of the same page with these parts of its query changed."""
        query = {name: str(value) for name, value in {**self.query, **changes}.items() if value not in _USUAL}
        return f"{self.path}?{urlencode(query, safe=',')}" if query else self.path


@dataclass(frozen=True)
class ChartPanel:
    """A chart on a page, which the browser draws from the JSON at its address."""

    id: str
    """The id of its element."""
    address: str
    title: str
    full_width: bool = False
    """Whether it takes a row of its own."""
    trials: str = ""
    """The page that has its trials, where its points are some."""

    def address_as(self, format: str) -> str:
        """Where it is in another format: a picture, a page that stands alone, its data."""
        return f"{self.address}{'&' if '?' in self.address else '?'}format={format}"


def render(request: Request, template: str, view: object, status: int = 200) -> Response:
    """The page that the template makes of its view."""
    return templates.TemplateResponse(request, template, {"view": view}, status_code=status)
