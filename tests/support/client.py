"""A program that talks to the API."""

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class Client:
    """Sends what a test says, with a token, and gives the answer as it came."""

    def __init__(self, flask: FlaskClient, *, token: str) -> None:
        self.flask = flask
        self.authorization = {"Authorization": f"Bearer {token}"}

    @property
    def address(self) -> str:
        """The address that its requests come from."""
        return str(self.flask.environ_base["REMOTE_ADDR"])

    def post(self, path: str, body: str | bytes = "", **headers: str) -> TestResponse:
        """POST a body as it is. Header names are given with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.flask.post(path, data=body, headers=self.authorization | named)

    def get(self, path: str) -> TestResponse:
        return self.flask.get(path, headers=self.authorization)

    def put(self, path: str, body: str) -> TestResponse:
        return self.flask.put(path, data=body, headers=self.authorization)

    def patch(self, path: str, body: str) -> TestResponse:
        return self.flask.patch(path, data=body, headers=self.authorization)

    def delete(self, path: str) -> TestResponse:
        return self.flask.delete(path, headers=self.authorization)

    def add(self, *jobs: dict[str, Any], queue: str = "q") -> list[dict[str, Any]]:
        """Add jobs that must be accepted; return what the answer says of each."""
        answer = self.post(f"/queues/{queue}/jobs", json.dumps(jobs))
        assert answer.status_code == 200, answer.text
        return list(answer.json or [])

    def page(self, queue: str = "q", **query: str | int) -> dict[str, Any]:
        """Get a page that must be given."""
        answer = self.flask.get(f"/queues/{queue}/jobs", query_string=query, headers=self.authorization)
        assert answer.status_code == 200, answer.text
        return dict(answer.json or {})

    def job(self, job_id: str, queue: str = "q") -> dict[str, Any]:
        """Get a job that must be there."""
        answer = self.get(f"/queues/{queue}/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json or {})
