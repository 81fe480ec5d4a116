"""A browser without scripts that is signed in to the dashboard, talking to the application in this process."""

import re
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ROOT = "/dashboard"
SAME = {"Sec-Fetch-Site": "same-origin"}


class Visitor:
    """Sends what a browser would, with its cookies, and reads each page to its end."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http

    def sign_in(self, token: str, **headers: str) -> TestResponse:
        """Type a token into the form."""
        sent = SAME | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(f"{ROOT}/login", data={"token": token}, headers=sent)

    def get(self, path: str, **headers: str) -> TestResponse:
        """Get a page by its path below the root."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(f"{ROOT}/{path}", headers=named, buffered=True)

    def page(self, path: str) -> str:
        """Get a page that must be given."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, **fields: str | list[str]) -> TestResponse:
        """Send a form as a page of the dashboard does."""
        return self.http.post(f"{ROOT}/{path}", data=fields, headers=SAME, buffered=True)

    def status_with(self, cookie: str, host: str = "localhost") -> int:
        """Return the status of the first page for a browser that has this cookie alone."""
        other = self.http.application.test_client(use_cookies=False)
        other.environ_base |= self.http.environ_base
        return other.get(f"{ROOT}/", headers={"Cookie": cookie, "Host": host}).status_code

    def is_in(self) -> bool:
        """Whether the session is good still."""
        return self.get("").status_code == 200


def form_token(html: str) -> str:
    """Return the token of the forms of a page."""
    found = re.search(r'name="form" value="([0-9a-f]+)"', html)
    assert found, html
    return found[1]


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of(html: str) -> str:
    """Return what a person reads of a page, white space folded."""
    parser = _Texts()
    parser.feed(html)
    return " ".join(" ".join(parser.texts).split())


def tags_of(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return the tags of a page with their attributes, as a parser sees them."""
    parser = _Texts()
    parser.feed(html)
    return parser.tags


def faults_of(html: str) -> dict[str, str]:
    """Return what stands at each field that says that it is wrong, by the name of the field."""
    marked = {str(one["name"]): str(one["aria-describedby"]) for _, one in tags_of(html) if "aria-invalid" in one}
    return {
        name: html.split(f'id="{place.split()[-1]}">')[1].split("</p>", maxsplit=1)[0] for name, place in marked.items()
    }
