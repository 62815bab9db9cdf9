import re

from app.charts.page import Passage, Section, Table, page
from app.charts.registry import chart
from app.charts.rows import Axis
from tests.support.sweeps.chart_examples import complete, sweep

AXIS = Axis("activation", choices=("relu", "tanh"))


def test_a_page_stands_alone() -> None:
    """plotly.js is inside, and nothing is loaded from anywhere."""
    figure = chart("effect").figure(sweep(AXIS), [complete(0, {"activation": "relu"}, 0.5)])
    passages = [Passage("Findings", ["One.", "Two."])]
    html = page("Title", [Section("Title", "What it shows", passages, [figure, figure], Table(("a",), [("1",)]))])
    assert html.count("plotly.js v") == 1
    assert html.count('<div class="chart">') == 2
    assert "<p>One.</p><p>Two.</p>" in html
    assert "<td>1</td>" in html
    first = page("Title", [Section("Title", "What it shows", [Passage("", ["The answer."]), *passages])])
    assert '<p class="lead">The answer.</p><h2>Findings</h2><p>One.</p>' in first
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", html) == []


def test_texts_are_not_markup() -> None:
    """A name that looks like a tag, or like the end of a script, stays text."""
    bad = "</script><script>alert(1)</script>"
    axis = Axis(bad, choices=("relu", bad))
    figure = chart("effect").figure(sweep(axis), [complete(0, {bad: bad}, 0.5)])
    html = page(bad, [Section(bad, bad, [Passage(bad, [bad])], [figure], Table((bad,), [(bad,)]))] * 2)
    assert "alert(1)</script>" not in html


def test_a_document_of_several_sections_has_a_title_of_its_own() -> None:
    """Each section comes under it, with its own heading."""
    html = page("All", [Section("One", "first"), Section("Two", "second")])
    assert re.findall(r"<h(\d)>(\w+)</h", html) == [("1", "All"), ("2", "One"), ("2", "Two")]
    assert "<h1>One</h1>" in page("One", [Section("One", "first")])


def test_a_document_of_several_sections_begins_with_links_to_them() -> None:
    """In their order; one section needs none."""
    html = page("All", [Section("One", "first"), Section("Two", "second")])
    links = re.findall(r'<a href="#([^"]+)">(\w+)</a>', html)
    assert [name for _, name in links] == ["One", "Two"]
    for place, name in links:
        assert f'<section id="{place}"><h2>{name}</h2>' in html
    assert "<nav" not in page("One", [Section("One", "first")])
