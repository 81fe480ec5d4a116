"""What failures have in common: the same text with other values in it is the same, another text or type is another."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import fingerprint
from app.domain.attempts import CANCELLED_REASON, REASON_MAX, STALLED_REASON, UNSTARTED_REASON

WORDS = st.sampled_from(["user", "order", "not found", "timeout", "Zoë", "connection lost", "at", "of file"])
TYPES = st.sampled_from(
    ["", "ValueError: ", "psycopg.errors.UniqueViolation: ", "S3Error: ", "ActiveRecord::NotFound: "]
)
LETTERS = st.text("abcxyzABCXYZ", min_size=1, max_size=8)
NUMBERS = st.integers().map(str) | st.decimals(allow_nan=False, allow_infinity=False).map(lambda n: f"{n:f}")
HEX = st.integers(0, 2**64).map(hex) | st.binary(min_size=10, max_size=20).map(bytes.hex)
IDS = st.uuids().map(str) | st.tuples(LETTERS, st.integers(0, 9**9)).map(lambda parts: f"{parts[0]}_{parts[1]}")
QUOTED = st.text(st.characters(codec="ascii", exclude_characters="\n'\"\\"), max_size=20)
PATHS = st.lists(LETTERS, min_size=1, max_size=4).map(lambda parts: f"/{'/'.join(parts)}")
VALUES = st.one_of(NUMBERS, HEX, IDS, PATHS, QUOTED.map(lambda text: f'"{text}"'), QUOTED.map(lambda text: f"'{text}'"))


@given(kind=TYPES, words=st.lists(WORDS, min_size=1, max_size=5), values=st.data())
def test_the_same_text_with_other_values_is_the_same_failure(
    kind: str, words: list[str], values: st.DataObject
) -> None:
    def said() -> str:
        return kind + " ".join(f"{word} {values.draw(VALUES)}" for word in words)

    assert fingerprint.of(said()) == fingerprint.of(said())


@given(first=st.lists(WORDS, min_size=1), second=st.lists(WORDS, min_size=1), value=VALUES)
def test_other_words_are_another_failure(first: list[str], second: list[str], value: str) -> None:
    prints = [fingerprint.of(f"{' '.join(words)} {value}") for words in (first, second)]
    assert (prints[0] == prints[1]) == (" ".join(first) == " ".join(second))


@pytest.mark.parametrize(
    ("reason", "form"),
    [
        (
            "ValueError: invalid literal for int() with base 10: 'abc'",
            "ValueError: invalid literal for int() with base #: #",
        ),
        ("HTTP 500 Internal Server Error", ": HTTP # Internal Server Error"),
        ("couldn't read 'it' at /var/lib/x/y.txt:12", ": couldn't read # at #:#"),
        ("no answer of https://a.example/b?c=1 for joe@b.example", ": no answer of # for #"),
        (r"C:\Users\x\y.txt is missing", ": # is missing"),
        ("data/a1/b.csv, ../c and ~/d are bad", ": # and # are bad"),
        ("ids [1, 2, 3] of 10.0.0.1:8080", ": ids [#] of #:#"),
        ("process 12 waits for 0xdeadbeef\n  in  550e8400-e29b-41d4-a716-446655440000", ": process # waits for # in #"),
        ('he said "a \\"b\\" c" twice', ": he said # twice"),
        ("S3Error: bucket x1", "S3Error: bucket #"),
        ("com.foo.Bar$Baz1Exception", "com.foo.Bar$Baz1Exception: "),
        ("order_4711: failed", ": #: failed"),
        ("", ": "),
    ],
)
def test_values_are_taken_out_and_types_stay(reason: str, form: str) -> None:
    assert fingerprint.normal(reason) == form


@pytest.mark.parametrize(
    ("reason", "stack", "form"),
    [
        ("nope 7", "TypeError: nope 7\n    at main.js:1", "TypeError: nope #"),
        ("nope", "Traceback (most recent call last):\n  File …\nrowline.RetryIn: nope\n", "rowline.RetryIn: nope"),
        ("OSError: nope", "Traceback\nOSError: nope\n", "OSError: nope"),
        ("nope", "Traceback\nother: nope\n", ": nope"),
        ("nope", "x" * 50_000 + "\nOSError: nope", "OSError: nope"),
        ("nope", "", ": nope"),
    ],
)
def test_the_type_may_be_in_the_stack_trace(reason: str, stack: str, form: str) -> None:
    assert fingerprint.normal(reason, stack) == form


@given(first=LETTERS, second=LETTERS)
def test_different_types_are_different_failures(first: str, second: str) -> None:
    prints = {fingerprint.of(f"{name}Error: broke 7") for name in (first, second)}
    assert len(prints) == len({first, second})
    assert len({fingerprint.of("broke", f"My{name}Error: broke") for name in (first, second)}) == len({first, second})


@given(st.text(max_size=200), st.text(max_size=200) | st.none())
def test_any_text_has_one(reason: str, stack: str | None) -> None:
    found = fingerprint.of(reason, stack)
    assert fingerprint.fault(found) is None
    assert found == fingerprint.of(reason, stack)


@pytest.mark.parametrize("text", ["", "5f0c3a9b7d21e88", "5f0c3a9b7d21e8844", "5F0C3A9B7D21E884", "5f0c3a9b7d21e88g"])
def test_what_is_no_fingerprint_is_told(text: str) -> None:
    assert fingerprint.fault(text) == "must be 16 hexadecimal digits, as in the groups of failures"


def test_it_is_the_same_in_all_releases() -> None:
    """Whoever changes these changes what is stored: a migration has to empty the column."""
    reasons = (STALLED_REASON, CANCELLED_REASON, UNSTARTED_REASON, "ValueError: 'a' is not 7 in /tmp/x")
    prints = ["551134ebe8d02abd", "ce986213fe7095f7", "60ef5a6dab859823", "56701cd9890cf79e"]
    assert [*map(fingerprint.of, reasons)] == prints


@pytest.mark.parametrize(
    "part",
    [
        '"',
        "'",
        "a",
        "\\",
        '\\"',
        "a/",
        "/",
        "a.",
        "a@",
        "1,",
        "-",
        "a-",
        "f",
        "A.a",
        "a://",
        "'a",
        "A::",
        "“",
        "«a",
        "`\n",
    ],
)
def test_it_takes_time_in_proportion_to_a_bounded_part_of_a_text(part: str) -> None:
    """None takes much longer than words and numbers; what is not linear would take minutes."""
    assert took_s(part) < 100 * took_s("word 7 ")


def took_s(part: str) -> float:
    """Return the CPU time that a text made of this takes, the least of three times."""
    text, found = part * (100 * REASON_MAX // len(part)), []
    for _ in range(3):
        begun_at = time.process_time()
        fingerprint.of(text, text)
        found.append(time.process_time() - begun_at)
    return min(found)
