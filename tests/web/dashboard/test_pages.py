"""What every page has, and what the pages show; hostile names and contents are text."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from app.domain.states import Status
from app.infra.settings import Settings
from app.postgres.database import Database
from app.web import app
from app.web.dashboard import frame, shown, static
from tests.conftest import TOKEN
from tests.support import answers
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
XSS = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
NAMES = ["mail", "a b", "a%2Fb", "<b>", "'\"&", "ünï→😀", "...", "a:b", "a?b#c", "a+b", "{{7*7}}", "a;b", "-", "%"]
PAGES = ["", "?name=q", "login", "queues/q", "queues/q?statuses=failed", "queues/q/add", "queues/q/jobs/one"]
PAGES += ["running", "running?queue=q", "plans", "queues/q/plans"]
PAGES += ["failures", "queues/q/failures", "queues/none/failures", "search", "search?error=host", "search?queue=q"]
PAGES += ["queues/q/jobs/one/remove", "queues/none", "queues/q/jobs/absent", "nowhere", "login/code", "queues/%ff"]
SCHEDULE = "queues/q/schedules/nightly"
PAGES += [
    "schedules",
    "schedules?name=zz",
    "schedules?start=50",
    "queues/q/schedules",
    "queues/none/schedules",
    SCHEDULE,
    f"{SCHEDULE}/change",
    f"{SCHEDULE}/remove",
]
PAGES += ["queues/q/new-schedule", "queues/q/schedules/absent", "queues/q/workers", "queues/q/endpoint", "endpoints"]
PAGES += ["queues/q/endpoint/remove", "tokens", "tokens?start=50", "tokens/make", "tokens/absent/revoke"]
PAGES += ["queues/q/settings", "queues/none/settings"]
PAGES += ["audit", "audit?since=x", "doctor", "queues/q/charts", "queues/none/charts?step=day"]


@pytest.fixture
def one(client: Client) -> str:
    """A job of the queue `q`, failed twice, with all that a client can set; its id."""
    opts = {"jobId": "one", "attempts": 2, "backoff": 0, "tags": ["vip"], "removeOnFail": False}
    client.add({"name": "welcome", "data": {"to": "ada"}, "opts": opts})
    for _ in range(2):
        fail(client, "q", failedReason="no such host", stacktrace="at line 7")
    schedule = {"pattern": "0 3 29 2 *", "tz": "Europe/Vienna", "template": {"data": {"to": "ada"}}}
    assert client.put("/queues/q/schedulers/nightly", json.dumps(schedule)).status_code == 201
    return "one"


def claimed(client: Client, queue: str) -> str:
    """Claim a job; return the end of its path and its token as fields."""
    [lease] = answers.ok(client.post(f"/queues/{quote(queue, safe='')}/jobs/claim", "{}"))["jobs"]
    return json.dumps({"id": lease["job"]["id"], "token": lease["token"]})


def fail(client: Client, queue: str, **failure: str) -> None:
    held = json.loads(claimed(client, queue))
    path = f"/queues/{quote(queue, safe='')}/jobs/{quote(held['id'], safe='')}/fail"
    assert client.post(path, json.dumps({"token": held["token"]} | failure)).status_code == 200


def assert_safe(answer: TestResponse) -> None:
    """See that a page has all headers, and nothing inline that its policy forbids."""
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    for tag, attributes in tags_of(answer.text):
        assert tag not in {"style", "iframe", "object", "base"}
        assert "src" in attributes or tag != "script"
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_what_it_does_not_need(visitor: Visitor, one: str, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code in {200, 303, 400, 404}
    assert_safe(answer)


def test_every_page_is_whole(visitor: Visitor, one: str) -> None:
    for path in PAGES:
        html = visitor.get(path).text
        if not html:
            continue
        assert html.startswith("<!doctype html>")
        assert html.count("<h1>") == 1, path
        assert '<a class="skip" href="#main">' in html
        ids = [attributes["id"] for _, attributes in tags_of(html) if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        assert len(html) < 100_000


def test_static_files_are_named_by_their_bytes_and_kept_for_a_year(stranger: Visitor) -> None:
    for url in static.urls().values():
        answer = stranger.get(url)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert f"/dashboard/{url}".replace("/dashboard/", "") in stranger.page("login") or url.endswith(".svg")
    assert stranger.get("static/dashboard.css").status_code == 404
    assert stranger.get("static/..%2Fframe.py").status_code == 404


def test_the_first_view_is_small() -> None:
    sizes = {file.name: file.stat().st_size for file in static.FILES.iterdir()}
    assert sizes["dashboard.css"] < 20_000
    assert sum(sizes.values()) < 100_000
    lines = sum(len(file.read_text().splitlines()) for file in static.FILES.glob("*.js"))
    assert lines < 300


def test_an_empty_service_says_what_to_do(visitor: Visitor) -> None:
    assert "No queue has a job yet" in text_of(visitor.page(""))
    assert "This queue has no jobs" in text_of(visitor.page("queues/mail"))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_queue_or_a_job_has_its_pages(visitor: Visitor, client: Client, name: str) -> None:
    segment = quote(name, safe="")
    client.add({"name": name, "data": 1, "opts": {"jobId": f"id {name}"}}, queue=segment)

    listed = visitor.page("")
    links = [a["href"] or "" for tag, a in tags_of(listed) if tag == "a" and "data-open" in a]
    [link] = set(links)
    assert link == f"./queues/{segment}"
    queue = visitor.page(link.removeprefix("./"))
    assert name in text_of(queue).replace("  ", " ")
    [job] = [a["href"] for tag, a in tags_of(queue) if tag == "a" and "data-open" in a]
    assert job == f"../queues/{segment}/jobs/{quote(f'id {name}', safe='')}"
    page = visitor.get(f"{job.removeprefix('../')}")
    assert page.status_code == 200
    assert_safe(page)
    stream = next(attributes["data-stream"] for tag, attributes in tags_of(queue) if tag == "body")
    assert stream == f"../live?queue={segment}"


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "a%2Fb", "%00", "%0a", "%ff", "x" * 101])
def test_what_is_no_name_is_refused_on_a_page(visitor: Visitor, name: str) -> None:
    answer = visitor.get(f"queues/{name}")
    assert answer.status_code in {400, 404}
    assert_safe(answer)


def test_everything_that_a_client_can_set_is_text(visitor: Visitor, client: Client) -> None:
    queue = quote("<script>q", safe="")
    opts = {"jobId": XSS.replace("/", ""), "tags": [XSS[:99]], "attempts": 1, "removeOnFail": False}
    client.add({"name": XSS, "data": {XSS: XSS}, "opts": opts}, queue=queue)
    [lease] = answers.ok(client.post(f"/queues/{queue}/jobs/claim", json.dumps({"worker": XSS})))["jobs"]
    path = f"/queues/{queue}/jobs/{quote(lease['job']['id'], safe='')}"
    for noun, value in (("progress", {XSS: XSS}), ("logs", XSS)):
        by = {"Authorization": f"Bearer {lease['token']}"}
        assert client.flask.post(f"{path}/{noun}", data=json.dumps(value), headers=by).status_code == 200
    failure = {"token": lease["token"], "failedReason": XSS, "stacktrace": XSS}
    assert client.post(f"{path}/fail", json.dumps(failure)).status_code == 200
    assert client.post(f"/queues/{queue}/pause", json.dumps({"reason": XSS})).status_code == 200

    for page in ("", f"queues/{queue}", path[1:], f"{path[1:]}/remove", f"queues/{queue}?error={quote(XSS)}"):
        answer = visitor.get(page)
        assert answer.status_code == 200, page
        assert_safe(answer)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "onerror=alert(1)" in text_of(answer.text) or page.endswith("/remove") or "error=" in page


def test_commands_in_a_sentence_are_code_and_all_of_it_is_text(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    client.post("/queues/q/pause", json.dumps({"reason": XSS}))
    for page in ("queues/q", "queues/q/jobs/one"):
        html = visitor.page(page)
        assert "<code>rowline queues resume q</code>" in html
        assert "`" not in html
        assert "<script>alert" not in html
        assert XSS in text_of(html)


def test_backticks_mark_code_only_in_pairs_and_never_markup() -> None:
    assert shown.codes("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"
    assert shown.codes(f"`{XSS}` or {XSS}").count("<") == 2
    assert shown.codes("a ` is <one>") == "a ` is &lt;one&gt;"
    assert shown.codes("no `x` and `") == "no `x` and `"
    assert shown.codes("") == ""


def test_numbers_keep_their_digits_and_members_their_order(visitor: Visitor, client: Client) -> None:
    data = '{"z": 12345678901234567890123, "a": 1e400, "f": 0.10, "e": 1.0}'
    body = f'[{{"name": "n", "data": {data}, "opts": {{"jobId": "digits"}}}}]'
    assert client.post("/queues/q/jobs", body).status_code == 200

    assert text_of(visitor.page("queues/q")).count("digits") >= 1
    page = visitor.page("queues/q/jobs/digits")
    for number in ("12345678901234567890123", "1e400", "0.10", "1.0"):
        assert f": {number}" in page
    assert page.index("&#34;z&#34;") < page.index("&#34;a&#34;")
    raw = visitor.get("queues/q/jobs/digits/raw?member=data")
    assert raw.text == data
    assert raw.headers["Content-Disposition"] == 'attachment; filename="data.json"'
    assert visitor.get("queues/q/jobs/digits/raw").json["id"] == "digits"  # type: ignore[index]
    assert visitor.get("queues/q/jobs/digits/raw?member=secret").status_code == 404


def test_a_long_payload_is_shown_in_part_and_is_a_download(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": ["word " * 10] * 15_000, "opts": {"jobId": "long"}})
    page = visitor.page("queues/q/jobs/long")
    assert len(page) < shown.LIMIT + 40_000
    assert "Only the first 64 KiB are shown" in page
    assert len(visitor.get("queues/q/jobs/long/raw?member=data").get_data()) > 700_000
    assert len(visitor.page("queues/q")) < 40_000


def test_a_job_says_what_happened_to_it(visitor: Visitor, client: Client, one: str) -> None:
    client.post("/queues/q/jobs/one/retry", "")
    text = text_of(visitor.page("queues/q/jobs/one"))
    for part in ("attempt 1 began", "attempt 2 ended: failed", "no such host", "at line 7", "vip", "ada", "jobs.retry"):
        assert part in text, part


def test_a_queue_has_its_jobs_by_status_and_filter(visitor: Visitor, client: Client, one: str) -> None:
    client.add({"name": "other", "data": {"customer": {"id": 42}}, "opts": {"jobId": "two", "delay": 60_000}})

    def ids(query: str) -> list[str]:
        html = visitor.page(f"queues/q{query}")
        return [a["data-row"] or "" for tag, a in tags_of(html) if tag == "tr" and "data-row" in a]

    assert ids("") == ["two", "one"]
    assert ids("?order=asc") == ["one", "two"]
    assert ids("?statuses=failed") == ids("?name=welcome") == ids("?error=host") == ids("?tag=vip") == ["one"]
    assert ids("?data=customer.id%3D42") == ids("?statuses=delayed") == ["two"]
    assert ids("?name=absent") == []
    assert "No job matches" in visitor.page("queues/q?name=absent")
    assert "write customer.id=42, without" in visitor.page("queues/q?data=data.customer.id%3D42")


def test_a_queue_can_be_paused_above_its_jobs(visitor: Visitor, client: Client) -> None:
    client.add(queue="q")
    html = visitor.page("queues/q")
    assert html.index('data-keep="pause"') < html.index('aria-label="Jobs by status"')


def test_a_filter_that_is_none_is_told_beside_the_form(visitor: Visitor) -> None:
    page = visitor.page("queues/q?data=a..b%3D1&statuses=odd")
    assert "must be keys, or indexes of arrays, with dots between them" in text_of(page)
    assert 'value="a..b=1"' in page


def test_pages_of_jobs_go_on_by_a_cursor(visitor: Visitor, client: Client) -> None:
    client.add(*({"name": "n", "data": nth, "opts": {"jobId": f"j{nth}"}} for nth in range(60)))
    seen: list[str] = []
    path: str | None = "queues/q"
    while path:
        html = visitor.page(path)
        seen += [a["data-row"] or "" for tag, a in tags_of(html) if tag == "tr" and "data-row" in a]
        following = [a["href"] for tag, a in tags_of(html) if tag == "a" and a.get("rel") == "next"]
        path = (following[0] or "").removeprefix("../") if following else None
    assert seen == [f"j{nth}" for nth in reversed(range(60))]


def test_pages_of_queues_go_on_after_a_name_and_trouble_comes_first(visitor: Visitor, client: Client) -> None:
    for nth in range(120):
        client.add({"name": "n", "data": 1, "opts": {"attempts": 1}}, queue=f"q{nth:03}")
    fail(client, "q119", failedReason="x")
    client.post("/queues/q118/pause", "")

    first = visitor.page("")
    found = [a["data-row"] or "" for tag, a in tags_of(first) if tag == "tr" and "data-row" in a]
    assert found[:2] == ["q118", "q119"], "paused with a ready job, failed"
    assert found[10:] == [f"q{nth:03}" for nth in range(50)]
    second = visitor.page("?after=q049")
    assert [a["data-row"] for tag, a in tags_of(second) if tag == "tr" and "data-row" in a] == [
        f"q{nth:03}" for nth in range(50, 100)
    ]
    assert text_of(visitor.page("?name=q11")).count("q11") >= 10


def test_who_lacks_payload_sees_no_contents(client: Client, visiting: Callable[..., Visitor]) -> None:
    canary = "canary-5e1f0c"
    client.add({"name": "n", "data": {canary: canary}, "opts": {"jobId": "one", "removeOnFail": False}})
    fail(client, "q", failedReason=canary, stacktrace=canary)

    visitor = visiting("jobs:read")
    for page in ("", "queues/q", "queues/q/jobs/one", "queues/q/jobs/one/raw"):
        assert canary not in visitor.page(page)
    assert "Data : hidden" in text_of(visitor.page("queues/q/jobs/one")).replace("Data:", "Data :")
    assert "the token lacks the scope payload" in visitor.page("queues/q?error=x")
    assert visitor.get("queues/q/jobs/one/raw?member=data").status_code == 404


def test_what_the_token_may_not_read_is_refused_by_name(client: Client, visiting: Callable[..., Visitor]) -> None:
    client.add({"name": "n", "data": 1}, queue="theirs")
    visitor = visiting("jobs:read@mine")
    assert "theirs" not in visitor.page("")
    answer = visitor.get("queues/theirs")
    assert answer.status_code == 403
    assert "the token lacks the scope jobs:read@theirs" in answer.text
    assert visiting().get("").status_code == 403


def test_an_unknown_job_is_a_page_that_says_so(visitor: Visitor) -> None:
    answer = visitor.get("queues/q/jobs/absent")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_a_region_is_fetched_alone_and_only_if_it_changed(visitor: Visitor, client: Client, one: str) -> None:
    answer = visitor.get("queues/q?fragment=tabs")
    assert "<html" not in answer.text
    assert answer.text.strip().startswith('<nav class="tabs" data-live="tabs"')
    same = visitor.get("queues/q?fragment=tabs", If_None_Match=answer.headers["ETag"])
    assert (same.status_code, same.text) == (304, "")
    client.add({"name": "n", "data": 1})
    assert visitor.get("queues/q?fragment=tabs", If_None_Match=answer.headers["ETag"]).status_code == 200
    assert visitor.get("queues/q?fragment=absent").status_code == 404


def test_several_regions_come_in_one_request(visitor: Visitor, one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "_NOW_S", 3_600)  # how long ago the job was added changes no page
    both = visitor.get("queues/q?fragment=tabs&fragment=jobs")
    assert [a["data-live"] for _, a in tags_of(both.text) if "data-live" in a] == ["tabs", "jobs"]
    path = "queues/q?fragment=tabs&fragment=jobs"
    assert visitor.get(path, If_None_Match=both.headers["ETag"]).status_code == 304
    assert visitor.get("queues/q?fragment=tabs&fragment=absent").status_code == 404


def test_each_region_of_a_page_is_a_block_of_its_name(visitor: Visitor, one: str) -> None:
    for path in ("", "queues/q", "queues/q/jobs/one", SCHEDULE, "queues/q/workers", "queues/q/charts"):
        regions = [a["data-live"] for _, a in tags_of(visitor.page(path)) if "data-live" in a]
        assert regions
        for name in regions:
            html = visitor.page(f"{path}?fragment={name}")
            assert [a["data-live"] for _, a in tags_of(html) if "data-live" in a] == [name]


def test_a_stranger_s_script_is_told_by_a_status(stranger: Visitor) -> None:
    assert stranger.get("queues/q?fragment=jobs").status_code == 401
    assert stranger.get("live", Sec_Fetch_Dest="empty").status_code == 401


def test_a_theme_is_kept_in_the_browser(visitor: Visitor) -> None:
    assert 'data-theme="system"' in visitor.page("")
    answer = visitor.post("preferences", theme="dark", keys="off", next="queues/q")
    assert answer.headers["Location"] == "./queues/q?done=kept"
    page = visitor.page("queues/q")
    assert 'data-theme="dark"' in page
    assert "data-keys" not in page
    visitor.post("preferences", theme="odd\r\nX: 1", keys="<", next="//evil")
    assert 'data-theme="dark"' in visitor.page("")


def test_what_is_done_inside_is_counted_once(settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.metrics.routes.FRESH_S", 0.0)  # so that no answer is that of before
    flask = app.create(settings, db)
    visitor, client = Visitor(flask.test_client()), Client(flask.test_client(), token=TOKEN)
    visitor.sign_in(TOKEN)
    before = client.get("/metrics").text
    visitor.page("queues/q")
    found = client.get("/metrics").text
    counted = 'rowline_http_request_duration_seconds_count{method="GET",route="/queues/{queue}",status="200"}'
    assert [line for line in before.splitlines() if line.startswith(counted)] == [
        line for line in found.splitlines() if line.startswith(counted)
    ]
    assert 'route="/dashboard/queues/{queue}"' in found


def test_a_header_cannot_be_what_the_dashboard_puts_into_the_environment(client: Client) -> None:
    headers = {"Rowline.Inside": "x", "rowline-inside": "x", "rowline_inside": "x"}
    assert client.flask.get("/queues", headers=headers).status_code == 401


def test_every_status_has_a_badge_with_a_shape() -> None:
    css = (static.FILES / "dashboard.css").read_text()
    assert set(shown.STATUSES) == {*Status}
    for status in Status:
        assert f".s-{status}::before" in css


def test_no_template_trusts_what_it_is_given() -> None:
    for file in (Path(frame.__file__).parent / "templates").iterdir():
        text = file.read_text()
        assert not re.search(r"\|\s*safe|autoescape|javascript:|\sstyle=|\son\w+=", text), file.name


def test_a_uuid_is_shortened_in_lists_and_nothing_else() -> None:
    assert shown.brief("6d8150c2-c15d-438f-a909-be1a3faca227") == "6d8150c2…"
    assert shown.brief("6d8150c2-c15d-438f-a909-be1a3faca22x") == "6d8150c2-c15d-438f-a909-be1a3faca22x"
