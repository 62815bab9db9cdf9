"""The texts of figures as pictures have them: plotly's tags and number formats in plain characters."""

import html
import re

from app.domain.formatting import number

_BREAK = re.compile(r"<br\s*/?>")
_TAG = re.compile(r"</?[a-z]+[^>]*>")
_FORMAT = re.compile(r"(,?)\.?(\d*)([%dfgerks]?)")


def plain(text: object) -> str:
    """`<b>0.9</b><br>a &lt; b` in two lines without tags."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", str(text or ""))))


def formatted(value: float, form: str) -> str:
    """A tick's number in a format of d3 that the charts use: `.0%`, `d`, `,.4r`; else in up to four digits."""
    match = _FORMAT.fullmatch(form)
    kind = match[3] if match else ""
    if kind == "%":
        return f"{value:.{match[2] or 0}%}" if match else ""
    return f"{value:.0f}" if kind == "d" else number(value)
