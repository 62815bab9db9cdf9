"""Keys for tests: made, sent along, and typed into a browser of its own."""

from typing import Any

from fastapi.testclient import TestClient


def bearer(token: str) -> dict[str, str]:
    """The header with a key."""
    return {"Authorization": f"Bearer {token}"}


def make_key(client: TestClient, admin: str, **body: Any) -> dict[str, Any]:
    """A further key, made with an admin's."""
    made: dict[str, Any] = client.post("/api/v1/keys", json=body, headers=bearer(admin)).raise_for_status().json()
    return made


def browser(client: TestClient, host: str = "localhost") -> TestClient:
    """Another client of the same server, without cookies."""
    return TestClient(client.app, base_url=f"http://{host}", follow_redirects=False)
