"""Calls of workers over HTTP, sent as they are: what no worker of ours would send."""

from typing import Any
from uuid import UUID

import httpx2
from fastapi.testclient import TestClient

from app.broker.wire import VERSION_HEADER, pack
from app.db.migrations import program_version

VERSION = {VERSION_HEADER: program_version()}


def post(client: TestClient, worker_id: UUID, call: str, message: bytes) -> httpx2.Response:
    return client.post(f"/api/v1/worker/{worker_id}/{call}", content=message, headers=VERSION)


def send(client: TestClient, worker_id: UUID, call: str, **arguments: Any) -> httpx2.Response:
    return post(client, worker_id, call, pack(arguments))
