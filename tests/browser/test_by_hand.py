"""What a person does in the dashboard, in Chromium: with the mouse, with the keyboard alone, and without scripts."""

import pytest

from tests.browser.pages import Pages
from tests.support.browser import ENTER

TAB = "\ue004"
END, BACK = "\ue010", "\ue003"
STEPS_MAX = 150
SECRET = "return document.getElementById('secret').value"


class Hand:
    """Presses and types, by the mouse or by the keyboard alone."""

    def __init__(self, pages: Pages, *, has_mouse: bool) -> None:
        self.pages, self._has_mouse = pages, has_mouse

    def press(self, selector: str, key: str = ENTER) -> None:
        """Press a link, a button or a box."""
        if self._has_mouse:
            self.pages.browser.click(selector)
        else:
            self._reach(selector)
            self.pages.browser.press(key)

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        if self._has_mouse:
            self.pages.browser.click(selector)
        else:
            self._reach(selector)
        self.pages.browser.press(text)

    def sees(self, *texts: str) -> None:
        """Wait until the page says all of this."""
        for text in texts:
            self.pages.text(text)

    def _reach(self, selector: str) -> None:
        """Go on by the Tab key until the focus is there."""
        for _ in range(STEPS_MAX):
            self.pages.browser.press(TAB)
            if self.pages.browser.run(f"return document.activeElement.matches({selector!r})"):
                return
        raise AssertionError(f"the keyboard does not reach {selector}")


@pytest.fixture(params=["mouse", "keyboard", "no scripts"])
def hand(request: pytest.FixtureRequest, pages: Pages) -> Hand:
    """A person who is signed in, in each of the ways."""
    pages.add("one")
    pages.sign_in(has_scripts=request.param != "no scripts")
    return Hand(pages, has_mouse=request.param != "keyboard")


def test_a_queue_is_paused_and_resumed_and_says_who_did_it(hand: Hand) -> None:
    hand.press("tr[data-row=mail] [data-open]")
    hand.pages.title("mail - Rowline")
    hand.press("details[data-keep=pause] summary")
    hand.type("#reason", "the provider is down")
    hand.press("form[action$='/pause'] button")
    hand.sees("The queue is paused", "paused by token 1 of AUTH_TOKENS", "the provider is down")
    assert hand.pages.ask("GET", "/queues/mail")["paused"]
    hand.press("form[action$='/resume'] button")
    hand.sees("The queue is resumed.")
    hand.press("a[href$='audit']")
    hand.pages.title("Audit - Rowline")
    hand.type("input[name=queue]", "mail")
    hand.press(".filters button")
    hand.pages.browser.wait("return location.search", lambda found: "queue=mail" in found)
    hand.sees("queues.resume", "queues.pause")
    hand.press("td a[href$='queues/mail']")
    hand.pages.title("mail - Rowline")


def test_a_job_is_added_by_hand(hand: Hand) -> None:
    hand.press("tr[data-row=mail] [data-open]")
    hand.pages.title("mail - Rowline")
    hand.press(".head a.button")
    hand.pages.title("Add a job to mail - Rowline")
    hand.type("#name", "welcome")
    hand.press("form[action$='/add'] button")
    hand.sees("The job is added.", "welcome")
    assert sum(hand.pages.ask("GET", "/queues/mail")["counts"].values()) == 2


def test_the_settings_of_a_queue_are_changed_and_a_fault_stands_at_its_field(hand: Hand) -> None:
    hand.press("tr[data-row=mail] [data-open]")
    hand.pages.title("mail - Rowline")
    hand.press(".places a[href$='/settings']")
    hand.pages.title("Settings of mail - Rowline")
    hand.type("#startWithin", "soon")
    hand.type("[id='defaults.attempts']", "5")
    hand.press("form[action$='/settings'] button")
    hand.sees("Nothing is changed", "must be a time as 90s, 5m, 1h, 1d")
    described = "document.getElementById('startWithin').getAttribute('aria-describedby').split(' ').pop()"
    at_field = f"return document.getElementById({described})"
    assert "must be a time" in hand.pages.browser.run(f"{at_field}.textContent")
    [told] = hand.pages.browser.said()
    assert "400 (BAD REQUEST)" in told
    hand.type("#removeOnFail", "3")
    hand.type("#startWithin", END + BACK * 4 + "1h")
    hand.press("form[action$='/settings'] button")
    hand.sees("The 3 newest failed jobs of mail are kept, all others go now")
    assert hand.pages.ask("GET", "/queues/mail")["settings"] == {}
    hand.press("button[name=sure]")
    hand.sees("The settings are changed.")
    expected = {"removeOnFail": {"count": 3}, "startWithin": 3_600_000, "defaults": {"attempts": 5}}
    assert hand.pages.ask("GET", "/queues/mail")["settings"] == expected


def test_a_schedule_is_previewed_made_and_paused(hand: Hand) -> None:
    hand.press("tr[data-row=mail] [data-open]")
    hand.pages.title("mail - Rowline")
    hand.press(".places a[href$='/schedules']")
    hand.sees("This queue has no schedules.")
    hand.press(".head a.button")
    hand.pages.title("Make a schedule - Rowline")
    hand.type("#id", "nightly")
    hand.type("#pattern", "0 3 * * *")
    hand.press("button[value=preview]")
    hand.sees("Nothing is stored yet.", "03:00:00")
    assert hand.pages.ask("GET", "/queues/mail/schedulers")["count"] == 0
    hand.press("button[value=store]")
    hand.sees("The schedule is made.")
    hand.press("form[action$='/pause'] button")
    hand.sees("The schedule is paused", "paused by token 1 of AUTH_TOKENS")
    assert hand.pages.ask("GET", "/queues/mail/schedulers/nightly")["paused"]
    hand.press("form[action$='/resume'] button")
    hand.sees("The schedule goes on with the next tick")


def test_a_token_is_made_rotated_and_revoked(hand: Hand) -> None:
    hand.press("nav a[href$='tokens']")
    hand.pages.title("Tokens - Rowline")
    hand.press(".head a.button")
    hand.pages.title("Make a token - Rowline")
    hand.type("#name", "mailer")
    hand.press("input[value='jobs:read']", " ")
    hand.press("form[action$='/make'] button")
    hand.sees("Token mailer is made")
    first = hand.pages.browser.run(SECRET)
    hand.press("a.button")
    hand.press("button[aria-label='Rotate mailer']")
    hand.sees("has a second secret")
    assert hand.pages.browser.run(SECRET) not in {first, ""}
    hand.press("form[action$='/finish-rotation'] button")
    hand.sees("The rotation is finished")
    hand.press("a[aria-label='Revoke mailer']")
    hand.sees("Revoke token mailer?")
    hand.press("button.danger")
    hand.sees("The token is revoked")
    [token] = hand.pages.ask("GET", "/tokens")["tokens"]
    assert "revokedOn" in token
    hand.press("nav a[href$='audit']")
    hand.sees("tokens.revoke", "tokens.finish_rotation", "tokens.rotate", "tokens.create", "token 1 of AUTH_TOKENS")
