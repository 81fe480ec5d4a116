"""On a phone all of a table can be reached; after an act the focus is where it was done, or at what is said of it."""

from tests.browser.pages import Pages
from tests.browser.test_dashboard import filled  # noqa: F401 - a fixture
from tests.support.browser import ENTER

TAB = "\ue004"
FOCUS = "return document.activeElement.id"
WHERE = "return document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"
PHONE = 360
WIDE_TABLES = """
return [...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).map(box =>
  getComputedStyle(box, '::before').content.includes('Scroll sideways') && getComputedStyle(box).overflowX === 'auto')
"""
HIDDEN_BUTTONS = """
return [...document.querySelectorAll('.scroll .do :is(a, button, input:not([type=hidden]))')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.left < 0 || box.right > innerWidth;
}).map(one => one.outerHTML)
"""
BUTTONS = "return document.querySelectorAll('.scroll .do button').length"
ACTING = ("failures", "plans", "running", "tokens")
"""Pages with tables whose rows have buttons."""


def test_a_table_that_is_wider_than_a_phone_says_so_and_its_buttons_stay_in_sight(filled: Pages) -> None:  # noqa: F811
    for path in ("", "queues/mail", "schedules", "audit", *ACTING):
        filled.open(path, width=PHONE)
        told = filled.browser.run(WIDE_TABLES)
        assert told, path
        assert all(told), path
    for path in ACTING:
        filled.open(path, width=PHONE)
        assert filled.browser.run(BUTTONS) > 0, path
        assert filled.browser.run(HIDDEN_BUTTONS) == [], path
    filled.open("", width=1280)
    assert filled.browser.run(WIDE_TABLES) == []
    assert not filled.browser.run("return document.querySelector('[data-wide]') !== null")


def test_after_an_act_the_focus_is_at_what_was_done(pages: Pages) -> None:
    pages.add("one")
    for has_scripts in (True, False):
        pages.sign_in(has_scripts=has_scripts)
        pages.open("queues/mail", has_scripts=has_scripts)
        pages.browser.click("[data-keep=pause] summary")
        pages.browser.click("form[action$='/pause'] button")
        pages.text("The queue is paused")
        pages.browser.wait(FOCUS, lambda found: found == "said")
        assert pages.browser.accessible("#said")[0] == "status"
        pages.browser.click("form[action$='/resume'] button")
        pages.text("The queue is resumed")
        pages.browser.wait(FOCUS, lambda found: found == "said")


def test_the_keyboard_comes_to_the_buttons_of_a_plan_by_a_link(pages: Pages) -> None:
    pages.fail("broken")
    plan = pages.ask("POST", "/queues/mail/plans", {"action": "retry", "filter": {"statuses": ["failed"]}})["id"]
    pages.sign_in()
    pages.open(f"queues/mail/plans/{plan}")
    pages.browser.press(TAB * 2 + ENTER)
    pages.browser.wait(FOCUS, lambda found: found == "act")
    pages.browser.press(TAB)
    assert pages.browser.run(FOCUS) == "rate"
    pages.browser.press("0.001" + TAB + ENTER)
    pages.text("The plan is applied")


def test_a_button_that_goes_away_leaves_the_focus_near_and_is_no_other_button(pages: Pages) -> None:
    pages.fail("broken")
    pages.fail("other")
    plan = pages.ask("POST", "/queues/mail/plans", {"action": "retry", "filter": {"statuses": ["failed"]}})["id"]
    pages.ask("POST", f"/queues/mail/plans/{plan}/apply", {"matched": 2, "ratePerS": 0.001})
    pages.until(lambda: pages.ask("GET", f"/queues/mail/plans/{plan}")["done"] == 1)
    pages.sign_in()
    pages.open(f"queues/mail/plans/{plan}")
    pages.live()
    pages.browser.run("document.querySelector('#act button').focus()")
    assert pages.browser.run("return document.activeElement.innerText") == "Stop"
    pages.ask("POST", f"/queues/mail/plans/{plan}/stop")
    pages.text("Undo the retry")
    assert pages.browser.run(FOCUS) == "act"


def test_a_row_that_goes_away_leaves_the_focus_at_its_table(pages: Pages) -> None:
    pages.fail("a")
    pages.fail("b")
    pages.sign_in()
    pages.open("queues/mail?statuses=failed")
    pages.live()
    pages.browser.press("j")
    pages.ask("POST", "/queues/mail/jobs/b/retry")
    pages.browser.wait("return document.querySelectorAll('tr[data-row]').length", lambda found: found == 1)
    assert pages.browser.run(WHERE) == "Jobs"
    pages.browser.press("j")
    assert pages.browser.run("return document.activeElement.textContent") == "a"


def test_the_button_that_shows_what_is_new_leaves_the_focus_on_the_page(pages: Pages) -> None:
    pages.add("one")
    pages.sign_in()
    pages.open("queues/mail")
    pages.live()
    pages.browser.run("document.querySelector('input[value=one]').click()")
    pages.add("two")
    pages.browser.wait("return document.getElementById('live').innerText", lambda found: found == "1 new Show")
    pages.browser.run("document.querySelector('#live button').focus()")
    pages.browser.press(ENTER)
    pages.browser.wait("return document.querySelectorAll('tr[data-row]').length", lambda found: found == 2)
    assert pages.browser.run(FOCUS) == "main"


def test_a_command_that_is_told_is_selected_by_one_click(pages: Pages) -> None:
    pages.ask("POST", "/queues/mail/pause", {"reason": "the provider is down"})
    pages.add("one")
    pages.sign_in()
    pages.open("queues/mail")
    pages.browser.click(".sentence code")
    assert pages.browser.run("return getSelection().toString()") == "rowline queues resume mail"
    pages.live()
    pages.add("two")
    pages.browser.wait("return document.querySelectorAll('tr[data-row]').length", lambda found: found == 2)
    assert pages.browser.run("return getSelection().toString()") == "rowline queues resume mail"
