"""The ways to post a sweep's body: as JSON, by curl, in Python and by the command line."""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any, NamedTuple


class Recipe(NamedTuple):
    """One way to make an equal sweep."""

    id: str
    label: str
    text: str


def recipes(body: Mapping[str, Any], address: str) -> list[Recipe]:
    """All of them; `address` is that of the service, as its user calls it."""
    url, body_text = f"{address.rstrip('/')}/api/v1/sweeps", indented(body)
    return [
        Recipe("json", "JSON", body_text),
        Recipe("curl", "curl", _curl(url, body_text)),
        Recipe("python", "Python", _python(url, body)),
        Recipe("cli", "Command line", f"perceptune sweep - --url {address.rstrip('/')} <<'END'\n{body_text}\nEND"),
    ]


def indented(body: Mapping[str, Any]) -> str:
    """The body as JSON with a line for each field and each hyperparameter."""
    lines = {name: _json(value) for name, value in body.items()}
    inner = ",\n".join(f"    {_json(name)}: {_json(value)}" for name, value in body.get("space", {}).items())
    if inner:
        lines["space"] = f"{{\n{inner}\n  }}"
    return "{\n" + ",\n".join(f"  {_json(name)}: {value}" for name, value in lines.items()) + "\n}"


def _json(value: object) -> str:
    """In ASCII, which every shell and terminal passes on as it is."""
    return json.dumps(value)


def _curl(url: str, body_text: str) -> str:
    return f"curl -s {shlex.quote(url)} -H 'Content-Type: application/json' \\\n  -d {shlex.quote(body_text)}"


def _python(url: str, body: Mapping[str, Any]) -> str:
    """Of the standard library alone."""
    return f"""\
import json
from urllib.request import Request, urlopen

body = {pformat(dict(body), sort_dicts=False, width=100)}
headers = {{"Content-Type": "application/json"}}
with urlopen(Request({url!r}, json.dumps(body).encode(), headers)) as answer:
    print(json.load(answer)["id"])"""
