"""Who did something is told in words, on each page that says it; the ids of the API stay in addresses."""

import json
import re
from collections.abc import Callable

import pytest

from app.web.dashboard import actors
from tests.support import answers
from tests.support.client import Client
from tests.support.visitor import Visitor, text_of

EVERY = {"every": 3_600_000, "template": {"name": "n"}}


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("env:1", "token 1 of AUTH_TOKENS"),
        ("cli:ada", "ada at the command line"),
        ("cli:a:b", "a:b at the command line"),
        ("cli:unknown", "somebody at the command line"),
        ("token:Ab3dEf9h", "token Ab3dEf9h"),
        ("dispatcher", "a dispatcher"),
        ("what comes", "what comes"),
        ("env:", "env:"),
    ],
)
def test_an_actor_is_told_in_words(actor: str, words: str) -> None:
    assert actors.in_words(actor) == words
    assert actors.in_words(actor, "the shop") == "the shop"


def test_plans_schedules_and_pauses_name_the_token_of_who_did_it(
    client: Client, visitor: Visitor, visiting: Callable[..., Visitor]
) -> None:
    ada = visiting("*")  # a token called test
    ada.post("queues/q/new-schedule", id="s", every="1h", data="{}", do="store")
    ada.post("queues/q/schedules/s/pause")
    ada.post("queues/q/pause", reason="by token:x")
    plan = ada.post("queues/q/plans", which="all", action="retry").headers["Location"].removeprefix("../../")
    for path in ("queues/q/schedules/s", "schedules", "queues/q"):
        assert "paused by test, " in text_of(visitor.page(path)), path
    for path in ("queues/q/schedules/s", plan):
        assert "by test" in text_of(visitor.page(path)), path
    for path in ("plans", "queues/q/plans"):
        assert "test" in text_of(visitor.page(path)).partition("Made")[2], path
    assert re.search(r"is paused since [^;]* UTC by test ", text_of(visitor.page("queues/q"))), "its sentence too"
    reader = visiting("jobs:read")
    assert "paused by token " in text_of(reader.page("queues/q")), "it may not read the audit"


def test_the_sentence_of_a_job_leads_to_the_plan_that_means_it(client: Client, visitor: Visitor) -> None:
    client.add({"name": "n", "data": 1, "opts": {"jobId": "one"}}, queue="a b")
    plan = answers.ok(client.post("/queues/a%20b/plans", json.dumps({"action": "remove", "filter": {"ids": ["one"]}})))
    page = visitor.page("queues/a%20b/jobs/one")
    path = f"queues/a%20b/plans/{plan['id']}"
    assert (
        f'a plan removes it once it is applied, if it still can: <a href="../../../{path}">plan {plan["id"][:8]}</a>'
        in page
    )
    assert visitor.get(path).status_code == 200
    assert "env:1" not in text_of(page)


def test_names_in_a_sentence_are_text(client: Client) -> None:
    sentence = "Queue <b> is paused by cli:x & `rowline <i>`"
    explained = {"sentence": sentence, "reasons": [{"code": "paused", "text": "", "by": "cli:x"}]}
    found = actors.told(explained, "queues/q")
    assert found == "Queue &lt;b&gt; is paused by x at the command line &amp; <code>rowline &lt;i&gt;</code>"
    assert actors.told({"sentence": "a ` <"}, "q") == "a ` &lt;"


def test_a_name_that_begins_with_another_stays_whole() -> None:
    sentence = "Queue q is idle: a plan of cli:ada (retry) has done 0 jobs; its schedule s is paused by cli:adam"
    reasons = [{"code": "plan", "text": "", "by": "cli:ada"}, {"code": "schedule_paused", "text": "", "by": "cli:adam"}]
    found = actors.told({"sentence": sentence, "reasons": reasons}, "queues/q")
    assert found.endswith("a plan (retry) has done 0 jobs; its schedule s is paused by adam at the command line")
