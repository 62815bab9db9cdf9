"""What tests of the web share."""

import pytest
from fastapi.testclient import TestClient

from tests.support.web.sweep_form import FORM


@pytest.fixture
def admin(client: TestClient) -> str:
    """The first key, made while none was needed."""
    return str(client.post("/api/v1/keys", json={"name": "Ada", "role": "admin"}).json()["key"])


@pytest.fixture
def sweep(client: TestClient) -> str:
    """The path of a sweep's page; no worker takes it."""
    posted = client.post("/sweeps/new", data=FORM, follow_redirects=False)
    assert posted.status_code == 303
    return posted.headers["location"]
