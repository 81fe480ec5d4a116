"""What a person likes: the theme, and whether keys do something. Kept in the browser."""

from flask import Blueprint, Response

from app.infra.settings import Settings
from app.web.auth import current_request
from app.web.dashboard import forms, page, sessions, signing

_YEAR_S = 365 * 86_400


def blueprint(_settings: Settings) -> Blueprint:
    """Return the route that keeps a choice."""
    routes = Blueprint("preferences", __name__)

    @routes.post("/preferences")
    def keep() -> Response:
        """Keep the choices that the form has, in cookies, and go back to the page."""
        sent, asked = forms.sent(), current_request()
        response = page.go(
            signing.wanted(sent.get("next", "")), done="kept" if asked.environ[sessions.VISITOR] else None
        )
        chosen = {page.THEME: (sent.get("theme"), page.THEMES), page.KEYS: (sent.get("keys"), ("on", "off"))}
        for name, (value, known) in chosen.items():
            if value in known:
                response.set_cookie(
                    name,
                    value,
                    max_age=_YEAR_S,
                    path=None,
                    secure=sessions.is_over_https(asked),
                    httponly=True,
                    samesite="Strict",
                )
        return response

    return routes
