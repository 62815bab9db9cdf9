"""Which role each route needs: this table has every route, and a new one is refused until it is in it."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.access import keys
from app.config import Settings
from app.db.engine import transaction
from app.domain.people.roles import Role
from app.web.app import create_app
from app.web.security.roles import needed_role
from tests.support.web.routes import routes

NEEDS = {
    None: """
    GET /api/v1/healthz
    GET /api/v1/readyz
    GET /healthz
    GET /login
    POST /login
    GET /s/{token}
    GET /s/{token}/charts/{name}
    GET /s/{token}/events
    GET /s/{token}/report.html
    GET /s/{token}/trials
    GET /readyz
    GET /static/plotly.min.js
""",
    Role.worker: """
    POST /api/v1/worker/{worker_id}/ask_ahead
    POST /api/v1/worker/{worker_id}/dataset
    POST /api/v1/worker/{worker_id}/wait
    POST /api/v1/worker/{worker_id}/{call}
""",
    Role.read: """
    GET /
    GET /api/docs
    GET /api/openapi.json
    GET /api/v1/datasets
    GET /api/v1/datasets/{name}
    GET /api/v1/events
    GET /api/v1/exercises
    GET /api/v1/exercises/report.html
    GET /api/v1/exercises/{number}
    GET /api/v1/exercises/{number}/charts/{name}
    GET /api/v1/exercises/{number}/report.html
    GET /api/v1/exercises/{number}/runs
    GET /api/v1/exercises/{number}/runs/{run_id}
    GET /api/v1/metrics
    GET /api/v1/sweeps
    POST /api/v1/sweeps/preview
    GET /api/v1/sweeps/{sweep_id}
    GET /api/v1/sweeps/{sweep_id}/charts
    GET /api/v1/sweeps/{sweep_id}/charts/{name}
    GET /api/v1/sweeps/{sweep_id}/deliveries
    GET /api/v1/sweeps/{sweep_id}/events
    GET /api/v1/sweeps/{sweep_id}/export.csv
    GET /api/v1/sweeps/{sweep_id}/export.json
    GET /api/v1/sweeps/{sweep_id}/export.parquet
    GET /api/v1/sweeps/{sweep_id}/log
    GET /sweeps/{sweep_id}/log
    GET /api/v1/sweeps/{sweep_id}/trials
    GET /api/v1/sweeps/{sweep_id}/trials/{number}
    GET /api/v1/sweeps/{sweep_id}/trials/{number}/diagnostics
    GET /api/v1/sweeps/{sweep_id}/trials/{number}/epochs
    GET /api/v1/sweeps/{sweep_id}/trials/{number}/model
    GET /api/v1/workers
    GET /datasets
    GET /datasets/{name}
    GET /exercises
    GET /exercises/{number}
    POST /logout
    GET /metrics
    GET /docs
    GET /docs/{name:path}
    GET /hyperparameters
    GET /sweeps/bulk/ask
    GET /api/v1/sweeps/{sweep_id}/shares
    GET /api/v1/exercises/{number}/runs/{run_id}/shares
    GET /api/v1/compare
    GET /api/v1/compare/charts/edf
    GET /api/v1/compare/charts/regret
    GET /compare
    GET /sweeps/{sweep_id}/trials/{number}/predict
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/predict
    GET /sweeps/{sweep_id}/setup
    GET /sweeps/{sweep_id}/shares
    GET /exercises/{number}/runs/{run_id}/shares
    GET /sweeps/new
    POST /sweeps/new/fields
    POST /sweeps/new/preview
    GET /sweeps/{sweep_id}
    GET /sweeps/{sweep_id}/trials/new
    GET /sweeps/{sweep_id}/trials/{number}
    GET /sweeps/{sweep_id}/what-matters
    GET /workers
""",
    Role.write: """
    POST /api/v1/exercises/{number}/runs
    POST /api/v1/exercises/{number}/runs/{run_id}/tries
    POST /api/v1/sweeps
    POST /api/v1/datasets
    POST /api/v1/datasets/preview
    DELETE /api/v1/datasets/{name}
    POST /api/v1/sweeps/import
    DELETE /api/v1/sweeps/{sweep_id}
    PATCH /api/v1/sweeps/{sweep_id}
    PATCH /api/v1/sweeps/{sweep_id}/trials/{number}
    POST /sweeps/{sweep_id}/trials/{number}/note
    POST /api/v1/sweeps/{sweep_id}/clone
    POST /api/v1/sweeps/{sweep_id}/continue
    POST /api/v1/sweeps/{sweep_id}/rerun-top
    POST /api/v1/sweeps/{sweep_id}/retry
    POST /api/v1/sweeps/{sweep_id}/trials
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/cancel
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/continue
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/exclude
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/include
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/model
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/rerun
    POST /api/v1/sweeps/{sweep_id}/trials/{number}/retry
    POST /api/v1/sweeps/{sweep_id}/{call}
    POST /api/v1/workers/{worker_id}/drain
    POST /api/v1/workers/{worker_id}/undrain
    POST /exercises/runs
    POST /exercises/{number}/runs
    POST /exercises/{number}/runs/{run_id}/tries
    POST /sweeps/bulk
    POST /api/v1/sweeps/{sweep_id}/share
    POST /api/v1/exercises/{number}/runs/{run_id}/share
    DELETE /api/v1/shares/{share}
    POST /sweeps/{sweep_id}/shares
    POST /sweeps/{sweep_id}/shares/{share}/end
    POST /exercises/{number}/runs/{run_id}/shares
    POST /exercises/{number}/runs/{run_id}/shares/{share}/end
    POST /datasets/preview
    POST /datasets/{name}/delete
    POST /sweeps/import
    POST /sweeps/new
    POST /sweeps/{sweep_id}/continue
    POST /sweeps/{sweep_id}/confirm
    POST /sweeps/{sweep_id}/delete
    POST /sweeps/{sweep_id}/edit
    POST /sweeps/{sweep_id}/extend
    POST /sweeps/{sweep_id}/notes
    POST /sweeps/{sweep_id}/retry
    POST /sweeps/{sweep_id}/widen
    POST /sweeps/{sweep_id}/train-longer
    POST /sweeps/{sweep_id}/selection/{call}
    POST /sweeps/{sweep_id}/trials
    POST /sweeps/{sweep_id}/trials/{number}/continue
    POST /sweeps/{sweep_id}/trials/{number}/model
    POST /sweeps/{sweep_id}/trials/{number}/rerun
    POST /sweeps/{sweep_id}/trials/{number}/{call}
    POST /sweeps/{sweep_id}/{call}
    POST /workers/{worker_id}/{call}
""",
    Role.admin: """
    GET /api/v1/keys
    POST /api/v1/keys
    DELETE /api/v1/keys/{key_id}
    GET /keys
    POST /keys
    POST /keys/{key_id}/revoke
""",
}
TABLE = {line.strip(): role for role, lines in NEEDS.items() for line in lines.strip().splitlines()}
ENDLESS = "/events"


def filled(path: str) -> str:
    """The path of a thing that is not there, so that a call that is let in does nothing."""
    path = path.replace(":path", "")
    numbers = re.sub(r"\{(number)\}", "9", path)
    return re.sub(r"\{(sweep_id|run_id|key_id|worker_id|share)\}", "999999", numbers).format(
        call="pause", name="effect", token="share_x"
    )


def test_every_route_is_in_the_table(settings: Settings) -> None:
    """With the role that it needs: who adds a route says here who may call it."""
    app = create_app(settings)
    assert {f"{method} {path}" for method, path in routes(app)} == set(TABLE)
    needed = {call: needed_role(*filled(call).split(" ")) for call in TABLE}
    assert needed == TABLE


@pytest.fixture
def tokens(engine: Engine) -> dict[Role, str]:
    """A key of each role."""
    with transaction(engine) as session:
        return {role: keys.create(session, f"a {role} key", role)[1] for role in Role}


def test_each_role_may_do_what_the_table_says(client: TestClient, tokens: dict[Role, str]) -> None:
    """Without a key 401, with a smaller role 403 and a sentence that names the right one, else whatever it answers."""
    for call, needed in TABLE.items():
        method, path = filled(call).split(" ")
        if needed is None or path == "/logout" or ENDLESS in path:
            continue
        assert client.request(method, path).status_code == 401, call
        for role, token in tokens.items():
            if role.includes(needed) and method != "GET":
                continue  # what it does is another test's
            answer = client.request(method, path, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code == 403) == (not role.includes(needed)), (call, role, answer.text)
            if answer.status_code == 403:
                sentence = f"This needs a key with the role {needed}; 'a {role} key' has the role {role}."
                assert answer.json()["detail"] == sentence


def test_who_may_write_is_let_in(client: TestClient, tokens: dict[Role, str]) -> None:
    """The roles above are enough too: the call is answered, and not refused."""
    for role in (Role.write, Role.admin):
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        assert client.delete("/api/v1/sweeps/999999", headers=headers).status_code == 404
    assert client.delete("/api/v1/keys/999999", headers=headers).status_code == 404
