"""The client registers, lists and removes endpoints."""

from typing import Any

import pytest
import rowline

from app.operations import endpoints
from app.postgres.database import Database
from app.queries import endpoints as queries

URL = "https://example.com/jobs"


def test_an_endpoint_is_registered_listed_and_removed(api: rowline.Rowline) -> None:
    limits: dict[str, Any] = {"concurrency": 5, "limiter": {"max": 100, "duration": 1_000}}
    secret = api.register_endpoint("post", URL, method="PUT", headers={"X-Team": "mail"}, timeout_ms=5_000, **limits)
    assert secret is not None
    assert secret.startswith("whsec_")
    assert api.register_endpoint("post", URL, secrets=[secret]) is None, "one that is given is not shown"
    assert api.endpoints() == {"post": URL}
    api.remove_endpoint("post")
    assert api.endpoints() == {}
    with pytest.raises(rowline.NotFound):
        api.remove_endpoint("post")


def test_an_endpoint_that_is_switched_off_says_why_and_is_switched_on(api: rowline.Rowline, db: Database) -> None:
    api.register_endpoint("post", URL, concurrency=5, limiter={"max": 100, "duration": 1_000})
    before = api.endpoint("post")
    assert (before.url, before.is_on, before.switched_off_on) == (URL, True, None)
    assert (before.concurrency, before.limiter, before.timeout_ms) == (5, {"max": 100, "duration": 1_000}, 30_000)
    assert endpoints.switch_off(db, queue="post", revision=queries.revisions(db)["post"], reason="410 Gone")
    found = api.endpoint_states(pattern="po*")
    assert (found.count, [one.queue for one in found.endpoints]) == (1, ["post"])
    assert (found.endpoints[0].is_on, found.endpoints[0].switched_off_reason) == (False, "410 Gone")
    assert found.endpoints[0].switched_off_on is not None
    assert api.switch_on_endpoint("post") == before
    with pytest.raises(rowline.NotFound):
        api.switch_on_endpoint("mail")
    assert api.endpoint_states(pattern="mail").count == 0


def test_a_faulty_endpoint_is_refused_by_name(api: rowline.Rowline) -> None:
    with pytest.raises(rowline.InvalidRequest, match=r"opts\.speed is not known here"):
        api.register_endpoint("post", URL, speed=1)
