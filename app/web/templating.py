"""The Jinja environment of the pages: their filters and functions."""

from pathlib import Path

from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader

from app.domain import formatting, sweep_limits
from app.web.assets import asset
from app.web.markdown import notes_html, notes_line
from app.web.navigation import navigation

_WEB = Path(__file__).parent
_FILTERS = (  # functions of app.domain.formatting
    *("ago", "utc", "duration", "remaining", "score", "percent", "plural", "memory"),
    *("setting", "settings", "domain", "split", "in_units"),
)


def _environment() -> Environment:
    loader = FileSystemLoader(_WEB / "templates")
    env = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {name: getattr(formatting, name) for name in _FILTERS}
    env.filters |= {"markdown": notes_html, "markdown_line": notes_line}
    env.globals |= {"asset": asset, "navigation": navigation, "limits": sweep_limits}
    return env


templates = Jinja2Templates(env=_environment())
