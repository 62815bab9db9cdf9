"""Figures as one HTML page that needs nothing else: plotly.js is inside, so it also works offline."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from app.charts import theme

SHEET = "680"  # pixels between the margins of A4, the narrower one of the usual sheets


class Table(NamedTuple):
    """Columns and rows of text that is already formatted."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Fact(NamedTuple):
    """A line of what a report says of where its figures are from."""

    name: str
    text: str


class Passage(NamedTuple):
    """Paragraphs of plain text under a heading, or under none."""

    heading: str
    paragraphs: Sequence[str]


class Section(NamedTuple):
    """One subject of a document: words, charts, a table, and where its figures are from."""

    title: str
    description: str
    passages: Sequence[Passage] = ()
    figures: Sequence[go.Figure] = ()
    table: Table | None = None
    provenance: Sequence[Fact] = ()


STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2024; --soft: #5b646d; --edge: #d9dee3;
  --chart-ink: #39414a; --chart-line: #e4e8ec; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --ink: #e8eaed; --soft: #a3abb3; --edge: #343a40;
  --chart-ink: #cfd4d9; --chart-line: #2b3137; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 FONT; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
p { margin: .6rem 0; max-width: 44rem; }
.description { color: var(--soft); }
.lead { font-weight: 600; font-size: 1.1rem; line-height: 1.4; }
.chart { height: 30rem; margin: 1.25rem -.25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--edge); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 .5rem; }
h3, h1 ~ h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; margin: 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; }
nav ul { list-style: none; padding: 0; }
nav a { color: inherit; }
@media (max-width: 30rem) { table { font-size: .78rem; } th, td { padding: .25rem .3rem; } th { hyphens: auto; } }
@page { margin: 14mm; }
@media print {
  :root { color-scheme: light; --ground: #fff; --ink: #1c2024; --soft: #5b646d; --edge: #d9dee3; --chart-ink: #39414a;
    --chart-line: #e4e8ec; }
  html { font-size: 11pt; }
  body, p { max-width: none; }
  body { padding: 0; }
  section + section { break-before: page; }
  .chart { height: 380px; margin: 1rem 0 0; }
  dl { font-size: .75rem; line-height: 1.35; }
  .chart, table, tr, dl > * { break-inside: avoid; }
  .scroll { overflow: visible; margin-top: 1rem; }
  table { font-size: .8rem; }
  th, td { padding: .15rem .45rem; }
  h2, h3, thead { break-after: avoid; }
  p { orphans: 3; widows: 3; }
}
""".replace("FONT", theme.FONT)

SCRIPT = """
const config = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"]};
document.querySelectorAll(".chart").forEach((place) => {
  const {data, layout} = JSON.parse(place.nextElementSibling.textContent);
  Plotly.newPlot(place, data, layout, config);
});
const resize = (size) => document.querySelectorAll(".chart").forEach((place) => Plotly.relayout(place, size));
addEventListener("beforeprint", () => resize({width: SHEET, height: 380, autosize: false}));
addEventListener("afterprint", () => resize({width: null, height: null, autosize: true}));
""".replace("SHEET", SHEET)


def page(title: str, sections: Sequence[Section]) -> str:
    """A whole HTML document, about 5 MB. All texts are plain.

    A document of one section has no other title than that of the section.
    """
    head = f"<h1>{escape(title)}</h1>{_contents(sections)}" if len(sections) > 1 else ""
    level = 2 if len(sections) > 1 else 1
    body = "".join(_section(section, place, level) for place, section in enumerate(sections))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{theme.CSS}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
{head}
{body}
<script>{SCRIPT}</script>
</body>
</html>
"""


def _contents(sections: Sequence[Section]) -> str:
    """Links to the sections of a document that is too long to scroll through."""
    links = (
        f'<li><a href="#section-{place}">{escape(section.title)}</a></li>' for place, section in enumerate(sections)
    )
    return f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>'


def _section(section: Section, place: int, level: int) -> str:
    parts = [
        f"<h{level}>{escape(section.title)}</h{level}>",
        f'<p class="description">{escape(section.description)}</p>',
        *(_passage(passage, level + 1) for passage in section.passages),
        *map(_chart, section.figures),
        _table(section.table) if section.table else "",
        _provenance(section.provenance, level + 1) if section.provenance else "",
    ]
    return f'<section id="section-{place}">{"".join(parts)}</section>'


def _passage(passage: Passage, level: int) -> str:
    """Its paragraphs; those without a heading are what is to be read first, and are set so."""
    heading = f"<h{level}>{escape(passage.heading)}</h{level}>" if passage.heading else ""
    opening = "<p>" if heading else '<p class="lead">'
    return heading + "".join(f"{opening}{escape(text)}</p>" for text in passage.paragraphs)


def _chart(figure: go.Figure) -> str:
    """The place of a chart, then its JSON, in which no text can end the script element."""
    json = str(figure.to_json()).replace("<", "\\u003c")
    return f'<div class="chart"></div><script type="application/json">{json}</script>'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _provenance(facts: Sequence[Fact], level: int) -> str:
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<h{level}>How it was measured</h{level}><dl>{lines}</dl>"
