"""The form for a new sweep, with the preview of what it would start."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.db import datasets
from app.db.tables import Sweep
from app.domain.formatting import setting
from app.domain.hyperparameters import Category, Layers, Number
from app.domain.sweep_limits import MAX_NAME_LENGTH
from app.errors import InvalidError
from app.lifecycle import sweep_row
from app.schemas import SweepPreview, Webhook
from app.sweeps import copies, creation, previews
from app.web.dependencies import DatabaseSession, PostedForm
from app.web.pages.datasets.panel import short_title
from app.web.pages.labels import Option
from app.web.pages.new_sweep import form as sweep_form
from app.web.pages.new_sweep.choices import GROUPS, HINTS, LABELS, LISTS, tasks_with
from app.web.pages.new_sweep.form import TYPED, Form
from app.web.pages.rendering import render
from app.web.security.plans import PLAN_PLACE

router = APIRouter(include_in_schema=False)

_KINDS = {Number: "number", Category: "names", Layers: "layers"}


@dataclass(frozen=True)
class FormField:
    """A field of the form with what was typed into it."""

    name: str
    label: str
    hint: str
    value: str
    errors: Sequence[str]
    focused: bool
    """Whether the cursor goes there: it is the first field that is wrong."""
    options: Sequence[Option] = ()
    """What it can be chosen from."""


@dataclass(frozen=True)
class ParameterField(FormField):
    """The field of a hyperparameter."""

    placeholder: str = ""
    """What it is in the book."""
    names: Sequence[str] = ()
    """What it can be, where that is one of a few names."""
    kind: str = "number"
    """`number`, `names` or `layers`."""
    tasks: str = ""
    """Those that have it, with spaces between them."""


@dataclass(frozen=True)
class FieldGroup:
    """Hyperparameters that belong together."""

    title: str
    usual: Sequence[ParameterField]
    rare: Sequence[ParameterField]

    @property
    def is_open(self) -> bool:
        """Whether something was typed into what is shown on demand, or is wrong in it."""
        return any(field.value or field.errors for field in self.rare)

    @property
    def tasks(self) -> str:
        """Those that have any of them."""
        return " ".join(sorted({task for field in (*self.usual, *self.rare) for task in field.tasks.split()}))


@dataclass(frozen=True)
class PreviewView:
    """What the form would start, or why it can't."""

    budget: str
    """`12 trials, each trained once.`; empty where something is wrong."""
    forecast: SweepPreview | None
    errors: Mapping[str, Sequence[str]]
    """Sentences by the field that is wrong."""
    body: str
    """What would be posted, as JSON."""
    command: str
    """The same as a command line."""

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Each wrong field with a sentence that begins with it."""
        return [(name, text[:1].lower() + text[1:]) for name, sentences in self.errors.items() for text in sentences]


@dataclass(frozen=True)
class NewSweepView:
    """The form, filled with an example or with what was typed."""

    form: Form
    problem: str
    """What is wrong with the form as a whole."""
    errors: Mapping[str, Sequence[str]]
    """Sentences by the field that is wrong; none before the form is posted."""
    preview: PreviewView
    datasets: Sequence[Option]
    """All that there are."""
    webhook_url: str = ""
    """Where the sweep that this one is a duplicate of tells its states."""

    @property
    def like(self) -> str:
        """The number of the sweep that this one is a duplicate of, or nothing."""
        return self.form.get("like", "")

    @property
    def order(self) -> str:
        """The order of the search space, where it is not that of the form."""
        return self.form.get("order", "")

    def field(self, name: str) -> FormField:
        """A field that is no hyperparameter."""
        options = self.datasets if name == "dataset" else ()
        return FormField(
            name,
            LABELS[name],
            HINTS.get(name, ""),
            *self._state(name),
            self._with_typed(LISTS.get(name, options), name),
        )

    @property
    def groups(self) -> list[FieldGroup]:
        """The hyperparameters."""
        return [
            FieldGroup(group.title, self._parameters(group.usual), self._parameters(group.rare)) for group in GROUPS
        ]

    def is_used(self, *names: str) -> bool:
        """Whether something was typed into any of these fields, or is wrong in it."""
        return any(self.form.get(name) or name in self.errors for name in names)

    def _with_typed(self, options: Sequence[Option], name: str) -> Sequence[Option]:
        """The options, and what a duplicate has in this field if it is none of them."""
        value = self.form.get(name, "")
        if not options or not value or value in {option.value for option in options}:
            return options
        return (*options, Option(value, _options_label(value)))

    def _parameters(self, names: Sequence[str]) -> list[ParameterField]:
        return [self._parameter(name) for name in names]

    def _parameter(self, name: str) -> ParameterField:
        """The field of a hyperparameter; what it is in the book stands there in grey."""
        parameter = TYPED[name]
        return ParameterField(
            name,
            name,
            parameter.meaning,
            *self._state(name),
            placeholder="" if parameter.default is None else setting(parameter.default),
            names=[setting(value) for value in parameter.kind.names] if isinstance(parameter.kind, Category) else [],
            kind=_KINDS[type(parameter.kind)],
            tasks=tasks_with(name),
        )

    def _state(self, name: str) -> tuple[str, Sequence[str], bool]:
        """What was typed into a field, what is wrong with it, and whether it has the focus."""
        first_wrong = next((field for field in sweep_form.FIELDS if field in self.errors), "")
        return self.form.get(name, ""), self.errors.get(name, ()), name == first_wrong


@router.get("/sweeps/new", dependencies=[PLAN_PLACE])
def show_form(
    request: Request, session: DatabaseSession, like: Annotated[int | None, Query(ge=1, le=2**62)] = None
) -> Response:
    """The form, filled with an example, with what the query string says, or with all of another sweep's body."""
    if like is not None:
        return _form_page(request, session, _duplicate(session, like))
    typed = dict(request.query_params)
    form = typed if "name" in typed else {**_example(session, typed.get("dataset")), **typed}
    return _form_page(request, session, form)


def _example(session: Session, dataset: str | None) -> sweep_form.Form:
    """What the form begins with for a data set."""
    info = datasets.catalogue(session).get(dataset or "")
    is_small = info is not None and info.train < sweep_form.SMALL_DATASET
    return {**sweep_form.EXAMPLE, **(sweep_form.SMALL_EXAMPLE if is_small else {})}


@router.post("/sweeps/new", dependencies=[PLAN_PLACE])
def create_sweep(request: Request, form: PostedForm, session: DatabaseSession) -> Response:
    """Queues the sweep and goes to its page, or shows the form again with what is wrong beside each field."""
    try:
        body = sweep_form.sweep_from_form(form)
        sweep = creation.create(session, body.model_copy(update={"webhook": _webhook(session, form)}))
    except InvalidError as error:
        return _form_page(request, session, form, error)
    return RedirectResponse(f"/sweeps/{sweep.id}", status_code=303)


@router.post("/sweeps/new/preview", dependencies=[PLAN_PLACE])
def preview_sweep(request: Request, form: PostedForm, session: DatabaseSession) -> Response:
    """What the form would post, and how much training that is."""
    return render(request, "new_sweep/preview.html", _preview(request, session, form))


@router.post("/sweeps/new/fields", dependencies=[PLAN_PLACE])
def fill_fields(form: PostedForm) -> dict[str, Any]:
    """What to type for a body that was edited as JSON, or what is wrong with that; nothing is stored."""
    try:
        return {"fields": sweep_form.form_from_json(form.get("body", "")), "problem": None}
    except ValueError as error:
        return {"fields": None, "problem": str(error)}


def _duplicate(session: Session, sweep_id: int) -> dict[str, str]:
    """What to type for the same sweep. Its webhook has a secret that is not shown: it is named by the sweep."""
    sweep = sweep_row.get(session, sweep_id)
    body = copies.body_of(session, sweep) | {"webhook": None, "name": f"{sweep.name[: MAX_NAME_LENGTH - 10]} (copy)"}
    webhook_of = {"webhook_of": str(sweep_id)} if sweep.webhook else {}
    return sweep_form.form_from_body(body) | {"like": str(sweep_id)} | webhook_of


def _webhook(session: Session, form: Form) -> Webhook | None:
    """The webhook of the sweep that the form names, if it does."""
    number = form.get("webhook_of", "")
    sweep = session.get(Sweep, int(number)) if number.isdecimal() and len(number) < 19 else None
    return Webhook.model_validate(sweep.webhook) if sweep and sweep.webhook else None


def _options_label(text: str) -> str:
    """`patient, patience 5` for the JSON of options."""
    try:
        options = json.loads(text)
        return ", ".join([str(options.pop("name")), *(f"{name} {value}" for name, value in options.items())])
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return text


def _form_page(request: Request, session: Session, form: Form, error: InvalidError | None = None) -> Response:
    webhook = _webhook(session, form)
    view = NewSweepView(
        form=form,
        webhook_url=webhook.url if webhook else "",
        problem=error.detail if error else "",
        errors=sweep_form.errors_by_field(error.errors) if error else {},
        preview=_preview(request, session, form),
        datasets=[
            Option(name, short_title(info), target=info.target) for name, info in datasets.catalogue(session).items()
        ],
    )
    return render(request, "new_sweep/page.html", view, status=422 if error else 200)


def _preview(request: Request, session: Session, form: Form) -> PreviewView:
    body, _ = sweep_form.body_from_form(form)
    command = f"curl {request.base_url}api/v1/sweeps --json {shlex.quote(json.dumps(body))}"
    try:
        sweep = sweep_form.sweep_from_form(form)
        budget, forecast = sweep_form.budget(sweep), previews.preview(session, sweep)
    except InvalidError as error:
        return PreviewView("", None, sweep_form.errors_by_field(error.errors), _indented(body), command)
    return PreviewView(budget, forecast, {}, _indented(body), command)


def _indented(body: Mapping[str, Any]) -> str:
    """The body as JSON with a line for each field and each hyperparameter."""
    lines = {name: json.dumps(value) for name, value in body.items()}
    inner = ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in body["space"].items())
    lines["space"] = f"{{\n{inner}\n  }}" if inner else "{}"
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {value}" for name, value in lines.items()) + "\n}"
