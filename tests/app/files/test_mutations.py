"""Whatever is changed in an export, it is taken or refused; what was taken can be shown."""

import json
import random
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.support.export_examples import export, rich_sweep

MUTATIONS = 250
VALUES: list[Any] = [None, 0, -1, 1, 2**63, 10**400, 0.5, 1e308, "", "x", "nan", "2026-01-01T00:00:00Z", True, [], {}]
VALUES += [[1], ["a"], {"a": 1}, "complete", "waiting", "paused", "\0", "\ud800", [[]], float("inf"), "0" * 5000]


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in places(node[key])]


def test_every_change_is_taken_or_refused(client: TestClient, engine: Engine) -> None:
    """Never an error of the server's, neither at the import nor where the sweep is read, exported and shown."""
    content = export(client, rich_sweep(engine)).content
    chance = random.Random(5)
    accepted = 0
    for _ in range(MUTATIONS):
        document = json.loads(content)
        for _ in range(chance.choice([1, 1, 2])):
            node, key = chance.choice(places(document))
            if chance.random() < 0.15:
                del node[key]
            else:
                node[key] = chance.choice(VALUES)
        answer = client.post("/api/v1/sweeps/import", content=json.dumps(document).encode())
        assert answer.status_code in {201, 422}, answer.text
        if answer.status_code == 201:
            accepted += 1
            sweep = answer.json()["id"]
            for path in (
                "",
                "/trials",
                "/export.csv?epochs=true",
                "/export.parquet",
                "/charts/history",
                "/charts/curves",
            ):
                assert client.get(f"/api/v1/sweeps/{sweep}{path}").status_code == 200
            assert client.get(f"/sweeps/{sweep}", headers={"Accept": "text/html"}).status_code == 200
            client.delete(f"/api/v1/sweeps/{sweep}")
    assert accepted > MUTATIONS / 20
