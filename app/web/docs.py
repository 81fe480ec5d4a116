"""The documentation: the OpenAPI document and the handbook. No token is needed; pages load nothing from other hosts."""

from flask import Blueprint, Response, current_app
from werkzeug.exceptions import NotFound

from app.web import describe, handbook

DOCUMENT = "rowline-openapi"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # an SVG has inline styles and may load nothing


def blueprint() -> Blueprint:
    """Make /openapi.json and the routes below /docs. The application's extensions hold the maker of the document.

    All responses are shared, read-only bytes: clients that read them slowly cost no memory per client.
    """
    routes = Blueprint("docs", __name__)

    @routes.get("/openapi.json")
    @describe.route(gives="application/json")
    def openapi() -> Response:
        """Get this document."""
        document: bytes = current_app.extensions[DOCUMENT]()
        return Response(document, mimetype="application/json", headers={"Cache-Control": "no-store"})

    _add_handbook(routes)
    return routes


def _add_handbook(routes: Blueprint) -> None:
    @routes.get("/docs")
    @describe.route(gives="text/html")
    def contents() -> Response:
        """List the pages of the handbook."""
        return _page("")

    @routes.get("/docs/<segment:page>")
    @describe.route(gives="text/html", statuses=(404,))
    def handbook_page(page: str) -> Response:
        """Get a page of the handbook, or `reference`, the API reference (Swagger UI)."""
        return _page(page or "/")

    @routes.get("/docs/decisions/<segment:decision>")
    @describe.route(gives="text/html", statuses=(404,))
    def decision(decision: str) -> Response:
        """Get a design decision record."""
        return _page(f"decisions/{decision}")

    @routes.get("/docs/assets/<segment:asset>")
    @describe.route(gives="*/*", statuses=(404,))
    def asset(asset: str) -> Response:
        """Get a style sheet, script or image of the handbook."""
        if asset == handbook.INDEX:
            return _answer(handbook.index(), "application/json")
        if asset not in handbook.assets():
            raise NotFound
        kind, content = handbook.assets()[asset]
        return _answer(content, kind)


def _page(path: str) -> Response:
    path = path if path in handbook.paths() else f"{path}.md"
    if path not in handbook.paths():
        raise NotFound
    return _answer(handbook.page(path), "text/html")


def _answer(content: bytes, kind: str) -> Response:
    policy = PICTURE_POLICY if kind == handbook.SVG else POLICY
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return Response(content, mimetype=kind, headers=headers)
