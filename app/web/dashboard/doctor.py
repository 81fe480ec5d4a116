"""The doctor: what is wrong and what to do. A look takes some seconds, so only who asks for it waits."""

from flask import Blueprint, Response, request

from app.web.dashboard import api, page


def blueprint() -> Blueprint:
    """Return the page of the doctor."""
    routes = Blueprint("doctor", __name__)

    @routes.get("/doctor")
    def show() -> Response:
        """Say what a look is; with `look`, look, and show what was found."""
        report = api.of().get("/doctor") if "look" in request.args else None
        return page.render("doctor.html", report=report)

    return routes
