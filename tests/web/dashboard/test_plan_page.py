"""The page of a plan says in words which jobs it means, and has its buttons near."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.postgres.database import Database
from app.web.dashboard import filters
from tests.support import answers, plans
from tests.support.client import Client
from tests.support.visitor import Visitor, tags_of, text_of


def made(client: Client, wanted: dict[str, Any]) -> str:
    """Make a plan; return the path of its page."""
    plan = answers.ok(client.post("/queues/q/plans", json.dumps({"action": "retry", "filter": wanted})))
    return f"queues/q/plans/{plan['id']}"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"statuses": ["failed"], "fingerprint": "0" * 16}, f"queue q , status failed , group of failures {'0' * 16}"),
        ({"since": 0}, "all jobs of queue q"),
        ({"ids": ["a", "b"]}, "queue q , id a, b"),
        ({"ids": [f"j{nth}" for nth in range(13)]}, "j9 and 3 more"),
        ({"tag": ["vip", "eu"], "name": "n"}, "queue q , name n , tag vip , tag eu"),
        ({"data": {"customer.id": 42}, "error": "no <b>"}, "error contains no <b> , data customer.id = 42"),
        ({"since": 1_700_000_000_000, "worker": "w"}, "worker w , added since 2023-11-14 22:13:20 UTC"),
        ({"finishedUntil": 1_700_000_000_001}, "ended until 2023-11-14 22:13:20.001 UTC"),
        ({"data": {f"a{nth}": "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 1_000 for nth in range(6)}}, "queue q , data a0 = "),
    ],
)
def test_a_plan_says_in_the_words_of_the_search_which_jobs_it_means(
    visitor: Visitor, client: Client, wanted: dict[str, Any], words: str
) -> None:
    page = visitor.page(made(client, wanted))
    assert words in text_of(page)
    assert "&#34;" not in page, "it is no JSON"


def test_a_plan_says_its_limit_and_what_it_changes(visitor: Visitor, client: Client) -> None:
    client.add(*[{"name": "n", "data": 1}] * 2)
    body: dict[str, Any] = {"status": "waiting", "grace": 0, "limit": 1}
    clean = answers.ok(client.post("/queues/q/clean", json.dumps(body)))
    page = text_of(visitor.page(f"queues/q/plans/{clean['id']}"))
    assert "status waiting , 1 at most, the first added" in page
    body = {"action": "change", "filter": {"name": "n"}, "change": {"priority": 7}}
    change = answers.ok(client.post("/queues/q/plans", json.dumps(body)))
    assert 'Changes {"priority": 7}' in text_of(visitor.page(f"queues/q/plans/{change['id']}"))


def test_a_plan_says_in_words_why_it_skipped_jobs(visitor: Visitor, client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1})
    plan = answers.ok(client.post("/queues/q/plans", json.dumps({"action": "promote", "filter": {"name": "n"}})))
    answers.ok(client.post(f"/queues/q/plans/{plan['id']}/apply", json.dumps({"matched": 1})))
    plans.run(db)
    page = text_of(visitor.page(f"queues/q/plans/{plan['id']}"))
    assert "Skipped, since they are not delayed 1" in page


def test_the_lists_say_what_a_plan_is(visitor: Visitor, client: Client) -> None:
    client.add({"name": "n", "data": 1})
    path = made(client, {"since": 0})
    for place in ("plans", "queues/q/plans", "queues/empty/plans"):
        assert "A plan changes many jobs of a queue at once." in text_of(visitor.page(place)), place
    assert "Plans: first those that run now, then the newest" in text_of(visitor.page("plans"))
    assert "Which jobs" in text_of(visitor.page(path))
    assert "At most so many jobs a second Such as 10 . Empty: as fast as it goes." in text_of(visitor.page(path))


def test_the_words_are_those_of_the_forms(visitor: Visitor) -> None:
    page = visitor.page("search?fingerprint=0000000000000000&queue=q")
    for name in filters.FIELDS:
        assert f"<label>{filters.LABELS[name]} <" in page


def test_what_a_token_may_not_see_of_a_filter_is_not_told(client: Client, visiting: Callable[..., Visitor]) -> None:
    path = made(client, {"error": "canary"})
    page = text_of(visiting("jobs:read").page(path))
    assert "queue q and what this token may not see" in page
    assert "canary" not in page
    assert "all jobs" not in page


def test_a_link_leads_from_the_top_of_the_page_to_its_buttons(
    visitor: Visitor, client: Client, visiting: Callable[..., Visitor]
) -> None:
    [job] = client.add({"name": "n", "data": 1})
    path = made(client, {"name": "n"})
    tags = tags_of(visitor.page(path))
    focused = [
        attributes for tag, attributes in tags if tag in {"a", "button", "select"} or attributes.get("name") == "rate"
    ]
    assert [one.get("href") for one in focused[:2]] == ["#main", "#act"]
    inside = tags[[attributes.get("id") for _, attributes in tags].index("act") :]
    assert inside[0][1]["tabindex"] == "-1"
    assert inside[1][1]["action"] == f"../../../{path}/apply"
    assert "#act" not in visiting("jobs:read").page(path)
    assert "#act" not in visitor.page("plans")
    answers.ok(client.delete(f"/queues/q/jobs/{job['id']}"))
    assert "#act" not in visitor.page(made(client, {"name": "n"})), "no job is meant: there is no button"
