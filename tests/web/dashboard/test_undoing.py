"""What the page of a plan says of its undo."""

import json

import pytest

from app.postgres.database import Database
from tests.support import answers, plans, work
from tests.support.client import Client
from tests.support.visitor import Visitor, text_of
from tests.web.dashboard.test_mending import failed, links


def test_a_retry_says_what_an_undo_puts_back_before_it_is_applied_and_before_it_is_undone(
    visitor: Visitor, client: Client, db: Database
) -> None:
    for name in ("one", "two"):
        failed(client, name, "broke")
    made = answers.ok(client.post("/queues/q/plans", '{"action": "retry", "filter": {"statuses": ["failed"]}}'))
    path = f"queues/q/plans/{made['id']}"
    assert "an undo puts back, as they are now, the jobs that have not begun by then" in text_of(visitor.page(path))
    visitor.post(f"{path}/apply", matched="2")
    plans.run(db)
    page = visitor.page(path)
    assert "Jobs that have begun, have ended again" in text_of(page)
    assert "Undo the retry" in page
    assert "Look, then undo" in visitor.page("plans")
    [lease] = work.take(db)
    visitor.post(f"{path}/undo")
    assert "Once it" not in text_of(visitor.page(path))
    plans.run(db)
    assert "Undone: 1 of 2 jobs are as they were; 1 is not, since they have begun" in text_of(visitor.page(path))
    assert "Those that are not as they were" in visitor.page(path)
    assert links(visitor.page(path), "/jobs/") == [f"../../../queues/q/jobs/{lease.job.custom_id}"]
    assert "2 of 2 ; 1 undone, 1 not" in text_of(visitor.page("plans"))
    assert client.page()["counts"]["failed"] == 1


def test_an_undo_that_puts_no_job_back_does_not_say_that_it_did(visitor: Visitor, client: Client, db: Database) -> None:
    failed(client, "one", "broke")
    made = answers.ok(client.post("/queues/q/plans", '{"action": "retry", "filter": {"statuses": ["failed"]}}'))
    path = f"queues/q/plans/{made['id']}"
    visitor.post(f"{path}/apply", matched="1", rate="100")
    plans.run(db)
    work.take(db)
    visitor.post(f"{path}/undo")
    plans.run(db)
    assert "Undone: 0 of 1 jobs are as they were; 1 is not, since they have begun" in text_of(visitor.page(path))
    assert "1 of 1 at 100 a second ; 0 undone, 1 not" in text_of(visitor.page("plans"))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("remove", "undone for a day: the jobs come back as they are now"),
        ("cancel", "It can be stopped, but not undone"),
    ],
)
def test_a_plan_says_before_it_is_applied_whether_it_can_be_undone(
    visitor: Visitor, client: Client, action: str, said: str
) -> None:
    client.add({"name": "n", "data": 1})
    made = answers.ok(client.post("/queues/q/plans", json.dumps({"action": action, "filter": {"name": "n"}})))
    assert said in text_of(visitor.page(f"queues/q/plans/{made['id']}"))
