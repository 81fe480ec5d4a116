"""The client registers, lists and removes endpoints."""

from typing import Any

import pytest
import rowline

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


def test_a_faulty_endpoint_is_refused_by_name(api: rowline.Rowline) -> None:
    with pytest.raises(rowline.InvalidRequest, match=r"opts\.speed is not known here"):
        api.register_endpoint("post", URL, speed=1)
