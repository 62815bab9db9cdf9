"""Sweeps as files: the body of `POST /sweeps` as YAML or JSON."""

import json
import re
import sys
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from app.errors import InvalidError

MAX_BYTES = 4 * 2**20


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """YAML whose numbers are those of JSON too: PyYAML alone takes 1e-3 for a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_sweep(path: Path) -> dict[str, Any]:
    """The body in the file, or in standard input for `-`. One without a name is called like its file.

    Raises InvalidError.
    """
    is_piped = str(path) == "-"
    try:
        with nullcontext(sys.stdin.buffer) if is_piped else path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise InvalidError(f"{path} has more than {MAX_BYTES // 2**20} MiB.")
        body = json.loads(text) if path.suffix.lower() == ".json" else yaml.load(BytesIO(text), _Loader)
        json.dumps(body, allow_nan=False)  # YAML has dates and the like, which are no values of a sweep
    except OSError as error:
        raise InvalidError(f"{path} can't be read: {error.strerror}.") from None
    except (TypeError, ValueError, yaml.YAMLError, RecursionError) as error:
        why = " ".join(str(error).split()).replace('in "<file>", ', "at ")  # the sentence names it
        raise InvalidError(f"{path} can't be read: {why}.") from None
    if not isinstance(body, dict) or not all(isinstance(name, str) for name in body):
        raise InvalidError(f"{path} must hold the fields of a sweep, e.g. space: {{hidden_units: [16, 64]}}.")
    if "space" not in body:
        raise InvalidError(f"{path} has no space: write e.g. space: {{hidden_units: [16, 64]}}.")
    return body if is_piped else {"name": path.stem, **body}
