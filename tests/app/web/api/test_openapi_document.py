"""The OpenAPI document as programs read it that write clients."""

import re
from collections import Counter
from typing import Any

import pytest

from app.web.openapi import TAGS, WITHOUT_KEY
from tests.support.client_models import openapi_document

METHODS = ("get", "post", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All calls by method and path."""
    paths = document["paths"].items()
    return {f"{method} {path}": call for path, calls in paths for method, call in calls.items() if method in METHODS}


def test_calls_have_short_names_of_their_own(document: dict[str, Any]) -> None:
    """A generated client's functions are called like the server's, and no two alike."""
    names = Counter(call["operationId"] for call in operations(document).values())
    assert {"create_sweep", "get_sweep", "list_trials", "get_chart"} <= set(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name) or len(name) > 40] == []
    assert [name for name, count in names.items() if count > 1] == []


def test_kinds_of_calls_are_described_in_order_of_use(document: dict[str, Any]) -> None:
    """Sweeps come first, keys last; every call has one of the kinds."""
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)
    assert all(tag["description"] for tag in document["tags"])
    assert {tag for call in operations(document).values() for tag in call["tags"]} == set(TAGS)


def test_the_document_says_how_a_key_is_sent(document: dict[str, Any]) -> None:
    """As a bearer token, which servers without keys don't need; probes never do."""
    scheme = document["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == [{"key": []}, {}]
    open_calls = [name for name, call in operations(document).items() if call.get("security") == []]
    assert open_calls == [f"get {path}" for path in WITHOUT_KEY]


def test_a_problem_is_one_schema_of_all_calls(document: dict[str, Any]) -> None:
    """With the paths of the fields that are wrong."""
    schemas = document["components"]["schemas"]
    for call in operations(document).values():
        content = call["responses"]["422"]["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    (errors, _) = schemas["Problem"]["properties"]["errors"]["anyOf"]
    assert errors["items"] == {"$ref": "#/components/schemas/FieldProblem"}
    assert set(schemas["FieldProblem"]["properties"]) == {"loc", "msg"}


@pytest.mark.parametrize("schema", ["SweepCreate", "SweepPatch", "SweepOut"])
def test_the_space_has_types(document: dict[str, Any], schema: str) -> None:
    """A range, choices and a constant, in short and in the form that can have a condition."""
    domain = document["components"]["schemas"][schema]["properties"]["space"]["additionalProperties"]["anyOf"]
    references = {part["$ref"].rpartition("/")[2] for part in domain if "$ref" in part}
    assert references == {"RangeDomain", "ChoiceDomain", "ConstantDomain"}
    assert [part["type"] for part in domain if "type" in part] == [
        "array",
        "boolean",
        "integer",
        "number",
        "string",
        "array",
    ]
