"""The page on which the API can be read and tried out."""

import re

from fastapi.testclient import TestClient


def test_the_page_of_the_api_loads_nothing_from_elsewhere(refusing: TestClient) -> None:
    """Every script and style of /api/docs comes from this server."""
    page = refusing.get("/api/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert links
    for link in links:
        assert link.startswith("/static/")
        assert refusing.get(link).status_code == 200
