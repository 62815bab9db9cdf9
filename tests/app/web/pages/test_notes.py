"""Notes in Markdown: what they become, that nothing in them can run, and how they are changed on the page."""

import re

import pytest
from fastapi.testclient import TestClient

from app.domain.sweep_limits import MAX_NOTES_LENGTH
from app.web.markdown import notes_html

BODY = {"name": "noted", "dataset": "digits", "space": {"epochs": 1}, "sampler": "grid"}

ATTACKS = [
    "<script>alert(1)</script>",
    '<img src="x" onerror="alert(1)">',
    "[link](javascript:alert(1))",
    "[link](JaVaScRiPt:alert(1))",
    "[link](data:text/html;base64,PHNjcmlwdD4=)",
    "[link](<java\tscript:alert(1)>)",
    "<javascript:alert(1)>",
    "![picture](javascript:alert(1))",
    "[x]: javascript:alert(1)\n[x]",
    '<a href="#" onclick="alert(1)">link</a>',
    '<style>body { display: none }</style><iframe src="/"></iframe>',
    '[link](/ "\\" onmouseover=alert(1) x=\\"")',
    '```"><script>alert(1)</script>\ncode\n```',
]
FOREIGN_PICTURES = [
    "https://example.org/p.png",
    "//example.org/p.png",
    "\\\\example.org/p.png",
    "p.png",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_in_notes_can_run(text: str) -> None:
    """Elements and attributes are those of plain text, and links go where links may go."""
    html = notes_html(text)
    for tag, attributes in re.findall(r"<(\w+)([^>]*)>", html):
        assert tag in {"p", "a", "pre", "code", "br"}
        names = re.findall(r'(\w+)="', attributes)
        assert set(names) <= {"href", "rel", "title"}
        assert not re.search(r'href="\s*(?:javascript|data|vbscript)', attributes, re.IGNORECASE)


@pytest.mark.parametrize("address", FOREIGN_PICTURES)
def test_pictures_of_other_hosts_are_not_loaded(address: str) -> None:
    """They become links with their text; those of this server are shown."""
    html = notes_html(f"![a curve]({address})")
    assert "<img" not in html
    assert "a curve" in html
    own_picture = notes_html("![a curve](/docs/legs.svg)")
    assert '<img src="/docs/legs.svg" alt="a curve">' in own_picture


@pytest.mark.parametrize("address", ["/\\example.org/p.png", "/&#9;/example.org/p.png"])
def test_what_browsers_might_read_as_another_host_is_a_path_here(address: str) -> None:
    """A backslash or a tab behind the first slash is encoded."""
    sources = re.findall('src="([^"]+)"', notes_html(f"![a curve]({address})"))
    assert all(re.fullmatch(r"/%[^\s\\]+", source) for source in sources)


@pytest.mark.parametrize(
    ("text", "element"),
    [("[x](/)" * 1_500, "a"), ("|a" * 50 + "\n" + "|-" * 50 + "\n" + "|a\n" * 3_000, "table")],
)
def test_what_would_take_long_is_left_as_it_was_typed(text: str, element: str) -> None:
    """Tens of thousands of cells that a few rows lack, and brackets each of which is looked for in all that follows."""
    html = notes_html(text[:MAX_NOTES_LENGTH])
    assert f"<{element}" not in html
    assert len(html) < 4 * MAX_NOTES_LENGTH


def test_notes_are_markdown() -> None:
    """Headings come below the page's own, line breaks stay, tables and lists are elements."""
    html = notes_html("# Why\nfirst line\nsecond **line**\n\n- a\n\n| x | y |\n|--:|---|\n| 1 | 2 |")
    assert "<h3>Why</h3>" in html
    assert re.search(r"first line<br>\s*second <strong>line</strong>", html)
    assert "<li>a</li>" in html
    assert '<td style="text-align:right">1</td>' in html


def test_notes_are_changed_on_the_page(client: TestClient) -> None:
    """They are stored as they were typed, with line ends as everywhere else, and go with copies and exports."""
    path = f"/sweeps/{client.post('/api/v1/sweeps', json=BODY).json()['id']}"
    answer = client.post(f"{path}/notes", data={"notes": "a *b*\r\nc", "view": "?x=y"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?x=y")
    assert client.get(f"/api/v1{path}").json()["notes"] == "a *b*\nc"
    assert client.post(f"/api/v1{path}/clone", json={}).json()["notes"] == "a *b*\nc"
    assert client.get(f"/api/v1{path}/export.json").json()["sweep"]["notes"] == "a *b*\nc"
    elsewhere = client.post(f"{path}/notes", data={"notes": "", "view": "//example.org"}, follow_redirects=False)
    assert elsewhere.headers["location"] == path
    assert client.get(f"/api/v1{path}").json()["notes"] == ""


def test_long_notes_are_refused(client: TestClient) -> None:
    """422 names the field and the limit, and the notes stay."""
    path = f"/sweeps/{client.post('/api/v1/sweeps', json=BODY | {'notes': 'short'}).json()['id']}"
    answer = client.post(f"{path}/notes", data={"notes": "x" * (MAX_NOTES_LENGTH + 1)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["notes"]
    assert f"{MAX_NOTES_LENGTH:,}" in answer.json()["errors"][0]["msg"]
    assert client.get(f"/api/v1{path}").json()["notes"] == "short"


def test_a_note_on_a_trial_is_markdown_too(client: TestClient) -> None:
    """In its panel; in the table its words stand in a line. Nothing of it is markup that it should not be."""
    path = f"/sweeps/{client.post('/api/v1/sweeps', json=BODY).json()['id']}"
    text = "**odd** `x<y`:\n- a kink\n- <script>alert(1)</script>"
    assert client.patch(f"/api/v1{path}/trials/0", json={"note": text}).json()["note"] == text
    panel = client.get(f"{path}/trials/0", headers={"HX-Request": "true"}).text
    note = panel.partition('<div class="trial-note markdown">')[2].partition("</div>")[0]
    assert ("<strong>odd</strong> <code>x&lt;y</code>" in note, "<li>a kink</li>" in note) == (True, True)
    row = client.get(path).text.partition('class="row-note"')[2].partition("</small>")[0]
    assert row.endswith("odd x&lt;y: a kink &lt;script&gt;alert(1)&lt;/script&gt;")
    assert "<script>" not in note + row
