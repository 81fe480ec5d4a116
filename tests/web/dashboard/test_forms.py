"""Forms of other sites do nothing."""

import pytest

from tests.support.client import Client
from tests.support.visitor import Visitor, form_token

PAUSE = "/dashboard/queues/q/pause"


def is_paused(client: Client) -> bool:
    return bool((client.get("/queues/q").json or {})["paused"])


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "Same-Origin", ""])
def test_a_form_of_another_site_is_refused_even_with_a_right_token(visitor: Visitor, client: Client, site: str) -> None:
    sent = {"form": form_token(visitor.page("queues/q"))}
    answer = visitor.http.post(PAUSE, data=sent, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert not is_paused(client)


def test_an_old_browser_shows_the_token_of_the_form(visitor: Visitor, client: Client) -> None:
    for wrong in ({}, {"form": ""}, {"form": "0" * 64}, {"form": "ü"}):
        assert visitor.http.post(PAUSE, data=wrong).status_code == 403
        assert not is_paused(client)
    assert visitor.http.post(PAUSE, data={"form": form_token(visitor.page("queues/q"))}).status_code == 303
    assert is_paused(client)


def test_the_token_of_another_session_is_none(visitor: Visitor, client: Client) -> None:
    before = form_token(visitor.page("queues/q"))
    visitor.sign_in("a-token-of-the-tests")
    assert form_token(visitor.page("queues/q")) != before
    assert visitor.http.post(PAUSE, data={"form": before}).status_code == 403


def test_each_form_that_changes_something_has_the_token(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    for path in ("", "queues/q", "queues/q/add", "queues/q/jobs/one", "queues/q/jobs/one/remove"):
        html = visitor.page(path)
        assert html.count('method="post"') == html.count('name="form" value="')


def test_signing_in_from_another_site_is_refused(stranger: Visitor) -> None:
    sent = {"token": "a-token-of-the-tests"}
    answer = stranger.http.post("/dashboard/login", data=sent, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert not stranger.is_in()


def test_a_get_changes_nothing(visitor: Visitor, client: Client) -> None:
    for path in ("queues/q/pause", "queues/q/jobs/1/retry", "logout", "preferences"):
        assert visitor.get(path).status_code in {404, 405}
    assert not is_paused(client)
    assert visitor.is_in()


@pytest.mark.parametrize(
    ("kind", "body"), [("multipart/form-data; boundary=x", b"--x--"), ("text/plain", b"a=%ff"), ("text/plain", b"\xff")]
)
def test_what_is_no_form_is_refused(visitor: Visitor, kind: str, body: bytes) -> None:
    answer = visitor.http.post(PAUSE, data=body, headers={"Content-Type": kind, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code in {400, 415}


def test_a_form_of_too_many_fields_or_bytes_is_refused(visitor: Visitor, stranger: Visitor) -> None:
    same = {"Sec-Fetch-Site": "same-origin"}
    assert visitor.http.post(PAUSE, data="a=1&" * 2_000, headers=same).status_code == 400
    assert visitor.http.post(PAUSE, data="a" * (11 * 2**20), headers=same).status_code == 413
