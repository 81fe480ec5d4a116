"""The dashboard in Chromium: signed in by link and by token, live, by keyboard alone, and without scripts."""

import os
from pathlib import Path

import pytest

from tests.browser.__main__ import AXE
from tests.browser.pages import Pages
from tests.support.browser import ENTER
from tests.support.raw import TOKEN

ROWS = "return [...document.querySelectorAll('tr[data-row]')].map(row => row.dataset.row)"
FOCUS = "return document.activeElement.id || document.activeElement.textContent"
BAR = "return document.getElementById('live').innerText"
THEMES = ("light", "dark")
AXE_RUN = """
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const found = await axe.run(document, {runOnly: rules});
const said = one => one.nodes.map(node => node.html + " " + node.failureSummary).join("; ");
return found.violations.map(one => one.id + ": " + said(one));
"""
WIDE = "return [document.documentElement.scrollWidth, innerWidth]"
SMALL = """
return [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")].filter(one => {
  const box = one.getBoundingClientRect();
  const isInText = one.matches("p a, .sentence a, .skip") && one.closest("p, .skip");
  return one.checkVisibility() && box.width && (box.height < 24 || box.width < 24) && !isInText;
}).map(one => one.outerHTML)
"""


def test_a_link_signs_in_by_itself_and_no_script_sees_the_cookie(pages: Pages) -> None:
    pages.sign_in()
    assert pages.browser.run("return document.cookie") == ""


def test_a_token_signs_in_and_leads_to_the_page_that_was_wanted(pages: Pages) -> None:
    pages.open("queues/mail")
    pages.title("Sign in - Rowline")
    assert pages.browser.run(FOCUS) == "token"
    pages.browser.press(TOKEN + ENTER)
    pages.title("mail - Rowline")
    assert TOKEN not in pages.browser.run("return document.documentElement.outerHTML + location.href")


def test_a_job_appears_by_itself_and_ticks_and_focus_stay(pages: Pages) -> None:
    pages.sign_in()
    pages.add("one")
    pages.open("queues/mail")
    pages.live()
    pages.add("two")
    assert pages.browser.wait(ROWS, lambda found: len(found) == 2) == ["two", "one"]
    assert not pages.browser.run("return document.querySelector('#live button').checkVisibility()"), "nothing to show"

    pages.browser.run("document.querySelector('input[value=one]').click()")
    pages.add("three")
    pages.browser.wait(BAR, lambda found: found == "1 new Show")
    assert pages.browser.run(ROWS) == ["two", "one"], "a row is ticked"
    assert pages.browser.run("return document.querySelector('input[value=one]').checked")
    pages.browser.click("#live button")
    assert pages.browser.wait(ROWS, lambda found: len(found) == 3) == ["three", "two", "one"]
    assert pages.browser.run("return document.querySelector('input[value=one]').checked")


def test_a_failed_job_is_retried_by_keys_alone(pages: Pages) -> None:
    pages.fail("broken")
    pages.fail("other")
    pages.sign_in()
    pages.browser.press("j" + ENTER)
    pages.title("mail - Rowline")
    pages.browser.press("j")
    assert pages.browser.run(FOCUS) == "other"
    pages.browser.press("j" + ENTER)
    pages.title("Job broken - Rowline")
    pages.text("no such host")
    pages.browser.press("e")
    assert pages.browser.run(FOCUS) == "explain"
    pages.browser.press("r")
    pages.text("The job is ready again.")
    assert pages.ask("GET", "/queues/mail/jobs/broken")["status"] == "waiting"
    pages.browser.press("gq")
    pages.title("Queues - Rowline")


def test_the_row_somebody_is_at_stays_when_others_change(pages: Pages) -> None:
    for job_id in ("a", "b", "c", "d"):
        pages.fail(job_id)
    pages.sign_in()
    pages.open("queues/mail?statuses=failed")
    pages.live()
    pages.browser.press("jjj")
    assert pages.browser.run(FOCUS) == "b"
    pages.ask("POST", "/queues/mail/jobs/d/retry")
    assert pages.browser.wait(ROWS, lambda found: "d" not in found) == ["c", "b", "a"]
    assert pages.browser.run(FOCUS) == "b"
    pages.browser.press("k")
    assert pages.browser.run(FOCUS) == "c"


def test_several_jobs_are_planned_by_keys_alone(pages: Pages) -> None:
    pages.fail("a")
    pages.fail("b")
    pages.sign_in()
    pages.open("queues/mail?statuses=failed")
    pages.browser.press("jxjxr")
    pages.text("This would retry 2 jobs")
    assert pages.ask("GET", "/queues/mail")["counts"]["failed"] == 2


def test_keys_have_help_and_can_be_switched_off(pages: Pages) -> None:
    pages.sign_in()
    pages.browser.press("?")
    assert pages.browser.run("return document.getElementById('help').open")
    pages.browser.press("\ue00c")
    pages.browser.press("/")
    assert pages.browser.run(FOCUS) == "search"
    choose(pages, "keys", "off")
    pages.browser.wait("return 'keys' in document.body.dataset", lambda found: found is False)
    pages.browser.press("?")
    assert not pages.browser.run("return document.getElementById('help').open")


def choose(pages: Pages, name: str, value: str) -> None:
    """Keep a choice, by the form at the foot of the page."""
    pages.browser.run(
        f"document.querySelector('[name={name}]').value = '{value}'; document.querySelector('.choices').requestSubmit()"
    )


def test_all_of_it_works_without_scripts(pages: Pages) -> None:
    pages.fail("broken")
    pages.sign_in(has_scripts=False)
    pages.browser.click("[data-open]")
    pages.title("mail - Rowline")
    pages.browser.click("tr[data-row=broken] [data-open]")
    pages.title("Job broken - Rowline")
    pages.browser.click(".acts button.main")
    pages.text("The job is ready again.")
    pages.browser.click(".acts a.button")
    pages.title("Remove job broken - Rowline")
    pages.browser.click("button.danger")
    pages.text("This queue has no jobs.")
    pages.browser.click(".who button")
    pages.title("Sign in - Rowline")
    pages.open("queues/mail", has_scripts=True)
    pages.title("Sign in - Rowline")


PATHS = ["", "queues/mail", "queues/mail?statuses=failed", "queues/empty", "queues/mail/add", "queues/mail/jobs/broken"]
PATHS += ["queues/mail/jobs/broken/remove", "queues/mail/jobs/absent", "login/code", "queues/mail?data=a..b%3D1"]
PATHS += ["failures", "queues/mail/failures", "search", "search?error=host", "search?queue=mail", "search?since=soon"]
PATHS += ["running", "plans", "queues/mail/plans", "queues/empty/failures", "queues/empty/plans"]

PATHS += ["schedules", "schedules?name=zz"]
PATHS += ["queues/mail/schedules", "queues/mail/schedules/nightly", "queues/mail/schedules/nightly/change"]
PATHS += ["queues/mail/schedules/nightly/remove", "queues/mail/new-schedule", "queues/empty/schedules"]
PATHS += ["queues/mail/charts", "queues/mail/charts?step=day", "queues/empty/charts"]
PATHS += ["queues/mail/settings", "queues/empty/settings", "queues/mail?done=paused"]
PATHS += ["queues/mail/workers", "queues/empty/workers", "queues/mail/endpoint", "queues/mail/endpoint/remove"]
PATHS += [
    "endpoints",
    "tokens",
    "tokens/make",
    "tokens/absent/revoke",
    "audit",
    "audit?since=x",
    "doctor",
    "doctor?look=1",
]


@pytest.fixture
def filled(pages: Pages) -> Pages:
    """Pages with something of everything on them."""
    pages.fail("broken")
    pages.add("later", delay=3_600_000, tags=["vip"])
    pages.add("x" * 200)
    pages.ask("POST", "/queues/paused-for-long-and-with-a-name-that-is/pause", {"reason": "the mail provider is down"})
    pages.add("stuck", queue="nobody-works-it")
    schedule = {"pattern": "30 2 * * *", "tz": "Europe/Vienna", "template": {"data": {"to": "ada"}}}
    pages.ask("PUT", "/queues/mail/schedulers/nightly", schedule)
    pages.ask("POST", "/queues/mail/schedulers/nightly/run")
    pages.ask("POST", "/queues/mail/schedulers/nightly/pause")
    pages.ask(
        "POST", "/tokens", {"name": "m" * 100, "scopes": ["jobs:add@mail", "jobs:read"], "limits": {"streams": 2}}
    )
    pages.ask("PATCH", "/queues/mail", {"settings": {"keys": ["customer.id"], "defaults": {"tags": ["vip", "t" * 99]}}})
    pages.register("mail", "https://example.com/" + "x" * 200)
    pages.add("runs", queue="long")
    pages.ask("POST", "/queues/long/jobs/claim", {"worker": "crane:4711"})
    pages.add("first", queue="planned")
    pages.add("second", queue="planned")
    plan = pages.ask("POST", "/queues/planned/plans", {"action": "remove", "filter": {"name": "welcome"}})
    pages.ask("POST", f"/queues/planned/plans/{plan['id']}/apply", {"matched": 2, "ratePerS": 0.001})
    pages.sign_in()
    return pages


def test_axe_finds_nothing_in_either_theme_and_nothing_is_small(filled: Pages) -> None:
    plan = filled.ask("POST", "/queues/mail/plans", {"action": "retry", "filter": {"statuses": ["failed"]}})["id"]
    source = Path(os.environ[AXE]).read_text()
    for theme in THEMES:
        filled.open()
        choose(filled, "theme", theme)
        filled.browser.wait("return document.documentElement.dataset.theme", theme.__eq__)
        for path in (*PATHS, f"queues/mail/plans/{plan}"):
            filled.open(path)
            filled.browser.run(source)
            assert filled.browser.run(AXE_RUN) == [], (theme, path)
            assert filled.browser.run(SMALL) == [], path
    filled.browser.said()  # of pages that are not there the browser says so itself


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_is_wider_than_its_window(filled: Pages, width: int) -> None:
    for path in PATHS:
        filled.open(path, width=width)
        found, shown = filled.browser.run(WIDE)
        assert found <= shown, (path, found)
    filled.browser.said()


def test_a_stream_that_breaks_is_opened_again(pages: Pages) -> None:
    pages.sign_in()
    pages.open("queues/mail")
    pages.live()
    pages.browser.block("*/dashboard/live*")
    pages.browser.run(
        "dispatchEvent(new Event('pagehide')); dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
    )
    pages.add("unheard")
    pages.browser.block()
    pages.browser.wait(ROWS, lambda found: found == ["unheard"])
    pages.browser.said()
