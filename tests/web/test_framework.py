"""What Flask does not do for Rowline is not missed."""

import asyncio
import itertools
from typing import Any

from flask import Flask

from tests.support.client import Client


def test_no_route_redirects(application: Flask) -> None:
    # A rule that ends with a slash redirects to the host, which is not looked at.
    rules = [rule.rule for rule in application.url_map.iter_rules()]
    assert len(rules) > 40
    assert [rule for rule in rules if rule.endswith("/")] == []
    assert [rule.rule for rule in application.url_map.iter_rules() if rule.redirect_to] == []


def test_all_functions_are_synchronous(application: Flask) -> None:
    hooks: list[Any] = [*application.before_request_funcs.values(), *application.after_request_funcs.values()]
    called: list[Any] = [*application.view_functions.values(), *itertools.chain.from_iterable(hooks)]
    assert [function for function in called if asyncio.iscoroutinefunction(function)] == []


def test_json_has_its_length_and_its_headers_once(client: Client) -> None:
    for response in (client.get("/queues/q/jobs"), client.get("/queues/q/jobs/0")):
        names = [name.lower() for name, _ in response.headers]
        assert sorted(names) == sorted(set(names))
        assert {"content-type", "content-length", "cache-control", "x-request-id"} <= set(names)


def test_a_request_for_another_protocol_is_answered_as_any_other(application: Flask) -> None:
    asked = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert application.test_client().get("/health/live", headers=asked).status_code == 200
