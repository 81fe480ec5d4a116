"""The audit and the doctor in the dashboard."""

import json
import time
from collections.abc import Callable
from urllib.parse import quote

from cryptography.fernet import Fernet

from app.domain.endpoint import NewEndpoint
from app.infra.settings import Settings
from app.infra.vault import Vault
from app.operations import endpoints
from app.postgres.database import Database
from app.queries.doctor import FRESH_S
from tests.support import answers
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of

XSS = "<script>alert('x')</script>"


def actions(html: str) -> list[str]:
    """Return the actions that a page of the audit lists."""
    links = [a["href"] or "" for tag, a in tags_of(html) if tag == "a"]
    return [link.partition("audit?action=")[2] for link in links if "audit?action=" in link]


def links(html: str) -> list[str]:
    return [(a["href"] or "").removeprefix("./") for tag, a in tags_of(html) if tag == "a"]


def test_acts_are_listed_with_links_to_what_they_were_about(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "a/b"[:1] + " b", "removeOnFail": False}}, queue="m%20x")
    for verb in ("cancel", "retry"):
        answers.ok(client.post(f"/queues/m%20x/jobs/a%20b/{verb}", ""))
    client.put("/queues/m%20x/schedulers/s", json.dumps({"every": 3_600_000, "template": {"name": "n"}}))
    client.post("/queues/m%20x/plans", json.dumps({"action": "retry", "filter": {"since": 0}}))
    page = visitor.page("audit")
    assert actions(page)[:4] == ["plans.create", "schedules.create", "jobs.retry", "jobs.cancel"]
    found = links(page)
    for path in ("queues/m%20x", "queues/m%20x/jobs/a%20b", "queues/m%20x/schedules/s"):
        assert path in found
        assert visitor.get(path).status_code == 200
    [plan] = {link for link in found if "/plans/" in link}
    assert visitor.get(plan).status_code == 200
    assert '"status": "failed"' in text_of(page)


def test_a_row_says_on_what_an_act_was_and_how_many_it_changed(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}})
    client.put("/queues/q/schedulers/s", json.dumps({"every": 3_600_000, "template": {"name": "n"}}))
    made = answers.ok(client.post("/queues/q/plans", json.dumps({"action": "remove", "filter": {"ids": ["one"]}})))
    client.post(f"/queues/q/plans/{made['id']}/apply", json.dumps({"matched": 1}))
    token = answers.ok(client.post("/tokens", json.dumps({"name": "shop<", "scopes": ["audit"]})))["id"]
    client.post(f"/tokens/{token}/rotate", "")
    client.post("/queues/q/drain", "{}")
    page = visitor.page("audit")
    text = text_of(page)
    assert "tokens.rotate token shop< 1 token -" in text, "a rotation has nothing to show"
    assert "schedules.create q schedule s 1 schedule Show" in text
    assert f"plans.create q plan {made['id'][:8]}… Show" in text, "nothing is changed yet"
    assert f"plans.apply q plan {made['id'][:8]}… " in text
    assert f"audit?target={token}" in links(page)
    [drained] = {link for link in links(page) if "/plans/" in link} - {f"queues/q/plans/{made['id']}"}
    assert visitor.get(drained).status_code == 200
    assert actions(visitor.page(f"audit?target={token}")) == ["tokens.rotate", "tokens.create"]


def test_filters_are_in_the_address(visitor: Visitor, client: Client) -> None:
    for queue in ("a", "b"):
        client.post(f"/queues/{queue}/pause", "")
    client.post("/queues/a/resume", "")
    assert actions(visitor.page("audit?queue=a&since=1h")) == ["queues.resume", "queues.pause"]
    assert actions(visitor.page("audit?target=absent")) == []
    assert actions(visitor.page("audit?action=queues.pause")) == ["queues.pause"] * 2
    assert "dashboard.sign_in" in actions(visitor.page("audit?actor=env:1&since=1000000000000"))
    empty = visitor.page("audit?actor=nobody&action=")
    assert "No act matches." in empty
    assert 'value="nobody"' in empty
    wrong = visitor.get("audit?since=yesterday&queue=a")
    assert wrong.status_code == 200
    assert 'role="alert"' in wrong.text
    assert 'value="a"' in wrong.text


def test_a_part_of_an_action_finds_nothing_and_is_told(visitor: Visitor) -> None:
    assert "An action is named in full" in visitor.page("audit?action=tokens")
    assert "An action is named in full" not in visitor.page("audit?action=tokens.create")


def test_the_audit_goes_on_by_a_cursor(visitor: Visitor, client: Client) -> None:
    for _ in range(60):
        client.post("/queues/q/pause", "")
    first = visitor.page("audit?queue=q")
    assert len(actions(first)) == 50
    [following] = [a["href"] for tag, a in tags_of(first) if tag == "a" and a.get("rel") == "next"]
    client.post("/queues/q/pause", "")
    second = visitor.page(str(following).removeprefix("./"))
    assert len(actions(second)) == 10
    assert "First page" in second


def test_a_refusal_and_hostile_names_are_text(
    visitor: Visitor, visiting: Callable[..., Visitor], client: Client
) -> None:
    queue = quote("<script>alert(1)<", safe="")
    client.post(f"/queues/{queue}/pause", json.dumps({"reason": XSS}))
    client.post("/tokens", json.dumps({"name": XSS, "scopes": ["audit"]}))
    visiting("jobs:read").post("queues/q/pause")
    page = visitor.page("audit")
    assert "<script>alert" not in page
    assert XSS in text_of(page)
    assert "refused" in text_of(page)
    assert f"queues/{queue}" in links(page)


def test_the_audit_and_the_doctor_need_their_scopes(visiting: Callable[..., Visitor]) -> None:
    visitor = visiting("jobs:read")
    for path, scope in (("audit", "audit"), ("doctor?look=1", "metrics")):
        answer = visitor.get(path)
        assert answer.status_code == 403
        assert f"the token lacks the scope {scope}" in answer.text
        assert f'href="./{path.partition("?")[0]}"' not in visitor.page("")
    assert visiting("audit").get("audit").status_code == 200


def test_the_doctor_looks_only_when_somebody_asks(visitor: Visitor) -> None:
    page = text_of(visitor.page("doctor"))
    assert "up to 6 s" in page
    assert "Look now" in page
    assert "What it looked at" not in page
    found = text_of(visitor.page("doctor?look=1"))
    assert "queues that are paused or have no worker, are on the page of the queues" in found
    for words in ("What it looked at", "Age of transaction ids", "Dead rows", "Look again"):
        assert words in found, words


def test_a_finding_says_what_to_do(visitor: Visitor, client: Client, db: Database) -> None:
    vault = Vault(Settings(secret_keys=(Fernet.generate_key().decode(),)))
    new = NewEndpoint(queue="q", url="https://example.com/", method="POST", headers={}, secrets=[])
    endpoints.register(db, actor=ACTOR, new=new, vault=vault, max_endpoints=1)
    time.sleep(FRESH_S)  # until a report that another test has asked for is not used again
    report = answers.ok(client.get("/doctor"))
    assert "secret_key_missing" in {one["code"] for one in report["findings"]}
    page = text_of(visitor.page("doctor?look=1"))
    for one in report["findings"]:
        assert f"{one['severity']} {one['code']}" in page
        assert " ".join(one["todo"].split()) in page


def test_an_act_that_began_a_plan_counts_nothing_itself(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1})
    answers.ok(client.post("/queues/q/drain", "{}"))
    text = text_of(visitor.page("audit")).partition("queues.drain")
    assert "1 job " in text[0]
    assert " jobs " not in text[2].partition("delayed")[0]
