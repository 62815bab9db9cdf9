"""Keys: make, list and revoke them, with the role admin."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from app import schemas
from app.access import keys
from app.access.callers import ANYONE
from app.db.tables import Key
from app.domain.people.roles import Role
from app.errors import ConflictError
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])

KeyId = Annotated[int, Path(ge=1, le=2**62, description="Number of the key.")]


@router.get("")
def list_keys(session: DatabaseSession) -> schemas.Page[schemas.KeyOut]:
    """Every key, those that were revoked too, the newest first; what a key itself is nobody can tell any more."""
    return schemas.Page(items=[schemas.KeyOut.model_validate(key) for key in keys.all_keys(session)])


@router.post("", status_code=201, responses=problems(409))
def create_key(body: schemas.KeyCreate, request: Request, session: DatabaseSession) -> schemas.NewKey:
    """Makes a key, and shows it this once. From the first one on, every call needs a key."""
    return new_key(request, session, body)


@router.delete("/{key_id}", status_code=204, responses=problems(404))
def revoke_key(key_id: KeyId, request: Request, session: DatabaseSession) -> None:
    """Ends a key, and with it every session that was begun with it: here at once, in other processes within seconds."""
    end_key(request, session, key_id)


def new_key(request: Request, session: DatabaseSession, body: schemas.KeyCreate) -> schemas.NewKey:
    """The key that the body asks for. Raises ConflictError where nobody could make a further one."""
    caller = request.state.caller
    if caller is ANYONE and body.role != Role.admin:
        raise ConflictError("The first key must have the role admin: without one nobody could make further keys.")
    key, token = keys.create(session, body.name, body.role, days=body.days, created_by=caller.name)
    request.app.state.gate.ring.forget_after(session)
    return schemas.NewKey.model_validate({**schemas.KeyOut.model_validate(key).model_dump(), "key": token})


def end_key(request: Request, session: DatabaseSession, key_id: int) -> Key:
    """The key, revoked."""
    key = keys.revoke(session, key_id)
    request.app.state.gate.ring.forget_after(session)
    return key
