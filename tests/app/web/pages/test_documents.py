"""The documents as pages: all of them there, their links and pictures too, and what the images carry."""

import re
from fnmatch import fnmatch
from html import unescape
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient

from app.web.markdown import slug
from tests.support.paths import ROOT

DOCUMENTS = sorted(path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in ROOT.glob("docs/**/*.md"))


def test_every_document_is_listed_by_its_title(client: TestClient) -> None:
    """The list has each Markdown file of docs/, and the foot of every page leads to it."""
    page = client.get("/docs").text
    for name in DOCUMENTS:
        title = (ROOT / "docs" / f"{name}.md").read_text().partition("\n")[0].removeprefix("# ")
        assert f'<a href="/docs/{name}">{title}</a>' in unescape(page)
    assert 'href="/docs"' in client.get("/").text


def test_links_and_pictures_of_documents_work(client: TestClient) -> None:
    """Each link on this server answers, and an anchor is on the page that it names."""
    pages = {f"/docs/{name}": client.get(f"/docs/{name}") for name in DOCUMENTS}
    assert {page.status_code for page in pages.values()} == {200}
    links = {(address, link) for address, page in pages.items() for link in _links(page.text)}
    assert ("/docs/legs", "/docs/legs.svg") in links
    for address, link in sorted(links):
        if "://" in link:
            continue
        path, _, anchor = urljoin(address, unescape(link)).partition("#")
        answer = pages.get(path) or client.get(path)
        assert answer.status_code == 200, f"{address}: {link}"
        assert not anchor or f'id="{anchor}"' in answer.text, f"{address}: {link}"


def test_documents_are_rendered(client: TestClient) -> None:
    """Tables, code and headings are elements; comments of the file are not shown."""
    page = client.get("/docs/legs").text
    assert re.search(r'<h2 id="what-ends-a-leg">What ends a leg</h2>', page)
    assert "<table" in page
    assert "begin of the claim rule part" not in page


def test_titles_are_searched(client: TestClient) -> None:
    """Every word of the search has to be in a title, whatever its case."""
    page = client.get("/docs", params={"q": "WHY Fast"}).text
    assert re.findall(r'href="(/docs/[^"]+)"', page) == ["/docs/why-it-is-fast"]
    assert "No title has “&lt;b&gt;” in it" in client.get("/docs", params={"q": "<b>"}).text


@pytest.mark.parametrize(
    "name", ["nothing", "../README", "..%2FREADME", "adr", "legs.md", "../app/web/static/favicon.svg"]
)
def test_nothing_else_is_served(refusing: TestClient, name: str) -> None:
    """No other file can be read by this address."""
    answer = refusing.get(f"/docs/{name}")
    assert answer.status_code == 404


def test_the_images_carry_the_documents() -> None:
    """The server's image copies docs/, which the build may see."""
    server_stage = (ROOT / "Dockerfile").read_text().split("FROM packages AS app\n")[1].split("FROM")[0]
    assert "COPY docs docs" in server_stage
    rules = (ROOT / ".dockerignore").read_text().split("\n")
    assert any(rule.startswith("!") and fnmatch("docs", rule[1:]) for rule in rules)


def test_anchors_are_those_that_the_documents_use() -> None:
    """As GitHub makes them, so that a link works there and here."""
    assert slug("What `equal seeds` share, and why?") == "what-equal-seeds-share-and-why"


def _links(page: str) -> list[str]:
    """Addresses of the document itself, without those of the pages' head and foot."""
    article = page.partition("<article")[2].partition("</article>")[0]
    return re.findall(r'(?:href|src)="([^"]+)"', article)
