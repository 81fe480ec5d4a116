"""A person finds, understands and mends a failure: with the mouse, with the keyboard alone, and without scripts."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.pages import Pages
from tests.browser.test_dashboard import FOCUS, ROWS
from tests.support import databases
from tests.support.browser import ENTER

TAB = "\ue004"
RIGHT = '{"to": "grace@example.com"}'
YESTERDAY = """
update rowline.jobs set finished_at = finished_at - interval '1 day', added_at = added_at - interval '1 day',
    processed_at = processed_at - interval '1 day'
where status = 'failed'
"""


@pytest.fixture
def broken(pages: Pages, shared_url: str) -> Pages:
    """Pages, and a job that failed yesterday, besides one that failed for another reason and one that waits."""
    pages.fail("broken")
    databases.run(databases.as_owner(shared_url), YESTERDAY)
    pages.fail_with("other", "KeyError: 'a'")
    pages.add("waits")
    return pages


def is_mended(pages: Pages) -> bool:
    job = pages.ask("GET", "/queues/mail/jobs/broken")
    return bool(job["status"] == "waiting" and job["data"] == json.loads(RIGHT))


def test_yesterday_s_failure_is_found_by_a_word_and_mended_with_the_mouse(broken: Pages) -> None:
    broken.sign_in()
    broken.browser.click("[data-go=s]")
    broken.title("Search - Rowline")
    broken.browser.click("main p a.button")
    broken.browser.wait(ROWS, lambda found: found == ["mail/broken"])
    broken.browser.click("input[name=error]")
    broken.browser.press("such host" + ENTER)
    broken.browser.wait("return document.querySelector('input[name=error]').value", lambda found: found == "such host")
    broken.browser.wait(ROWS, lambda found: found == ["mail/broken"])
    broken.browser.click("tr[data-row='mail/broken'] [data-open]")
    broken.title("Job broken - Rowline")
    broken.text("attempt 1 ended: failed")
    broken.text("at line 9")
    broken.browser.click("[data-keep=change] summary")
    broken.browser.run(f"document.querySelector('#change').value = '{RIGHT}'")
    broken.browser.click("[data-keep=change] button")
    broken.text("The job is ready again, with the new data.")
    assert is_mended(broken)


def test_the_same_with_the_keyboard_alone(broken: Pages) -> None:
    broken.sign_in()
    broken.browser.press("gs")
    broken.title("Search - Rowline")
    broken.browser.wait(FOCUS, lambda found: found == "search")
    broken.browser.press("such host")
    day = datetime.now(UTC) - timedelta(days=1)
    broken.browser.press(TAB * 5 + f"{day:%Y-%m-%d}" + TAB + "today" + ENTER)
    broken.browser.wait(ROWS, lambda found: found == ["mail/broken"])
    broken.browser.press("j" + ENTER)
    broken.title("Job broken - Rowline")
    broken.text("no such host")
    broken.browser.press("c")
    assert broken.browser.run(FOCUS) == "change"
    broken.browser.select_all()
    broken.browser.press(RIGHT + TAB + ENTER)
    broken.text("The job is ready again, with the new data.")
    assert is_mended(broken)


def test_the_same_without_scripts(broken: Pages) -> None:
    broken.sign_in(has_scripts=False)
    broken.browser.click("[data-go=s]")
    broken.title("Search - Rowline")
    broken.browser.click("#search")
    broken.browser.press("such host" + ENTER)
    broken.text("Looked at")
    broken.browser.click("tr[data-row='mail/broken'] [data-open]")
    broken.title("Job broken - Rowline")
    broken.browser.click("[data-keep=change] summary")
    broken.browser.click("#change")
    broken.browser.select_all()
    broken.browser.press(RIGHT)
    broken.browser.click("[data-keep=change] button")
    broken.text("The job is ready again, with the new data.")
    assert is_mended(broken)


def test_a_group_is_retried_at_five_a_second_watched_stopped_and_undone_and_so_is_a_removal(pages: Pages) -> None:
    for nth in range(60):
        pages.fail_with(f"t{nth}", f"timeout after {nth} s")
    pages.sign_in()
    pages.browser.press("gf")
    pages.title("Failures - Rowline")
    pages.browser.press("j")
    pages.browser.press("r")
    pages.text("This would retry 60 jobs")
    assert pages.browser.run("return document.querySelector('#rate').value") == "5"
    pages.browser.click("section button.main")
    pages.text("Applying:")
    done = "return Number(document.querySelector('section .num')?.innerText.split(' ')[0])"
    first = pages.browser.wait(done, lambda found: found and found > 0)
    pages.browser.wait(done, lambda found: found > first)  # by itself
    pages.browser.click("section .acts button")
    pages.text("Stopped:")
    plan = pages.ask("GET", "/plans")["plans"][0]
    assert (plan["status"], plan["ratePerS"]) == ("stopped", 5)
    assert 0 < plan["done"] < 60
    assert pages.ask("GET", "/queues/mail")["counts"]["failed"] == 60 - plan["done"]
    began = pages.ask("POST", "/queues/mail/jobs/claim", {"worker": "w", "count": 1})["jobs"]
    pages.text("Jobs that have not begun since are failed or completed again")
    pages.browser.click("section form button")
    pages.text("Undone:")  # by itself
    pages.text(f"{plan['done'] - 1} of {plan['done']} jobs are as they were; 1 is not")
    assert pages.ask("GET", "/queues/mail")["counts"]["failed"] == 59
    for lease in began:
        pages.ask("POST", f"/queues/mail/jobs/{lease['job']['id']}/complete", {"token": lease["token"]})

    pages.browser.click("main section p a")  # what is left of the group
    pages.title("mail - Rowline")
    pages.browser.click("input[value=all]")
    pages.browser.run("document.querySelector('select[name=action]').value = 'remove'")
    pages.browser.click(".bulk button")
    pages.text("This would remove")
    pages.browser.click("section button.danger")
    pages.text("Applied:")  # by itself
    assert pages.ask("GET", "/queues/mail")["counts"]["failed"] == 0
    pages.browser.press("gp")
    pages.title("Plans - Rowline")
    pages.browser.click("tbody tr:first-child button")
    pages.text("; 59 undone")
    pages.browser.wait("return document.body.innerText", lambda found: "Undone" in found)
    assert pages.ask("GET", "/queues/mail")["counts"]["failed"] == 59


def test_a_group_is_retried_without_scripts(pages: Pages) -> None:
    pages.fail("broken")
    pages.sign_in(has_scripts=False)
    pages.browser.click("[data-go=f]")
    pages.title("Failures - Rowline")
    pages.browser.click(".pace button")
    pages.text("This would retry 1 job.")
    pages.browser.click("section button.main")
    pages.text("The plan is applied, in the background.")
    pages.until(lambda: pages.ask("GET", "/queues/mail")["counts"]["failed"] == 0)


def test_a_job_is_found_by_a_path_into_its_data_and_says_why_it_waits(pages: Pages) -> None:
    for nth in range(3):
        job = {"name": "n", "data": {"customer": {"id": nth}}, "opts": {"jobId": f"of-{nth}"}}
        pages.ask("POST", "/queues/mail/jobs", [job])
    pages.ask("POST", "/queues/mail/pause", {"reason": "the provider is down"})
    pages.sign_in()
    pages.open("search")
    pages.browser.wait(FOCUS, lambda found: found == "search")
    pages.browser.press(TAB + "customer.id=2" + ENTER)
    pages.browser.wait(ROWS, lambda found: found == ["mail/of-2"])
    pages.browser.press("je")
    pages.title("Job of-2 - Rowline")
    pages.text("Job of-2 is waiting: the queue is paused")
    pages.text("the provider is down")


def test_the_log_of_a_running_job_is_followed_from_the_list_of_what_runs(pages: Pages) -> None:
    pages.add("long")
    [lease] = pages.ask("POST", "/queues/mail/jobs/claim", {"worker": "crane:1", "lockDuration": 300_000})["jobs"]
    pages.sign_in()
    pages.browser.press("gr")
    pages.title("Running now - Rowline")
    pages.live()
    pages.add("more", queue="other")
    pages.ask("POST", "/queues/other/jobs/claim", {})
    pages.browser.run("document.activeElement.blur()")
    pages.browser.wait(ROWS, lambda found: found == ["mail/long", "other/more"])  # by itself
    pages.browser.press("j" + ENTER)
    pages.title("Job long - Rowline")
    pages.live()
    log(pages, lease["token"], "step 1: the card is read")
    pages.text("step 1: the card is read")
    log(pages, lease["token"], "step 2: the bank is asked")
    pages.text("step 2: the bank is asked")
    pages.browser.press("gr")
    pages.title("Running now - Rowline")
    pages.browser.run("document.querySelector('tbody button').isSame = true")
    runs = "return document.querySelector('tbody td:nth-of-type(4)').innerText"
    before = pages.browser.run(runs)
    pages.browser.wait(runs, lambda found: found != before)  # by itself, and elements stay what they are
    assert pages.browser.run("return document.querySelector('tbody button').isSame")
    pages.browser.click("tr[data-row='mail/long'] button")
    pages.text("asked to stop")
    assert pages.browser.run("return document.getElementById('live').hidden")


def log(pages: Pages, token: str, line: str) -> None:
    address = f"{pages.api}/queues/mail/jobs/long/logs"
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, data=json.dumps(line).encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def test_a_plan_s_pace_that_is_typed_stays_while_the_page_keeps_itself_up_to_date(pages: Pages) -> None:
    pages.fail("broken")
    plan = pages.ask("POST", "/queues/mail/plans", {"action": "retry", "filter": {"statuses": ["failed"]}})["id"]
    pages.sign_in()
    pages.open(f"queues/mail/plans/{plan}?rate=5")
    pages.live()
    pages.browser.run("document.querySelector('#rate').value = '7'")
    pages.add("news")
    pages.browser.wait("return document.querySelector('#rate').value", lambda found: found == "7")
