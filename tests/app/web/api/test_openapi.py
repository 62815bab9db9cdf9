"""The OpenAPI document against the server: what is documented is accepted, and every answer is documented."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine, update

from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Run
from app.service.up import Service
from tests.support.queue_examples import change, claim, complete, create_grid, create_sweep, failure, finish, new_worker

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = {GenerationMode.POSITIVE: 6, GenerationMode.NEGATIVE: 4}
ENDLESS = "/events$"  # streams, which have tests of their own
KEY = "one for the whole document"  # so that the keys that are made shut nobody out
BEARER = {"Authorization": f"Bearer {KEY}"}
NOBODY = "http://127.0.0.1:9/nobody-listens"


@pytest.fixture
def url(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with sweeps in every state."""
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    worker = new_worker(engine)
    completed = create_grid(engine, 4, 8)
    complete(engine, completed, worker, claim(engine, worker))
    mixed = create_grid(engine, 4, 8, 16)
    first, *_ = claim(engine, worker, 1)
    finish(engine, mixed, worker, [failure(first.lease)])
    claim(engine, worker, 1)
    for call in ("pause", "cancel"):
        change(engine, create_sweep(engine), call)
    create_sweep(engine)
    with transaction(engine) as session:  # the examples' are no tensors
        session.execute(update(Run).values(weights=None))
    with Service(settings.model_copy(update={"api_key": KEY})) as service:
        yield service.url


def aimed(case: Case[Any]) -> Case[Any]:
    """Most numbers that are drawn are of nothing: half of them become those of what is there. Nobody is written to."""
    parameters = case.path_parameters
    for name, rows in (("sweep_id", 5), ("number", 2), ("run_id", 2)):
        if isinstance(value := parameters.get(name), int) and value % 2:
            parameters[name] = value // 2 % rows + (0 if name == "number" else 1)
    if isinstance(case.body, dict) and isinstance(hook := case.body.get("webhook"), dict):
        hook["url"] = NOBODY
    return case


def operations(url: str) -> list[Any]:
    document = schemathesis.openapi.from_url(f"{url}/api/openapi.json", headers=BEARER).exclude(path_regex=ENDLESS)
    results = list(document.get_all_operations())
    assert all(isinstance(result, Ok) for result in results)
    return [result.ok() for result in results if isinstance(result, Ok)]


@pytest.mark.parametrize("mode", EXAMPLES)
def test_every_answer_is_documented(url: str, mode: GenerationMode) -> None:
    """Whatever each call is sent, right or wrong: no 5xx, and a status, type and body that the document names."""
    wrong = []
    for operation in operations(url):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES[mode],
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[*HealthCheck],
        )
        def answers(case: Case[Any]) -> None:
            aimed(case).call_and_validate(checks=CHECKS, headers=BEARER)

        try:
            answers()
        except Unsatisfiable:  # nothing that could be sent wrongly
            assert mode is GenerationMode.NEGATIVE
        except (Exception, FailureGroup) as error:
            wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n\n".join(wrong)
