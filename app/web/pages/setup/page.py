"""The setup of a sweep: a part that its page fetches, and a page of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.lifecycle import sweep_row
from app.sweeps import copies
from app.web.dependencies import DatabaseSession, SweepId
from app.web.pages.rendering import render
from app.web.pages.setup.recipes import Recipe, recipes

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class SetupView:
    """A sweep's body in each form."""

    sweep_id: int
    name: str
    recipes: Sequence[Recipe]
    has_webhook: bool
    """Whether it has one, which is not shown: it may have a secret."""


@router.get("/sweeps/{sweep_id}/setup")
def show_setup(request: Request, sweep_id: SweepId, session: DatabaseSession) -> Response:
    """What to post for an equal sweep."""
    sweep = sweep_row.get(session, sweep_id)
    ways = recipes(copies.shown_body(session, sweep), str(request.base_url))
    return render(request, "setup/page.html", SetupView(sweep_id, sweep.name, ways, bool(sweep.webhook)))
