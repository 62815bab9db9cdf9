"""The connection of a command to its server, and the server's refusals as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.config import load_settings, service_address
from app.errors import FieldError, InvalidError, PerceptuneError, StartError

if TYPE_CHECKING:
    from perceptune import Client


@contextmanager
def connection(url: str | None) -> Iterator[Client]:
    """A client of the server at this address, else that of the settings; its errors are ours inside the block."""
    try:
        import perceptune
    except ModuleNotFoundError:
        raise StartError("The client is missing, by which commands talk to a server: pip install ./client") from None
    settings = load_settings()
    try:
        with perceptune.Client(url or service_address(settings)) as client:
            yield client
    except perceptune.ProblemError as error:
        raise InvalidError(error.detail, [FieldError(field.loc, field.msg) for field in error.fields]) from None
    except (perceptune.PerceptuneError, TimeoutError, LookupError) as error:
        raise PerceptuneError(str(error)) from None
