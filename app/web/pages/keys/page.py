"""The list of keys, the form for a new one, and the button that revokes one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app import schemas
from app.access import keys
from app.access.callers import ANYONE, ENVIRONMENT_KEY, Caller
from app.db.tables import Key
from app.domain.body import plain_sentence
from app.domain.people.roles import MEANINGS, Role
from app.errors import ConflictError
from app.web.api.access.keys import KeyId, end_key, new_key
from app.web.dependencies import DatabaseSession, PostedForm
from app.web.pages.posted import whole_or_text
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False, prefix="/keys")


@dataclass(frozen=True)
class KeysView:
    """The keys, and what became of the one that was asked for last."""

    caller: Caller
    rows: Sequence[Key]
    new_key: schemas.NewKey | None = None
    """The key that was just made, which is shown this once."""
    form: Mapping[str, str] | None = None
    """What was filled in and could not be used."""
    errors: Mapping[str, str] | None = None
    """What is wrong with it, by the field."""

    @property
    def is_open(self) -> bool:
        """Whether anyone may do anything: no key is set, and none was made."""
        return self.caller is ANYONE

    @property
    def may_change(self) -> bool:
        """Whether keys can be made and revoked from here: not once the first was made, before its login."""
        return not (self.is_open and self.new_key)

    @property
    def by_environment(self) -> bool:
        """Whether the caller has the key of the environment, which is not in the list."""
        return self.caller.name == ENVIRONMENT_KEY

    @property
    def roles(self) -> Mapping[Role, str]:
        """The roles with what each may do; the first key must be an admin's."""
        return {Role.admin: MEANINGS[Role.admin]} if self.is_open else MEANINGS


@router.get("")
def list_keys(request: Request, session: DatabaseSession) -> Response:
    """The keys, the newest first."""
    return render(request, "keys/page.html", _view(request, session))


@router.post("")
def create_key(request: Request, form: PostedForm, session: DatabaseSession) -> Response:
    """Makes a key and shows it, or says what is wrong with the form."""
    days = form.get("days", "")
    fields = {
        "name": form.get("name", ""),
        "role": form.get("role", ""),
        "days": whole_or_text(days) if days else None,
    }
    try:
        shown_key = new_key(request, session, schemas.KeyCreate.model_validate(fields))
    except ValidationError as error:
        errors = {str(finding["loc"][0]): plain_sentence(finding) for finding in error.errors()}
    except ConflictError as error:
        errors = {"name": error.detail}
    else:
        return render(request, "keys/page.html", _view(request, session, new_key=shown_key), status=201)
    return render(request, "keys/page.html", _view(request, session, form=form, errors=errors), status=422)


@router.post("/{key_id}/revoke")
def revoke_key(key_id: KeyId, request: Request, session: DatabaseSession) -> Response:
    """Ends the key and its sessions, and goes back to the list."""
    end_key(request, session, key_id)
    return RedirectResponse("/keys", status_code=303)


def _view(
    request: Request,
    session: Session,
    *,
    new_key: schemas.NewKey | None = None,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> KeysView:
    return KeysView(request.state.caller, keys.all_keys(session), new_key, form, errors)
