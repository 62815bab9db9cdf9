"""Traces by OpenTelemetry: made by FastAPI itself, sent only where PERCEPTUNE_OTEL asks for it."""

from importlib.util import find_spec

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from app.config import Settings
from app.errors import StartError


def config(settings: Settings) -> TelemetryConfig:
    """What the framework is to make: a span a request. Raises StartError where the packages are missing.

    Metrics and logs of ours are at `/metrics` and in the log; the exporter's own settings are the customary
    `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME` and so on.
    """
    if settings.otel and not (find_spec("opentelemetry.sdk") and find_spec("opentelemetry.exporter")):
        raise StartError("PERCEPTUNE_OTEL needs packages that are not here: pip install 'perceptune[otel]'.")
    return TelemetryConfig(
        tracing=settings.otel,
        metrics=False,
        logs=False,
        operation_spans=False,
        auto_configure=settings.otel,
    )


def describe_span(request_id: str, route: str) -> None:
    """Puts the request's id into its span, and takes out what may be secret: the address as it was sent."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({"perceptune.request_id": request_id, "url.path": route, "url.query": ""})
