"""The page on which the API can be read and tried out."""

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html

from app.web.assets import asset

router = APIRouter(include_in_schema=False)


@router.get("/api/docs")
def docs() -> Response:
    """Swagger UI with scripts from this server, so that it works offline too."""
    return get_swagger_ui_html(
        openapi_url="/api/openapi.json",
        title="Perceptune's API",
        swagger_js_url=asset("swagger/swagger-ui-bundle.js"),
        swagger_css_url=asset("swagger/swagger-ui.css"),
        swagger_favicon_url=asset("favicon.svg"),
    )
