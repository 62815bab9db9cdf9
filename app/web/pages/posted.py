"""What the forms of pages post, as numbers and bodies, and the way back to the page that they were on."""

from typing import Any, TypeVar

from fastapi import Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.domain.body import Body, plain_sentence
from app.errors import FieldError, InvalidError

AnyBody = TypeVar("AnyBody", bound=Body)


def back(sweep_id: int, form: dict[str, str]) -> Response:
    """To the sweep's page as it was: `view` is its query string."""
    query_string = form.get("view", "")
    return RedirectResponse(
        f"/sweeps/{sweep_id}{query_string if query_string.startswith('?') else ''}", status_code=303
    )


def whole_number(form: dict[str, str], name: str) -> int:
    """The field as a whole number. Raises InvalidError."""
    text = form.get(name, "")
    try:
        return int(text)
    except ValueError:
        error = FieldError((name,), f"must be a whole number, not {text!r}")
        raise InvalidError(f"The field {name} can't be used.", [error]) from None


def whole_or_text(text: str) -> int | str:
    """A whole number where the text is one, of few digits; else the text, of which its model says what is wrong."""
    return int(text) if text.isdecimal() and len(text) < 19 else text


def validated(kind: type[AnyBody], fields: dict[str, Any]) -> AnyBody:
    """The body of these fields. Raises InvalidError, which names those that can't be used."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        errors = [FieldError(finding["loc"], plain_sentence(finding)) for finding in error.errors()]
        raise InvalidError("Some fields can't be used as they are.", errors) from None
