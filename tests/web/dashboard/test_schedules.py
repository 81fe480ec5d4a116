"""Schedules in the dashboard: looked at, previewed, made, changed, paused, run and removed by hand."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from app.web.dashboard import scheduleform
from tests.support import answers
from tests.support.client import Client
from tests.support.visitor import Visitor, faults_of, tags_of, text_of

BASE = "queues/q/schedules"
NIGHTLY = {
    "pattern": "30 2 29 2 *",
    "tz": "Europe/Vienna",
    "overlap": "allow",
    "misfire": "all",
    "limit": 12,
    "jitter": 90_000,
    "startDate": 1_900_000_000_000,
    "endDate": 2_900_000_000_001,
}
TEMPLATE = '{"name": "report", "data": {"n": 1.10, "big": 12345678901234567890123}, "opts": {"attempts": 3}}'


def put(client: Client, schedule_id: str = "nightly", *, template: str = TEMPLATE, **members: Any) -> None:
    """Make a schedule; its template is text, so that digits stay."""
    body = json.dumps(members or NIGHTLY)[:-1] + f', "template": {template}}}'
    assert client.put(f"/queues/q/schedulers/{quote(schedule_id, safe='')}", body).status_code == 201


def fields_of(html: str) -> dict[str, str]:
    """Return the fields of the form of a page as a browser sends them back, text areas apart."""
    found, select = {}, ""
    for tag, attributes in tags_of(html):
        if tag == "input" and attributes.get("name"):
            found[str(attributes["name"])] = attributes.get("value") or ""
        select = str(attributes.get("name")) if tag == "select" else select
        if tag == "option" and "selected" in attributes and "value" in attributes:
            found[select] = str(attributes["value"])
    return found


def test_a_new_form_takes_an_interval_without_anything_to_be_cleared(visitor: Visitor) -> None:
    sent = fields_of(visitor.page("queues/q/new-schedule")) | {"id": "poll", "every": "5m"}
    sent.pop("immediately", None)
    assert visitor.post("queues/q/new-schedule", **sent).status_code == 303


def get(client: Client, schedule_id: str = "nightly") -> dict[str, Any]:
    return dict(answers.ok(client.get(f"/queues/q/schedulers/{schedule_id}")))


def test_a_schedule_says_when_it_ticks_by_both_clocks(visitor: Visitor, client: Client) -> None:
    put(client)
    listed = text_of(visitor.page(BASE))
    assert "30 2 29 2 * in Europe/Vienna" in listed
    page = text_of(visitor.page(f"{BASE}/nightly"))
    assert "It adds a job report by 30 2 29 2 * in Europe/Vienna" in page
    assert "2032-02-29 02:30:00+01:00" in page, "by the clocks of Vienna"
    assert "2032-02-29 01:30:00" in page, "by UTC"
    assert "12345678901234567890123" in page
    assert "No job of it is there." in page


def test_a_change_of_the_clocks_is_told_in_the_preview(visitor: Visitor, client: Client) -> None:
    sent = {"pattern": "30 2 * * *", "tz": "Europe/Berlin", "startDate": "2030-03-30T00:00", "do": "preview"}
    answer = visitor.post("queues/q/new-schedule", id="x", **sent)
    assert answer.status_code == 200
    [march] = text_of(answer.text).split("2030-03-31")[1:2]
    assert "03:00:00+02:00" in march
    assert "Nothing is stored yet." in answer.text
    assert client.get("/queues/q/schedulers/x").status_code == 404
    assert fields_of(answer.text)["startDate"] == "2030-03-30T00:00"


def test_a_schedule_is_made_by_the_form(visitor: Visitor, client: Client) -> None:
    sent = {"id": "every five", "every": "5m", "data": '{"n": 1.10}', "opts": '{"attempts": 2}', "overlap": "skip"}
    answer = visitor.post("queues/q/new-schedule", **sent, misfire="skip", immediately="yes", jitter="1s", limit="7")
    assert answer.headers["Location"] == "../../queues/q/schedules/every%20five?done=scheduled"
    found = get(client, "every%20five")
    wanted = {"every": 300_000, "overlap": "skip", "misfire": "skip", "jitter": 1_000, "limit": 7, "paused": False}
    assert {name: found[name] for name in wanted} == wanted
    assert found["template"] == {"name": "every five", "data": {"n": 1.1}, "opts": {"attempts": 2}}
    assert found["iterationCount"] in {0, 1}
    assert "The schedule is made." in visitor.page(f"{BASE}/every%20five?done=scheduled")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"pattern": "61 * * * *"}, "Pattern: has a minute that is none: 61"),
        ({"pattern": "* * * * *", "every": "5m"}, "must not be there with every"),
        ({"every": "5 fortnights"}, "Interval: must"),
        ({"every": "1h", "limit": "many"}, "Limit: must"),
        ({"every": "1h", "endDate": "tomorrow"}, "Not after: must"),
        ({"every": "1h", "data": '1}, "x": {"y": 1'}, "Data: must be one JSON value"),
        ({"every": "1h", "opts": '{"odd": 1}'}, "Options, odd:"),
        ({"every": "1h", "misfire": "all", "overlap": "skip"}, "Ticks missed while the service was away: "),
        ({"every": "1h", "id": "a/b"}, "Id: must"),
        ({"every": "1h", "id": ""}, "Id: must"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told_above_its_form(
    visitor: Visitor, client: Client, sent: dict[str, str], words: str
) -> None:
    answer = visitor.post("queues/q/new-schedule", **({"id": "x"} | sent))
    assert answer.status_code == 400, answer.text
    assert words in text_of(answer.text)
    assert 'role="alert"' in answer.text
    for name in {"pattern", "every", "limit"} & {*sent}:
        assert fields_of(answer.text)[name] == sent[name]
    assert answers.ok(client.get("/queues/q/schedulers"))["count"] == 0


@pytest.mark.parametrize(
    ("sent", "faults"),
    [
        ({"pattern": "61 * * * *"}, {"pattern": "has a minute that is none: 61"}),
        (
            {"every": "1h", "opts": '{"odd": 1, "attempts": -1}'},
            {"opts": "attempts must be between 0 and 1000; odd is not known here"},
        ),
        ({"every": "1h", "data": "{"}, {"data": "must be one JSON value"}),
        ({"every": "5 fortnights", "limit": "many"}, {"every": "must", "limit": "must"}),
        ({"every": "1h", "id": "a/b"}, {"id": "must"}),
    ],
)
def test_what_is_wrong_with_a_schedule_stands_at_its_field_too(
    visitor: Visitor, sent: dict[str, str], faults: dict[str, str]
) -> None:
    found = faults_of(visitor.post("queues/q/new-schedule", **({"id": "x"} | sent)).text)
    assert found.keys() == faults.keys()
    for name, said in faults.items():
        assert said in found[name]
    preview = {name: text for name, text in sent.items() if name in {"pattern", "every"}}
    if preview.keys() & faults.keys():
        assert faults_of(visitor.post("queues/q/new-schedule", id="x", do="preview", **preview).text)


def test_a_new_schedule_does_not_replace_one(visitor: Visitor, client: Client) -> None:
    put(client)
    answer = visitor.post("queues/q/new-schedule", id="nightly", every="1s")
    assert answer.status_code == 409
    assert faults_of(answer.text) == {"id": "is the id of another schedule"}
    assert "There is a schedule with this id" in text_of(answer.text)
    assert get(client)["pattern"] == NIGHTLY["pattern"]


def test_the_form_sends_back_what_it_shows(visitor: Visitor, client: Client) -> None:
    put(client)
    before, raw = get(client), client.get("/queues/q/schedulers/nightly").text
    page = visitor.page(f"{BASE}/nightly/change")
    sent = fields_of(page)
    assert sent["jitter"] == "90s"
    data = '{"n": 1.10, "big": 12345678901234567890123}'
    assert data in page.replace("&#34;", '"')
    answer = visitor.post(f"{BASE}/nightly/change", **sent, data=data, opts='{"attempts": 3}', do="store")
    assert answer.status_code == 303, answer.text
    after = get(client)
    assert {**after, "changedOn": 0} == {**before, "changedOn": 0}
    assert raw.count("12345678901234567890123") == client.get("/queues/q/schedulers/nightly").text.count(
        "12345678901234567890123"
    )
    visitor.post(f"{BASE}/nightly/change", **(sent | {"limit": "13", "offset": ""}), data=data, opts="", do="store")
    assert get(client)["limit"] == 13
    assert get(client)["template"]["opts"] == {}


def test_a_time_without_a_zone_is_of_utc_wherever_the_machine_is(
    visitor: Visitor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for schedule_id, text in (("a", "2030-01-31T08:00"), ("b", "2030-01-31T09:00+01:00"), ("c", "1896076800000")):
            sent = {"id": schedule_id, "pattern": "0 3 * * *", "startDate": text}
            assert visitor.post("queues/q/new-schedule", **sent).status_code == 303
            assert get(client, schedule_id)["startDate"] == 1_896_076_800_000
            assert fields_of(visitor.page(f"{BASE}/{schedule_id}/change"))["startDate"] == "2030-01-31T08:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_new_schedule_ticks_at_once_if_the_form_says_so(visitor: Visitor, client: Client) -> None:
    for schedule_id, ticked in (("a", {}), ("b", {"immediately": "yes"})):
        visitor.post("queues/q/new-schedule", id=schedule_id, pattern="0 3 29 2 *", **ticked)
        found = get(client, schedule_id)
        is_at_once = found["iterationCount"] == 1 or found["next"] <= time.time() * 1000
        assert is_at_once == bool(ticked)


def test_a_schedule_says_in_words_what_becomes_of_ticks_that_cannot_have_their_job(
    visitor: Visitor, client: Client
) -> None:
    put(client)
    page = text_of(visitor.page(f"{BASE}/nightly"))
    assert "If the job before is still there another job all the same allow" in page
    assert "Ticks missed while the service was away one job for each all" in page
    assert "Ticks with a job 0 of 12 Ticks skipped 0" in page
    assert "A tick can be skipped, without a job: if the job before is still there" in text_of(
        visitor.page("schedules")
    )
    described = {one.get("aria-describedby") for _, one in tags_of(visitor.page("queues/q/new-schedule"))}
    fields = ("id", *scheduleform.FIELDS)
    assert {f"hint-{name}" for name in fields if name not in {"overlap", "misfire"}} <= described


def test_an_interval_is_shown_as_it_is_typed(visitor: Visitor, client: Client) -> None:
    for schedule_id, every, offset, text, words in (
        ("a", 86_400_000, 0, "1d", "1 d, with an offset of 0 ms"),
        ("b", 90_500, 1, "90500ms", "90500 ms, with an offset of 1 ms"),
        ("c", 90_000, 5, "90s", "90 s, with an offset of 5 ms"),
    ):
        put(client, schedule_id, every=every, offset=offset)
        assert f"every {words}" in text_of(visitor.page(f"{BASE}/{schedule_id}"))
        found = fields_of(visitor.page(f"{BASE}/{schedule_id}/change"))
        assert (found["every"], found["offset"]) == (text, f"{offset}ms")
        answer = visitor.post(f"{BASE}/{schedule_id}/change", **found, do="store")
        assert answer.status_code == 303
        assert (get(client, schedule_id)["every"], get(client, schedule_id)["offset"]) == (every, offset)


def test_a_schedule_is_paused_and_the_page_says_by_whom(
    visitor: Visitor, client: Client, visiting: Callable[..., Visitor]
) -> None:
    put(client)
    assert visitor.post(f"{BASE}/nightly/pause").headers["Location"].endswith("nightly?done=schedule_paused")
    page = text_of(visitor.page(f"{BASE}/nightly"))
    assert "paused by token 1 of AUTH_TOKENS" in page
    assert "It is paused." in page
    assert "paused" in text_of(visitor.page(BASE))
    visiting("jobs:read", "jobs:manage").post(f"{BASE}/nightly/pause")
    assert "paused by token 1 of AUTH_TOKENS" in text_of(visitor.page(f"{BASE}/nightly")), "it was paused already"
    assert visitor.post(f"{BASE}/nightly/resume").status_code == 303
    assert not get(client)["paused"]


def test_whoever_may_read_the_queue_is_told_who_paused(
    client: Client, visitor: Visitor, visiting: Callable[..., Visitor]
) -> None:
    put(client)
    visitor.post(f"{BASE}/nightly/pause")
    reader = visiting("jobs:read")
    assert "paused by token 1 of AUTH_TOKENS, " in text_of(reader.page(f"{BASE}/nightly"))
    assert "paused by token 1 of AUTH_TOKENS, " in text_of(reader.page(BASE))


def test_schedules_of_all_queues_are_on_a_page_with_those_that_may_be_read(
    client: Client, visitor: Visitor, visiting: Callable[..., Visitor]
) -> None:
    assert "No queue has a schedule." in text_of(visitor.page("schedules"))
    put(client)
    hostile = quote("<b>'\"&", safe="")
    made = client.put(f"/queues/{hostile}/schedulers/{hostile}", json.dumps({"every": 60_000, "template": {}}))
    assert made.status_code == 201
    rows = {a["data-row"] for tag, a in tags_of(visitor.page("schedules")) if tag == "tr" and "data-row" in a}
    assert rows == {"q/nightly", "<b>'\"&/<b>'\"&"}
    [link] = [a["href"] for tag, a in tags_of(visitor.page("schedules?name=q")) if "data-open" in a]
    assert visitor.get(str(link).removeprefix("./")).status_code == 200
    assert "No queue of such a name has a schedule." in text_of(visitor.page("schedules?name=zz"))
    assert "nightly" not in visiting("jobs:read@other").page("schedules")


def test_pages_of_schedules_of_all_queues_go_on(visitor: Visitor, client: Client) -> None:
    for nth in range(27):
        put(client, f"s{nth:02}")
    first = visitor.page("schedules?name=q")
    [following] = [a["href"] for tag, a in tags_of(first) if tag == "a" and a.get("rel") == "next"]
    second = visitor.page(str(following).removeprefix("./"))
    rows = [a["data-row"] for tag, a in tags_of(second) if tag == "tr" and "data-row" in a]
    assert rows == ["q/s25", "q/s26"]


def test_a_run_by_hand_adds_a_job_and_is_in_the_history(visitor: Visitor, client: Client) -> None:
    put(client)
    answer = visitor.post(f"{BASE}/nightly/run")
    job = visitor.page(answer.headers["Location"].removeprefix("../../../../"))
    assert "Job repeat:nightly:" in text_of(job)
    page = visitor.page(f"{BASE}/nightly")
    assert "by hand" in page
    [row] = [a["data-row"] for tag, a in tags_of(page) if tag == "tr" and "data-row" in a]
    assert str(row).startswith("repeat:nightly:")


def test_a_schedule_is_removed_after_a_question(visitor: Visitor, client: Client) -> None:
    put(client)
    assert "Remove schedule nightly?" in visitor.page(f"{BASE}/nightly/remove")
    assert get(client)
    assert visitor.post(f"{BASE}/nightly/remove").headers["Location"].endswith("q/schedules?done=schedule_removed")
    assert client.get("/queues/q/schedulers/nightly").status_code == 404
    assert visitor.get(f"{BASE}/nightly").status_code == 404
    assert visitor.post(f"{BASE}/nightly/pause").status_code == 404


@pytest.mark.parametrize(
    "name", ["a b", "<b>", "'\"&", "ünï→😀", "...", "a?b#c", "{{7*7}}", "%", "new", "preview", "7"]
)
def test_any_id_of_a_schedule_has_its_pages(visitor: Visitor, client: Client, name: str) -> None:
    put(client, name)
    [link] = [a["href"] or "" for tag, a in tags_of(visitor.page(BASE)) if tag == "a" and "data-open" in a]
    assert link == f"../../queues/q/schedules/{quote(name, safe='')}"
    path = link.removeprefix("../../")
    assert name in text_of(visitor.page(path)).replace("  ", " ")
    for verb in ("change", "remove"):
        assert visitor.get(f"{path}/{verb}").status_code == 200
    for verb in ("pause", "resume", "run", "remove"):
        assert visitor.post(f"{path}/{verb}").status_code == 303


def test_lists_of_schedules_go_on_page_by_page(visitor: Visitor, client: Client) -> None:
    for nth in range(30):
        put(client, f"s{nth:02}")
    first = visitor.page(BASE)
    assert "s24" in first
    assert "s25" not in first
    [following] = [a["href"] for tag, a in tags_of(first) if tag == "a" and a.get("rel") == "next"]
    second = visitor.page(str(following).removeprefix("../../"))
    assert "s25" in second
    assert "s24" not in second
    assert "No schedule is so far down." in visitor.page(f"{BASE}?start=100")


def test_contents_of_a_schedule_are_hidden_without_payload(client: Client, visiting: Callable[..., Visitor]) -> None:
    canary = "canary-77aa"
    put(client, template=f'{{"name": "n", "data": {{"{canary}": "{canary}"}}}}')
    visitor = visiting("jobs:read", "jobs:add", "jobs:manage")
    for path in (BASE, f"{BASE}/nightly", f"{BASE}/nightly/remove"):
        assert canary not in visitor.page(path)
    page = visitor.page(f"{BASE}/nightly")
    assert "Data: hidden" in text_of(page)
    assert f"{BASE}/nightly/change" not in page
    answer = visitor.get(f"{BASE}/nightly/change")
    assert answer.status_code == 403
    assert "a change would lose them" in answer.text


def test_what_is_too_long_for_a_form_is_not_changed_by_one(visitor: Visitor, client: Client) -> None:
    put(client, template=json.dumps({"data": "x" * 70_000}))
    page = visitor.page(f"{BASE}/nightly")
    assert "nightly/change" not in page
    assert "Only the first 64 KiB are shown." in page
    assert visitor.get(f"{BASE}/nightly/change").status_code == 403
    assert len(get(client)["template"]["data"]) == 70_000


def test_who_only_reads_has_no_buttons_and_is_refused(client: Client, visiting: Callable[..., Visitor]) -> None:
    put(client)
    visitor = visiting("jobs:read", "payload")
    for path in (BASE, f"{BASE}/nightly"):
        page = visitor.page(path)
        assert "new-schedule" not in page
        actions = {a.get("action") for tag, a in tags_of(page) if tag == "form"}
        assert all(str(action).endswith(("logout", "preferences", "")) for action in actions)
        assert "nightly/pause" not in page
    for verb in ("pause", "resume", "run", "remove"):
        answer = visitor.post(f"{BASE}/nightly/{verb}")
        assert answer.status_code == 403
        assert "the token lacks the scope" in answer.text
    for path in ("queues/q/new-schedule", f"{BASE}/nightly/change"):
        answer = visitor.post(path, id="x", every="1h", do="store")
        assert answer.status_code == 403
        assert "the token lacks the scope" in text_of(answer.text)
    assert get(client)["pattern"] == NIGHTLY["pattern"]
    assert visiting("jobs:read@other").get(BASE).status_code == 403
