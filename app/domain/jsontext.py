"""Which JSON is accepted: only what PostgreSQL's JSON operators and every client can read back unchanged.

Each pass over a text is a method of `bytes` or a regular expression in linear time: no input makes it expensive.
"""

import functools
import itertools
import operator
import re
import struct
from array import array
from collections.abc import Callable
from itertools import accumulate

DEPTH_MAX = 128  # nested arrays and objects
DIGITS_MAX = 1_000  # of one integer
LONG = min(2 * (DEPTH_MAX + 1), DIGITS_MAX + 1)
"""A text of fewer bytes can neither be nested too deep nor have too many digits."""
PIECE = 64 * 1024
_TWO = rb"[0-9a-fA-F]{2}"
_LONE = re.compile(
    rb"\\u[dD](?:[89abAB]%b(?!\\u[dD][c-fC-F])|[c-fC-F](?<!\\u[dD][89abAB]%b\\u[dD].)%b)" % (_TWO, _TWO, _TWO),
    re.DOTALL,
)
"""A lone surrogate, in text without escaped backslashes."""
_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * (DIGITS_MAX + 1)
_NUMBER = re.compile(rb"[0-9.eE+-]*+")
_TO_BITS = bytes.maketrans(b"[{]}", b"1100")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_WORD = 16
"""The brackets that are looked up in one step, as the bits of a number."""


class UnstorableJson(ValueError):
    """The text is not JSON, or JSON that could not be read back; the message is a predicate."""


def _nothing() -> None:
    pass


def check(text: bytes, *, give_way: Callable[[], None] = _nothing) -> None:
    """Check that valid JSON can be read back: it is not nested too deep, has no huge integers and no NUL.

    Calls `give_way` between pieces of work, which take a few ms at most for each MiB of text; never for a short text.
    Raises UnstorableJson.
    """
    if b"\\u0000" in text and b"\\u0000" in text.replace(b"\\\\", b""):
        raise UnstorableJson("must not contain \\u0000")
    if len(text) < LONG:
        return
    if len(text) <= PIECE:
        give_way = _nothing
    if len(text) > DIGITS_MAX and _MANY_DIGITS in text.translate(_TO_ZERO):
        text = _outside(text, give_way)
        _check_digits(text)
    give_way()
    if text.count(b"[") + text.count(b"{") > DEPTH_MAX and is_deeper(DEPTH_MAX, text, give_way=give_way):
        raise UnstorableJson(f"must not be nested deeper than {DEPTH_MAX}")


def is_deeper(than: int, text: bytes, *, give_way: Callable[[], None] = _nothing) -> bool:
    """Return whether valid JSON is nested deeper: a number is 0 deep, a flat array 1. `give_way` is as in `check`."""
    brackets = _outside(text, give_way).translate(_TO_BITS, _NO_BRACKETS)
    rises, peaks = _words()
    now = 0
    for start in range(0, len(brackets), PIECE):
        give_way()
        piece = brackets[start : start + PIECE]
        size = -(-len(piece) // _WORD)
        bits = int(piece.ljust(size * _WORD, b"0"), 2)  # the last word is filled with closing ones
        words = struct.unpack(f">{size}H", bits.to_bytes(2 * size, "big"))
        befores = [*accumulate(map(rises.__getitem__, words), initial=now)]
        if max(befores) + _WORD > than and max(map(operator.add, befores, map(peaks.__getitem__, words))) > than:
            return True
        now = befores[-1]
    return False


@functools.cache
def _words() -> "tuple[array[int], array[int]]":  # in Python 3.11 arrays cannot be subscripted
    """Return of each word by how much its brackets rise in all, and at most."""
    rise_of = [2 * byte.bit_count() - 8 for byte in range(256)]
    peak_of = [max(accumulate((2 * int(bit) - 1 for bit in f"{byte:08b}"), initial=0)) for byte in range(256)]
    pairs = [*itertools.product(range(256), repeat=2)]
    return (
        array("b", [rise_of[left] + rise_of[right] for left, right in pairs]),
        array("b", [max(peak_of[left], rise_of[left] + peak_of[right]) for left, right in pairs]),
    )


def has_lone_surrogate(text: bytes, start: int = 0) -> bool:
    """Return whether an escape at or behind `start` is a lone surrogate, in JSON that is valid otherwise."""
    return _LONE.search(text.replace(b"\\\\", b"  "), start) is not None  # blanks: the sides must not become a pair


def whole_characters(text: bytes, give_way: Callable[[], None]) -> bytes:
    """Replace the escapes of U+D000 to U+DFFF, surrogates among them, by others; the length and the rest stay.

    After an escaped backslash a letter may become a digit. Calls `give_way` between pieces.
    """
    whole = bytearray(text)
    for start in range(0, len(text), PIECE):
        give_way()
        piece = slice(start, start + PIECE + len(b"ud"))  # an escape may begin in one piece and end in the next
        whole[piece] = whole[piece].replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")
    return bytes(whole)


def _outside(text: bytes, give_way: Callable[[], None]) -> bytes:
    """Return valid JSON without its strings, a space for each."""
    if b'"' not in text:
        return text
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    kept: list[bytes] = []
    inside = 0  # 1 if a piece begins within a string
    for start in range(0, len(text), PIECE):
        give_way()
        parts = text[start : start + PIECE].split(b'"')
        kept.append(b" ".join(parts[inside::2]))
        inside ^= (len(parts) - 1) & 1
    return b"".join(kept)


def _check_digits(text: bytes) -> None:
    """Check the numbers with this many consecutive digits; only integers are limited. Raises UnstorableJson."""
    zeros = text.translate(_TO_ZERO)
    at = zeros.find(_MANY_DIGITS)
    while at >= 0:
        number = _NUMBER.match(text, at)
        assert number is not None
        is_tail = at > 0 and (text[at - 1 : at] in b".eE+" or text[at - 2 : at] in {b"e-", b"E-"})
        if not is_tail and not set(number[0]) & set(b".eE"):
            raise UnstorableJson(f"must not contain an integer of more than {DIGITS_MAX} digits")
        at = zeros.find(_MANY_DIGITS, number.end())
