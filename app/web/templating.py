"""The Jinja environment of the pages: their filters, and the addresses of static files."""

import hashlib
from functools import cache
from pathlib import Path

import plotly
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader

from app.domain import formatting, sweep_limits
from app.web.markdown import notes_html
from app.web.navigation import navigation

_WEB = Path(__file__).parent
_FILTERS = (  # functions of app.domain.formatting
    *("ago", "utc", "duration", "remaining", "score", "percent", "plural", "memory"),
    *("setting", "settings", "domain", "split"),
)


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that no browser shows an old one."""
    if name == "plotly.min.js":
        return f"/static/{name}?v={plotly.__version__}"
    return f"/static/{name}?v={hashlib.sha256((_WEB / 'static' / name).read_bytes()).hexdigest()[:10]}"


def _environment() -> Environment:
    loader = FileSystemLoader(_WEB / "templates")
    env = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {name: getattr(formatting, name) for name in _FILTERS} | {"markdown": notes_html}
    env.globals |= {"asset": asset, "navigation": navigation, "limits": sweep_limits}
    return env


templates = Jinja2Templates(env=_environment())
