"""Markdown as HTML that is safe to show: a sanitizer keeps only elements and addresses that it knows as harmless."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

# What a link or a picture points at instead, or None where it can't be had here: then its text is left.
Resolve = Callable[[str], str | None]

# An address on this server: browsers read `//host`, and with a backslash or white space in it `/\host`, as another one.
_OWN_ADDRESS = re.compile(r"/(?![/\\])[^\s\\]*")
_EMPTY_LINE = re.compile(r"\n\s*\n")
_NO_SLUG = re.compile(r"[^\w\- ]")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_TAGS = {
    *_HEADINGS,
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
_STYLES = {"text-align"}  # of the columns of a table
# Of notes. Each bracket is looked for in all that follows it, and a row of a table gets all the cells that it lacks: a
# page would take seconds for a few thousand characters.
MAX_BRACKETS, MAX_CELLS = 1_000, 2_000


def notes_html(text: str) -> Markup:
    """What a user wrote. Line breaks stay, HTML in it is shown as text, pictures of other hosts become links.

    What would take long is left as it was typed: a table of very many cells, links among very many brackets.
    """
    parser = _parser({"breaks": True, "html": False})
    if _most_cells(text) > MAX_CELLS:
        parser.disable("table")
    if text.count("[") > MAX_BRACKETS:
        parser.disable(["link", "image", "reference"])
    tokens = parser.parse(text)
    for token in tokens:
        if token.tag in _HEADINGS:  # those of the page come first
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        token.children = [*_with_own_pictures(token.children or [])]
    return _clean(parser.renderer.render(tokens, parser.options, {}), _ATTRIBUTES)


def _most_cells(text: str) -> int:
    """No table of the text has more cells: an empty line ends each, and all rows have as many as its widest line."""
    blocks = [block.splitlines() for block in _EMPTY_LINE.split(text) if "|" in block]
    return sum(len(lines) * (1 + max(line.count("|") for line in lines)) for lines in blocks)


def notes_line(text: str) -> str:
    """The words of what a user wrote in one line, without the marks of Markdown."""
    return " ".join(Markup(nh3.clean(notes_html(text), tags=set())).unescape().split())


def document_html(text: str, resolve: Resolve) -> Markup:
    """A document of this project, with anchors at its headings; `resolve` says where its links lead here."""
    parser = _parser({"html": True})  # comments, which the sanitizer takes out
    tokens = parser.parse(text)
    for token, content in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(content.content))
    for token in tokens:
        token.children = [*_resolved(token.children or [], resolve)]
        if token.type == "table_open":  # wider than a phone: it is scrolled by itself, by keys too
            token.attrSet("tabindex", "0")
    attributes = {**_ATTRIBUTES, **{tag: {"id"} for tag in _HEADINGS}, "table": {"tabindex"}}
    return _clean(parser.renderer.render(tokens, parser.options, {}), attributes)


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: `What a leg is` becomes `what-a-leg-is`."""
    return _NO_SLUG.sub("", heading.lower()).replace(" ", "-")


def _parser(options: dict[str, bool]) -> MarkdownIt:
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"])


def _clean(html: str, attributes: dict[str, set[str]]) -> Markup:
    aligned = {"th": {"style"}, "td": {"style"}}
    return Markup(
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={**attributes, **aligned},
            attribute_filter=_own_pictures_only,
            url_schemes={"http", "https", "mailto"},
            filter_style_properties=_STYLES,
        )
    )


def _own_pictures_only(tag: str, attribute: str, value: str) -> str | None:
    if (tag, attribute) == ("img", "src") and not _OWN_ADDRESS.fullmatch(value):
        return None
    return value


def _with_own_pictures(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        address = str(token.attrGet("src") or "")
        if token.type != "image" or _OWN_ADDRESS.fullmatch(address):
            yield token
        else:
            yield from _link(address, token.content or address)


def _link(address: str, label: str) -> Sequence[Token]:
    text = Token("text", "", 0, content=label)
    return Token("link_open", "a", 1, attrs={"href": address}), text, Token("link_close", "a", -1)


def _resolved(tokens: Sequence[Token], resolve: Resolve) -> Iterator[Token]:
    """The tokens with other addresses. A link that leads nowhere here is left as its text."""
    is_dropped = False
    for token in tokens:
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is not None:
            address = resolve(str(token.attrGet(name) or ""))
            is_dropped = address is None
            if address is None:
                continue
            token.attrSet(name, address)
        if not (token.type == "link_close" and is_dropped):
            yield token
