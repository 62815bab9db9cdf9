"""The OpenAPI document for programs that write clients: short names, the key, kinds of calls in order of use."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import schemas

TAGS = {
    "sweeps": "Make a sweep, look at it, change it, pause and stop it.",
    "trials": "The configurations of a sweep, their runs and learning curves.",
    "datasets": "What sweeps train on: built in, or stored from a file of yours.",
    "charts": "Figures of a sweep for plotly, or as pages that stand alone.",
    "models": "Trained networks as files.",
    "events": "Streams that tell which sweeps changed.",
    "exports": "Sweeps as files, and back; what webhooks were told.",
    "exercises": "The exercises of the book, their runs and answers.",
    "system": "Workers, probes and metrics.",
    "shares": "Links that show one sweep, or one run of an exercise, to others.",
    "keys": "Who may call.",
}
WITHOUT_KEY = ("/api/v1/healthz", "/api/v1/readyz")
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `perceptune keys create`, or that of PERCEPTUNE_API_KEY; servers without keys need none.",
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function, which a generated client gives its own function for this call."""
    return route.name


class DocumentedAPI(FastAPI):
    """An application whose OpenAPI document says how a key is sent, and has problems as a schema of their own."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        document = super().openapi()
        document["tags"] = [{"name": name, "description": description} for name, description in TAGS.items()]
        document["security"] = [{"key": []}, {}]  # an empty one: the server may need no key
        components = document["components"]
        components["securitySchemes"] = {"key": _KEY}
        components["schemas"] |= _problem_schemas()
        for path in WITHOUT_KEY:
            document["paths"][path]["get"]["security"] = []
        return document


def _problem_schemas() -> dict[str, Any]:
    """The schema of problems, to which all calls refer, and of its parts."""
    schema = schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs")
    return parts | {schemas.Problem.__name__: schema}
