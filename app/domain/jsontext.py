"""Which JSON we keep: what PostgreSQL's JSON operators and every client can read back, to the letter.

Each look at a text is one pass of a method of `bytes` or of a linear regular expression: no shape makes it dear.
"""

import operator
import re
from collections.abc import Callable
from itertools import accumulate

DEPTH_MAX = 128  # arrays and objects within each other
DIGITS_MAX = 1_000  # of one integer
LONG = min(2 * (DEPTH_MAX + 1), DIGITS_MAX + 1)
"""What is shorter is neither nested too deep nor has too many digits."""
PIECE = 64 * 1024
_TWO = rb"[0-9a-fA-F]{2}"
_LONE = re.compile(
    rb"\\u[dD](?:[89abAB]%b(?!\\u[dD][c-fC-F])|[c-fC-F](?<!\\u[dD][89abAB]%b\\u[dD].)%b)" % (_TWO, _TWO, _TWO),
    re.DOTALL,
)
"""Half of a surrogate pair, in text without escaped backslashes."""
_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * (DIGITS_MAX + 1)
_NUMBER = re.compile(rb"[0-9.eE+-]*+")
_TO_ARRAYS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_RUN = re.compile(rb"\[+|\]+")
_SHORT_RUN = 8
"""Brackets in a row, on average, below which taking out the innermost pairs is cheaper than looking at each run."""


class UnstorableJson(ValueError):
    """The text is no JSON, or JSON that could not be given back; the message is a predicate."""


def _nothing() -> None:
    pass


def check(text: bytes, *, rest: Callable[[], None] = _nothing) -> None:
    """Require of valid JSON that it can be given back: not too deep, nor with too many digits, nor with NUL.

    Calls `rest` between pieces of work of a few ms at most for each MiB of text; for a short text never. Raises
    UnstorableJson.
    """
    if b"\\u0000" in text and b"\\u0000" in text.replace(b"\\\\", b""):
        raise UnstorableJson("must not contain \\u0000")
    if len(text) < LONG:
        return
    if len(text) <= PIECE:
        rest = _nothing
    if _MANY_DIGITS in text.translate(_TO_ZERO):
        text = _outside(text, rest)
        _check_digits(text)
    rest()
    if text.count(b"[") + text.count(b"{") > DEPTH_MAX and depth(text, rest=rest) > DEPTH_MAX:
        raise UnstorableJson(f"must not be nested deeper than {DEPTH_MAX}")


def depth(text: bytes, *, rest: Callable[[], None] = _nothing) -> int:
    """Return how deep valid JSON is nested: 0 for a number, 1 for a flat array. `rest` as in `check`."""
    brackets = _outside(text, rest).translate(_TO_ARRAYS, _NO_BRACKETS)
    levels, are_short = 0, True
    while brackets and are_short:  # each time the innermost arrays go, and with them a level of the deepest places
        left = brackets.replace(b"[]", b"")
        are_short = (len(brackets) - len(left)) * _SHORT_RUN > len(brackets)
        brackets = left
        levels += 1
        rest()
    return levels + _depth_by_runs(brackets, rest)


def has_lone_surrogate(text: bytes) -> bool:
    """Tell whether an escape of valid JSON, but for that, stands for half of a character."""
    return _LONE.search(text.replace(b"\\\\", b"")) is not None


def whole_characters(text: bytes, rest: Callable[[], None]) -> bytes:
    """Put a whole character where half of one may stand: the same JSON otherwise, and each byte in its place.

    Behind an escaped backslash a letter may become a digit. Calls `rest` between pieces.
    """
    whole = bytearray(text)
    for start in range(0, len(text), PIECE):
        rest()
        piece = slice(start, start + PIECE + len(b"ud"))  # an escape may begin in one and end in the next
        whole[piece] = whole[piece].replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")
    return bytes(whole)


def lines(text: bytes) -> bytes | None:
    """Make one JSON string, of lines, of an array of strings. None if the JSON, valid but for halves, is another."""
    parts = text.replace(b"\\\\", b"\0").replace(b'\\"', b"\1").split(b'"')
    if b"".join(parts[::2]).translate(None, b", \t\r\n") != b"[]":
        return None
    return b'"%b"' % b"\\n".join(parts[1::2]).replace(b"\1", b'\\"').replace(b"\0", b"\\\\")


def _outside(text: bytes, rest: Callable[[], None]) -> bytes:
    """Leave the strings out of valid JSON, a space for each."""
    if b'"' not in text:
        return text
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    kept: list[bytes] = []
    inside = 0  # whether a piece begins within a string
    for start in range(0, len(text), PIECE):
        rest()
        parts = text[start : start + PIECE].split(b'"')
        kept.append(b" ".join(parts[inside::2]))
        inside ^= (len(parts) - 1) & 1
    return b"".join(kept)


def _check_digits(text: bytes) -> None:
    """Look at the numbers that have so many digits in a row: those of an integer count."""
    zeros = text.translate(_TO_ZERO)
    at = zeros.find(_MANY_DIGITS)
    while at >= 0:
        number = _NUMBER.match(text, at)
        assert number is not None
        is_tail = at > 0 and (text[at - 1 : at] in b".eE+" or text[at - 2 : at] in {b"e-", b"E-"})
        if not is_tail and not set(number[0]) & set(b".eE"):
            raise UnstorableJson(f"must not contain an integer of more than {DIGITS_MAX} digits")
        at = zeros.find(_MANY_DIGITS, number.end())


def _depth_by_runs(brackets: bytes, rest: Callable[[], None]) -> int:
    deepest = now = 0
    for start in range(0, len(brackets), PIECE):
        piece = brackets[start : start + PIECE]
        runs = [*map(len, _RUN.findall(piece))]
        if piece.startswith(b"]"):
            now -= runs.pop(0)
        opened, closed = runs[::2], runs[1::2]
        peaks = accumulate(map(operator.sub, opened[1:], closed), initial=now + sum(opened[:1]))
        deepest, now = max(deepest, max(peaks)), now + sum(opened) - sum(closed)  # noqa: PLW3301 -- no copy of so many
        rest()
    return deepest
