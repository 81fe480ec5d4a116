"""What tests ask of an answer, whatever the route."""

from typing import Any

from werkzeug.test import TestResponse


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """Read the body of an error's answer, after checking what holds for all of them."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    said = dict(answer.json or {})
    assert said["error"]
    assert said["code"].replace("_", "").islower()
    assert said["requestId"] == answer.headers["X-Request-Id"]
    return said


def error(answer: TestResponse, status: int) -> str:
    """Read the sentence that an error's answer says."""
    return str(problem(answer, status)["error"])


def ok(answer: TestResponse) -> Any:
    """Read the JSON of an answer that must be a good one."""
    assert answer.status_code == 200, answer.text
    members = answer.json
    answer.close()  # it may hold memory of the limit for long ones
    return members
