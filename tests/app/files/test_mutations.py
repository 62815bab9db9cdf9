"""Whatever is changed in an export, it is taken or refused; what was taken can be shown."""

import json
import random

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.fuzz.mutations import mutate
from tests.support.sweeps.export_examples import export, rich_sweep

MUTATIONS = 100


def test_every_change_is_taken_or_refused(client: TestClient, engine: Engine) -> None:
    """Never an error of the server's, neither at the import nor where the sweep is read, exported and shown."""
    content = export(client, rich_sweep(engine)).content
    chance = random.Random(5)
    accepted = 0
    for _ in range(MUTATIONS):
        document = json.loads(content)
        mutate(document, chance)
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
