"""What commands print of a server that means harm, or is something else than Rowline."""

from pathlib import Path

import pytest

from tests.support import hostile, raw
from tests.support.clusters import PYTHON, Program
from tests.support.hostile import EVIL

SCRIPT = Path(PYTHON[0]).with_name("rowline")
HIDDEN = "\N{REPLACEMENT CHARACTER}"
SAFE = f"{HIDDEN}]0;owned{HIDDEN}{HIDDEN}31m{HIDDEN}evil"
DETAILS = [{"path": EVIL, "message": f"{EVIL}\nError: imitated"}]


def typed(url: str, *words: str, code: int) -> str:
    """Run a command on a terminal; return what it prints."""
    place = {"DATABASE_URL": "", "ROWLINE_URL": url, "ROWLINE_TOKEN": raw.TOKEN, "TERM": "xterm", "COLUMNS": "500"}
    with Program([SCRIPT, *words], env=place, terminal=True) as program:
        assert program.end() == code, program.output
    assert not {*"\x1b\x07\x9b\u202e"} & {*program.output}, program.output
    assert "Traceback" not in program.output
    return program.output


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (hostile.answer({"error": EVIL, "code": EVIL, "details": DETAILS}, status="400 No"), 2, SAFE),
        (hostile.answer({"error": EVIL}, "Retry-After: 0", status="503 No"), 6, f"{SAFE}; trying again"),
        (
            hostile.answer(b"", "Location: http://evil/\x1b[2J\x9b31m", status="302 Found"),
            1,
            "redirected to http://evil/",
        ),
        (hostile.answer(EVIL.encode()), 1, "not a response of Rowline"),
        (hostile.answer(b"x", "Content-Encoding: \x9b31m"), 1, "Content-Encoding '\\x9b31m', though"),
    ],
    ids=["400", "503", "302", "no JSON", "encoded"],
)
def test_no_error_of_a_server_reaches_the_terminal_as_it_is(
    said: bytes, code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hostile.saying(said) as server:
        shown = typed(server.url, "queues", "list", code=code)
    assert told in shown
    assert "\nError: imitated" not in shown.replace("\r", "")


@pytest.mark.parametrize(
    "words", [("queues", "list"), ("jobs", "list", "q"), ("jobs", "show", "q", "1"), ("tokens", "list")]
)
@pytest.mark.parametrize(
    "said",
    [
        [1, 2],
        None,
        EVIL,
        b"[" * 100_000,
        {"queues": [{"name": EVIL}], "jobs": [{"id": EVIL}], "tokens": [{EVIL: 1}], "error": EVIL},
        {"queues": [5], "jobs": [None], "tokens": {"a": "b"}},
    ],
    ids=["array", "null", "text", "deep", "other members", "other elements"],
)
def test_an_answer_that_is_not_of_rowline_is_one_line(said: object, words: tuple[str, ...]) -> None:
    with hostile.saying(hostile.answer(said)) as server:
        shown = typed(server.url, *words, code=1)
    assert "not Rowline" in shown or "not a response of Rowline" in shown
    assert len(shown.strip().splitlines()) == 1
