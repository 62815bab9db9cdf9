"""The body of a new sweep, and whether its data set is named there or given as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perceptune.published import PREFIXES


def sweep_body(
    name: str, space: Mapping[str, object], fields: Mapping[str, object], options: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """The body of a sweep; options that are None are left to the server, fields are sent as they are."""
    present = {option: value for option, value in (options or {}).items() if value is not None}
    return {"name": name, "space": space, **present, **fields}


def is_data(dataset: object, target: str | None) -> bool:
    """Whether a sweep's data set is not named, but there as data; a text with a target is a path."""
    is_name = isinstance(dataset, str) and target is None and not dataset.startswith(PREFIXES)
    return dataset is not None and not is_name
