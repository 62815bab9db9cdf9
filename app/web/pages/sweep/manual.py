"""The form for a trial of the user's own: a field for each hyperparameter that varies."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app import queries, schemas
from app.domain.formatting import domain as domain_text
from app.domain.formatting import setting
from app.domain.hyperparameters import is_number
from app.domain.space import Choice, Range, Space, parse_space
from app.domain.space.domains import values
from app.errors import FieldError, InvalidError
from app.sweeps import trial_actions
from app.web.dependencies import MAX_TRIAL_NUMBER, DatabaseSession, PostedForm, SweepId
from app.web.pages.labels import Option
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}/trials")

PREFIX = "p-"  # of the fields, so that no hyperparameter is taken for another field


class ManualField(NamedTuple):
    """A field of the form."""

    name: str
    hint: str
    """What it may be."""
    typed: str
    options: Sequence[Option]
    """Where it is one of several values; else a number."""
    error: str


@dataclass(frozen=True)
class ManualTrial:
    """The form with what was typed and what is wrong with it."""

    sweep: schemas.SweepOut
    space: Space
    typed: Mapping[str, str]
    """By hyperparameter."""
    errors: Sequence[FieldError] = ()
    detail: str = ""
    """What is wrong as a whole, or nothing."""
    like: int | None = None
    """The trial that it is filled from."""
    place: str = ""
    """The place of a chart that it is filled from too: `learning_rate 0.03`."""

    @property
    def path(self) -> str:
        """Where it posts to."""
        return f"/sweeps/{self.sweep.id}/trials"

    @property
    def fields(self) -> list[ManualField]:
        """One for each hyperparameter that varies, in the order of the space."""
        return [
            ManualField(
                name, self._hint(name), self.typed.get(name, ""), self._options(name, domain), self._error(name)
            )
            for name, domain in self.space.free().items()
        ]

    @property
    def other_errors(self) -> list[str]:
        """What is wrong with no field of its own, such as a constraint."""
        names = self.space.free()
        return [error.msg for error in self.errors if not any(part in names for part in error.loc)]

    def _hint(self, name: str) -> str:
        text = domain_text(self.space.domains[name])
        conditions = self.space.conditions.get(name, {}).items()
        words = [f"{parent} is {' or '.join(map(setting, values))}" for parent, values in conditions]
        return f"{text}; only where {' and '.join(words)}, else empty" if words else text

    def _options(self, name: str, domain: Choice | Range) -> list[Option]:
        if isinstance(domain, Range):
            return []
        options = [Option(json.dumps(value), setting(value)) for value in domain.values]
        return [Option("", "–"), *options] if name in self.space.conditions else options

    def _error(self, name: str) -> str:
        return "; ".join(error.msg for error in self.errors if name in error.loc)


@router.get("/new")
def show_form(
    request: Request,
    sweep_id: SweepId,
    session: DatabaseSession,
    like: Annotated[int | None, Query(ge=0, le=MAX_TRIAL_NUMBER)] = None,
) -> Response:
    """The form for a sweep's page, empty or with the parameters of a trial, and those of a chart's place before them.

    `?p-learning_rate=0.0312` is such a place; the value that the space has nearest to it is taken.
    """
    if "hx-request" not in request.headers:
        return RedirectResponse(f"/sweeps/{sweep_id}?trial=new", status_code=303)
    sweep, space = _sweep(session, sweep_id)
    source = like if like is not None else sweep.best.number if sweep.best else None
    params = queries.get_trial(session, sweep_id, source).params or {} if source is not None else {}
    typed = {name: _text(domain, params[name]) for name, domain in space.free().items() if name in params}
    place = _place(space, request.query_params)
    words = ", ".join(f"{name} {setting(value)}" for name, value in place.items())
    typed |= {name: _text(space.free()[name], value) for name, value in place.items()}
    return render(request, "sweep/manual_trial.html", ManualTrial(sweep, space, typed, like=source, place=words))


@router.post("")
def queue_trial(request: Request, sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Queues the trial and goes to its panel; what can't be used is told at its field."""
    sweep, space = _sweep(session, sweep_id)
    typed = {name: form.get(f"{PREFIX}{name}", "").strip() for name in space.free()}
    try:
        params = _params(typed)
        trial = trial_actions.enqueue(session, sweep_id, params)
    except InvalidError as error:
        view = ManualTrial(sweep, space, typed, error.errors, error.detail)
        return render(request, "sweep/manual_trial.html", view, 422)
    return RedirectResponse(f"/sweeps/{sweep_id}/trials/{trial.number}", status_code=303)


def _sweep(session: Session, sweep_id: int) -> tuple[schemas.SweepOut, Space]:
    sweep = queries.summary(session, sweep_id)
    return sweep, parse_space(sweep.space, sweep.task)


def _place(space: Space, query: Mapping[str, str]) -> dict[str, Any]:
    """The values of a chart's place, each the nearest one that its hyperparameter can have."""
    texts = {name: query[f"{PREFIX}{name}"] for name in space.free() if f"{PREFIX}{name}" in query}
    places = {name: nearest_value(space.free()[name], text) for name, text in texts.items()}
    return {name: value for name, value in places.items() if value is not None}


def nearest_value(domain: Choice | Range, text: str) -> Any:
    """The value of a domain that lies nearest to a number, or reads like this; None where there is none."""
    named = [value for value in values(domain) if setting(value) == text] if isinstance(domain, Choice) else []
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if named or not math.isfinite(number):
        return named[0] if named else None
    if isinstance(domain, Choice):
        numbers = [value for value in domain.values if is_number(value)]
        return min(numbers, key=lambda value: abs(value - number), default=None)
    return domain.nearest(min(max(float(f"{number:.3g}"), domain.low), domain.last))


def _text(domain: Choice | Range, value: object) -> str:
    """A value as its field has it."""
    return setting(value) if isinstance(domain, Range) and not isinstance(value, float) else json.dumps(value)


def _params(typed: Mapping[str, str]) -> dict[str, Any]:
    """What was typed as parameters; an empty field is left out. Raises InvalidError."""
    errors, params = [], {}
    for name, text in typed.items():
        if not text:
            continue
        try:
            params[name] = json.loads(text)
        except (ValueError, RecursionError):
            errors.append(FieldError(("params", name), f"must be a number, not {text[:80]!r}"))
    if errors:
        raise InvalidError("Some fields can't be used as they are.", errors)
    return params
