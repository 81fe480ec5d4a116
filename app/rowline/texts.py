"""Splits JSON into the texts of its parts, which stay as they are: numbers keep their digits, at any depth."""

import json
import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},:]')


def members(text: bytes) -> dict[str, bytes]:
    """Split an object into the texts of its members, by name."""
    found = parts(text)
    return dict(zip(map(json.loads, found[::2]), found[1::2], strict=True))


def parts(text: bytes) -> list[bytes]:
    """Split an array into its elements, or an object into alternating names and values. Nesting is not limited."""
    found, depth, begin = [], 0, 0
    for token in _TOKEN.finditer(text):
        opens, closes = token[0] in b"[{", token[0] in b"]}"
        depth += opens - closes
        is_edge = (depth == 1 and (opens or token[0] in b",:")) or (depth == 0 and closes)
        if is_edge and not opens:
            found.append(text[begin : token.start()].strip())
        if is_edge:
            begin = token.end()
    return [part for part in found if part]
