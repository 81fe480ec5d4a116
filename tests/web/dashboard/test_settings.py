"""A queue's settings in the dashboard: each can be changed, what is wrong stands at its field, readers only read."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from app.domain.options import DEFAULTABLE
from app.web.dashboard import settingsform
from tests.support import answers
from tests.support.client import Client
from tests.support.visitor import Visitor, faults_of, tags_of, text_of

PAGE = "queues/q/settings"
DEFAULTS = {
    "attempts": 5,
    "backoff": {"type": "exponential", "delay": 1_000, "jitter": 0.5},
    "delay": 90_000,
    "priority": 7,
    "lifo": False,
    "keepLogs": 0,
    "stackTraceLimit": 3,
    "timeout": 1_500,
    "tags": ["a b", "<i>"],
}
ALL = {
    "removeOnComplete": {"age": 604_800, "count": 1_000},
    "removeOnFail": False,
    "startWithin": 3_600_000,
    "keys": ["customer.id", "a.0"],
    "defaults": DEFAULTS,
}
XSS = "<script>alert('x')</script>\"'&"


def settings(client: Client, queue: str = "q") -> dict[str, Any]:
    return dict(answers.ok(client.get(f"/queues/{queue}"))["settings"])


def put(client: Client, **members: Any) -> None:
    assert client.patch("/queues/q", json.dumps({"settings": members})).status_code == 200


def fields_of(html: str) -> dict[str, str]:
    """Return what a browser sends of a page's form that nobody has typed into: the fields, and what each was."""
    inputs = [attributes for tag, attributes in tags_of(html) if tag == "input"]
    was = {str(one["name"]): one["value"] or "" for one in inputs if str(one.get("name")).startswith("was ")}
    return {name.removeprefix("was "): value for name, value in was.items()} | was


def test_every_setting_has_a_field_that_shows_it_and_sends_it_back(visitor: Visitor, client: Client) -> None:
    put(client, **ALL)
    texts = settingsform.of(settings(client))
    assert texts["removeOnComplete"] == "7d,1000"
    assert texts["defaults.delay"] == "90s"
    assert all(texts.values())
    empty = dict.fromkeys(texts, "")
    assert settingsform.changes(texts, empty, {}) == settings(client) == ALL
    assert set(DEFAULTS) == set(DEFAULTABLE)


def test_a_form_that_nobody_changed_changes_nothing(visitor: Visitor, client: Client) -> None:
    put(client, **ALL)
    html = visitor.page(PAGE)
    answer = visitor.post(PAGE, **fields_of(html))
    assert answer.headers["Location"].endswith("settings?done=settings_same")
    assert settings(client) == ALL
    acts = answers.ok(client.get("/audit?action=queues.change"))["entries"]
    assert len(acts) == 1


def test_settings_are_set_changed_and_taken_away_with_their_audit(visitor: Visitor, client: Client) -> None:
    first = {"removeOnComplete": "7d, 1000", "startWithin": "2h", "keys": "customer.id\r\n\r\n tags.0 "}
    more = {"defaults.attempts": "5", "defaults.backoff": "5s", "defaults.lifo": "true", "defaults.tags": "vip\r\nx"}
    assert visitor.post(PAGE, **first, **more).status_code == 303
    defaults = {"attempts": 5, "backoff": {"type": "fixed", "delay": 5_000}, "lifo": True, "tags": ["vip", "x"]}
    kept = {"age": 604_800, "count": 1_000}
    expected = {"removeOnComplete": kept, "startWithin": 7_200_000, "keys": ["customer.id", "tags.0"]}
    assert settings(client) == expected | {"defaults": defaults}

    fields = fields_of(visitor.page(f"{PAGE}?done=settings_changed"))
    taken = fields | {"startWithin": "", "defaults.lifo": "", "removeOnFail": "all"}
    assert visitor.post(PAGE, **taken).status_code == 303
    del expected["startWithin"], defaults["lifo"]
    assert settings(client) == expected | {"removeOnFail": False, "defaults": defaults}
    act = answers.ok(client.get("/audit?action=queues.change"))["entries"][0]
    assert (act["before"]["startWithin"], act["after"]["removeOnFail"]) == (7_200_000, False)
    gone = fields_of(visitor.page(PAGE)) | dict.fromkeys(settingsform.of({}), "")
    assert visitor.post(PAGE, **gone).status_code == 303
    assert settings(client) == {}


def test_what_holds_stands_where_a_field_is_empty(
    visitor: Visitor, visiting: Callable[..., Visitor], client: Client
) -> None:
    assert client.patch("/settings", json.dumps({"removeOnComplete": {"age": 86_400, "count": 5}})).status_code == 200
    assert client.patch("/settings", json.dumps({"removeOnFail": None})).status_code == 200
    put(client, defaults={"attempts": 2})
    held = {
        "removeOnComplete": "1d,5, as set for all queues",
        "removeOnFail": "all",
        "startWithin": "no limit",
        "keys": "none",
        "defaults.attempts": "1, not run again after a failure",
        "defaults.lifo": "to the end",
        "defaults.keepLogs": "10,000",
        "defaults.stackTraceLimit": "100",
    }
    page = visitor.page(PAGE)
    described = {str(one.get("aria-describedby", "")).strip() for _, one in tags_of(page)}
    assert {f"hint-{name}" for name in settingsform.of({})} <= described
    for name, words in held.items():
        hint = text_of(page.partition(f'id="hint-{name}"')[2].partition("<input type")[0])
        assert f"Empty: {words}." in hint or f"not set: {words}" in hint, name
    reader = text_of(visiting("jobs:read@q").page(PAGE))
    assert all(f"not set: {words}" in reader for name, words in held.items() if name != "defaults.attempts")


def test_every_default_says_what_it_is_and_how_it_is_written() -> None:
    assert set(settingsform.in_force({})) == {one.name for one in settingsform.FIELDS}
    for one in settingsform.FIELDS:
        assert one.hint.endswith("."), one.name
        assert one.label[0].isupper(), one.name
        assert one.empty, one.name


def test_two_people_who_change_different_settings_both_have_theirs(visitor: Visitor, client: Client) -> None:
    put(client, defaults={"attempts": 2, "timeout": 1_000})
    seen = fields_of(visitor.page(PAGE))
    put(client, startWithin=5_000, defaults={"attempts": 3, "timeout": 1_000, "priority": 1})
    visitor.post(PAGE, **(seen | {"defaults.timeout": "2s"}))
    assert settings(client) == {"startWithin": 5_000, "defaults": {"attempts": 3, "timeout": 2_000, "priority": 1}}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("removeOnComplete", "seven", "must be as 7d, 1000, 7d,1000, all or none"),
        ("removeOnFail", "4000d", "age must be between 0 and 316224000"),
        ("startWithin", "0", "must be between 1 and 316224000000"),
        ("startWithin", "soon", "must be a time as 90s, 5m, 1h, 1d"),
        ("keys", "a..b", "'a..b' must be keys"),
        ("defaults.attempts", "1001", "must be between 0 and 1000"),
        ("defaults.attempts", "-1", "must be a number"),
        ("defaults.backoff", '{"type": "odd"}', "type must be"),
        ("defaults.backoff", "{", "must be a time as 5s, or a JSON object"),
        ("defaults.delay", "x", "must be a time as 90s, 5m, 1h, 1d"),
        ("defaults.lifo", "maybe", "must be true or false"),
        ("defaults.tags", "x" * 101, "line 1 must be at most 100 characters"),
    ],
)
def test_what_is_wrong_stands_at_its_field(visitor: Visitor, client: Client, name: str, text: str, said: str) -> None:
    answer = visitor.post(PAGE, **{name: text, "defaults.priority": "3"})
    assert answer.status_code == 400
    [(found, at)] = faults_of(answer.text).items()
    assert found == name
    assert text_of(at).startswith(said)
    assert "Nothing is changed" in answer.text
    assert settings(client) == {}, "what is right of it is not changed either"
    again = fields_of(answer.text)
    assert again[name] == "", "what it was, so that it is a change when it is sent again"


def test_all_faults_are_told_at_once_and_what_was_typed_stays(visitor: Visitor, client: Client) -> None:
    answer = visitor.post(PAGE, **{"startWithin": "soon", "defaults.attempts": "many", "defaults.tags": XSS})
    assert set(faults_of(answer.text)) == {"startWithin", "defaults.attempts"}
    assert 'value="many"' in answer.text
    assert "<script>alert" not in answer.text
    assert XSS in text_of(answer.text)


def test_jobs_go_at_once_only_if_the_form_says_so_again(visitor: Visitor, client: Client) -> None:
    asked = visitor.post(PAGE, removeOnComplete="none", removeOnFail="3")
    assert asked.status_code == 200
    assert "No completed jobs of q are kept: all go now, for good." in text_of(asked.text)
    assert "The 3 newest failed jobs of q are kept" in text_of(asked.text)
    assert settings(client) == {}
    [sure] = [str(one["value"]) for tag, one in tags_of(asked.text) if tag == "button" and one.get("name") == "sure"]
    other = visitor.post(PAGE, removeOnComplete="none", removeOnFail="2", sure=sure)
    assert (other.status_code, settings(client)) == (200, {}), "it was asked for 3"
    assert visitor.post(PAGE, removeOnComplete="none", removeOnFail="3", sure=sure).status_code == 303
    assert settings(client) == {"removeOnComplete": {"count": 0}, "removeOnFail": {"count": 3}}


def test_whoever_may_only_read_sees_them_and_no_form(client: Client, visiting: Callable[..., Visitor]) -> None:
    put(client, **(ALL | {"defaults": {"tags": [XSS]}}))
    reader = visiting("jobs:read")
    html = reader.page(PAGE)
    assert f"/{PAGE}" not in html
    assert "7d,1000" in text_of(html)
    assert XSS in text_of(html)
    assert "<script>alert" not in html
    refused = reader.post(PAGE, startWithin="5s")
    assert refused.status_code == 403
    assert "queues:manage@q" in refused.text
    assert settings(client)["startWithin"] == 3_600_000


def test_a_key_says_how_far_it_is_and_any_name_has_settings(visitor: Visitor, client: Client) -> None:
    put(client, keys=["customer.id"])
    assert "How far its keys are" in text_of(visitor.page(PAGE))
    queue = quote("a b<i>'", safe="")
    assert visitor.post(f"queues/{queue}/settings", startWithin="5s").headers["Location"].endswith("settings_changed")
    assert settings(client, queue) == {"startWithin": 5_000}
