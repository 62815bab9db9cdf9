"""The dashboard's pages. What is on them comes from `app.results`; what they do is done by `app.sweeps`."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Form as FormField
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app import queries, schemas
from app.domain import transitions
from app.domain.datasets import DATASETS
from app.domain.hyperparameters import HYPERPARAMETERS
from app.domain.space import parse_space
from app.domain.states import ENDED_SWEEPS, SweepState, TrialState
from app.errors import InvalidError
from app.exercises.exercise import Preset
from app.exercises.registry import EXERCISES, exercise
from app.lifecycle import sweep_row
from app.schemas.sweeps import Tag
from app.sweeps import creation, deletion, exercise_runs, previews
from app.web.dependencies import Cursor, DatabaseSession, SweepId
from app.web.pages import sweep_form
from app.web.templating import templates

router = APIRouter(include_in_schema=False)

SWEEPS_A_PAGE = 25
TRIALS_A_PAGE = 25


async def _form(request: Request) -> dict[str, str]:
    """The fields of a posted form."""
    return {name: str(value) for name, value in (await request.form()).items()}


Form = Annotated[dict[str, str], Depends(_form)]
TagFilter = Annotated[Tag | Literal[""], Query()]
TrialFilter = Annotated[TrialState | Literal[""], Query()]


@router.get("/")
def list_sweeps(request: Request, session: DatabaseSession, tag: TagFilter = "", after: Cursor = None) -> Response:
    """The sweeps, the newest first, all or those with a tag."""
    found = queries.list_sweeps(session, tag=tag or None, limit=SWEEPS_A_PAGE, after=after)
    waiting = any(sweep.state not in ENDED_SWEEPS for sweep in found.items)
    return _page(
        request,
        "sweeps.html",
        sweeps=found,
        after=after,
        tag=tag,
        tags=queries.tags(session),
        link=_linker(request.url.path, {"tag": tag}),
        no_worker=waiting and not _workers_alive(session),
    )


@router.get("/sweeps/new")
def new_sweep(request: Request, session: DatabaseSession) -> Response:
    """The form, filled with an example, or with what the query string says."""
    typed = dict(request.query_params)
    form = typed if "name" in typed else {**sweep_form.EXAMPLE, **typed}
    return _form_page(request, session, form)


@router.post("/sweeps/new")
def create_sweep(request: Request, form: Form, session: DatabaseSession) -> Response:
    """Queues the sweep and goes to its page, or shows the form again with what is wrong beside each field."""
    try:
        sweep = creation.create(session, sweep_form.sweep_from_form(form))
    except InvalidError as error:
        return _form_page(request, session, form, error)
    return RedirectResponse(f"/sweeps/{sweep.id}", status_code=303)


@router.post("/sweeps/new/preview")
def preview_sweep(request: Request, form: Form, session: DatabaseSession) -> Response:
    """What the form would post, and how much training that is."""
    return _page(request, "_preview.html", **_preview(request, session, form))


@router.get("/sweeps/{sweep_id}")
def show_sweep(
    request: Request,
    sweep_id: SweepId,
    session: DatabaseSession,
    state: TrialFilter = "",
    order_by: str = "number",
    after: Cursor = None,
) -> Response:
    """A sweep with its charts and trials."""
    sweep = queries.summary(session, sweep_id)
    trials = queries.list_trials(
        session, sweep_id, state=state or None, order_by=order_by, limit=TRIALS_A_PAGE, skip=after or 0
    )
    space = parse_space(sweep.space)
    view = {"x": "", "color": "", "state": state, "order_by": order_by} | _chosen(request, "x", "color")
    return _page(
        request,
        "sweep.html",
        sweep=sweep,
        trials=trials,
        after=after or 0,
        before=max((after or 0) - TRIALS_A_PAGE, 0) or "",
        view=view,
        effect_query=_effect_query(view, list(space.free())),
        link=_linker(request.url.path, view),
        space=space.domains,
        conditions={name: space.conditions.get(name, {}) for name in space.domains},
        free=list(space.free()),
        meanings={name: parameter.meaning for name, parameter in HYPERPARAMETERS.items()},
        book={name: sweep_form.FREE[name].default for name in _left_to_the_book(sweep)},
        calls=transitions.SWEEPS.allowed(sweep.state, transitions.SWEEP_CALLS),
        trial_calls=_trial_calls,
        extendable=sweep.sampler != "grid" and sweep.state != SweepState.stopping,
        deletable=sweep.state not in {SweepState.running, SweepState.stopping},
        ended=sweep.state in ENDED_SWEEPS,
        copy=urlencode(sweep_form.form_from_body(sweep.model_dump()) | {"name": f"{sweep.name} (copy)"}),
        no_worker=sweep.state not in ENDED_SWEEPS and not _workers_alive(session),
    )


@router.post("/sweeps/{sweep_id}/delete")
def delete_sweep(sweep_id: SweepId, session: DatabaseSession) -> Response:
    """Deletes the sweep and goes to the list."""
    deletion.delete(session, sweep_id)
    return RedirectResponse("/", status_code=303)


@router.post("/sweeps/{sweep_id}/{call}")
def change_state(
    sweep_id: SweepId, call: Literal["pause", "resume", "stop", "cancel"], session: DatabaseSession
) -> Response:
    """Pauses, resumes, stops or cancels, and goes back to the sweep."""
    sweep_row.change_state(session, sweep_id, call)
    return RedirectResponse(f"/sweeps/{sweep_id}", status_code=303)


@router.get("/exercises")
def list_exercises(request: Request, session: DatabaseSession) -> Response:
    """The book's exercises that can be run here, each with its latest run."""
    runs = {number: exercise_runs.latest(session, number) for number in EXERCISES}
    views = {number: exercise_runs.view(session, run) for number, run in runs.items() if run is not None}
    return _page(request, "exercises.html", exercises=EXERCISES.values(), views=views)


@router.get("/exercises/{number}")
def show_exercise(request: Request, number: int, session: DatabaseSession) -> Response:
    """The question, what its latest run says, and the buttons that start one."""
    asked = exercise(number)
    run = exercise_runs.latest(session, number)
    return _page(
        request,
        "exercise.html",
        exercise=asked,
        run=exercise_runs.view(session, run) if run is not None else None,
        revision=exercise_runs.revision(session, run) if run is not None else "",
        costs={preset: _cost(asked.sweeps(preset)) for preset in get_args(Preset)},
        no_worker=not _workers_alive(session),
    )


@router.post("/exercises/{number}/runs")
def run_exercise(number: int, preset: Annotated[Preset, FormField()], session: DatabaseSession) -> Response:
    """Queues the exercise's sweeps and goes back to its page."""
    exercise_runs.start(session, number, preset)
    return RedirectResponse(f"/exercises/{number}", status_code=303)


@router.get("/workers")
def list_workers(request: Request, session: DatabaseSession) -> Response:
    """The processes that train."""
    return _page(request, "workers.html", workers=queries.list_workers(session))


@router.get("/datasets")
def list_datasets(request: Request) -> Response:
    """The data sets that a sweep can name."""
    return _page(request, "datasets.html", datasets=DATASETS.values())


def _page(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    return templates.TemplateResponse(request, name, context, status_code=status)


def _cost(bodies: Sequence[Mapping[str, Any]]) -> str:
    """How many trainings an exercise's sweeps are, and of what length."""
    asked = [schemas.SweepCreate.model_validate(body) for body in bodies]
    return " ".join(f"{sweep_form.budget(sweep)} {sweep.space['epochs']} epochs each." for sweep in asked)


def _workers_alive(session: Session) -> bool:
    return any(worker.alive for worker in queries.list_workers(session))


def _trial_calls(trial: schemas.TrialOut) -> list[str]:
    """The buttons of a trial."""
    return [*transitions.TRIALS.allowed(trial.state, ("retry", "cancel")), "include" if trial.excluded else "exclude"]


def _chosen(request: Request, *names: str) -> dict[str, str]:
    return {name: request.query_params[name] for name in names if name in request.query_params}


def _effect_query(view: Mapping[str, str], free: Sequence[str]) -> str:
    """What the chart of one hyperparameter's effect is asked for: by default the first that varies."""
    query = {"x": view["x"] or next(iter(free), ""), "color": view["color"]}
    return f"?{urlencode(asked)}" if (asked := {name: value for name, value in query.items() if value}) else ""


def _linker(path: str, view: Mapping[str, str]) -> Any:
    """`link(order_by="-value")`: the address of the same view with that changed."""

    def link(**changes: object) -> str:
        query = {name: str(value) for name, value in {**view, **changes}.items() if value not in {"", "number", None}}
        return f"{path}?{urlencode(query)}" if query else path

    return link


# They say more about another hyperparameter, which is off or of another kind in the book.
_DETAILS = {"hidden_layers", "init_std", "init_range", "init_gain", "init_slope", "lr_step_epochs", "lr_gamma"}


def _left_to_the_book(sweep: schemas.SweepOut) -> list[str]:
    """The hyperparameters that do something here and that the sweep does not name; 0 or false is off."""
    unused = {*_DETAILS, *sweep.space}
    if "hidden_layers" in sweep.space:
        unused |= {"hidden_units", "depth"}
    return [name for name, one in sweep_form.FREE.items() if name not in unused and one.default]


def _form_page(
    request: Request, session: Session, form: Mapping[str, str], error: InvalidError | None = None
) -> Response:
    errors = sweep_form.errors_by_field(error.errors) if error else {}
    return _page(
        request,
        "new_sweep.html",
        422 if error else 200,
        form=form,
        problem=error.detail if error else "",
        errors=errors,
        first_wrong=next((name for name in sweep_form.FIELDS if name in errors), ""),
        parameters=sweep_form.FREE,
        datasets=DATASETS.values(),
        **_preview(request, session, form),
    )


def _preview(request: Request, session: Session, form: Mapping[str, str]) -> dict[str, Any]:
    body, _ = sweep_form.body_from_form(form)
    foretold = None
    try:
        asked = sweep_form.sweep_from_form(form)
        budget, wrong = sweep_form.budget(asked), {}
        foretold = previews.preview(session, asked)
    except InvalidError as error:
        budget, wrong = "", sweep_form.errors_by_field(error.errors)
    address = f"{str(request.base_url).rstrip('/')}/api/v1/sweeps"
    curl = f"curl {address} --json {shlex.quote(json.dumps(body))}"
    return {"budget": budget, "foretold": foretold, "wrong": wrong, "body": _pretty(body), "curl": curl}


def _pretty(body: Mapping[str, Any]) -> str:
    """The body as JSON with a line for each field and each hyperparameter."""
    lines = {name: json.dumps(value) for name, value in body.items()}
    inner = ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in body["space"].items())
    lines["space"] = f"{{\n{inner}\n  }}" if inner else "{}"
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {value}" for name, value in lines.items()) + "\n}"
