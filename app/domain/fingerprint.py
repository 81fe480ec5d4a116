"""The fingerprint of a failure: what it has in common with others, as a short hash.

It is stored, so all releases compute the same: whoever changes a rule here empties the column in a migration, and the
maintenance computes it anew (decision 66).
"""

import hashlib
import re

READ_MAX = 1_000  # characters of a reason that are looked at, and of each end of a stack trace
KEPT_MAX = 500  # characters of the normal form that count
LENGTH = 16  # hexadecimal digits
_TYPE = re.compile(r"(?:[A-Za-z_]\w*(?:[.$]|::))*[A-Z]\w*[a-z](?=:\s|:?\Z|\n)", re.ASCII)
"""The name of an exception, as most languages write it: it may have digits, as S3Error."""
_ESCAPED = re.compile(r"\\[\"'`]", re.ASCII)
_VALUE = re.compile(
    r"""
    "[^"\n]*" | `[^`\n]*` | (?<!\w)'[^'\n]*'(?!\w) | “[^“”\n]*” | «[^«»\n]*» | \u2018[^\u2018\u2019\n]*\u2019  # quoted
    | (?<![\w+.-])[a-z][a-z0-9+.-]*://[^\s"'<>]+                                             # an address of the web
    | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*                                               # of mail
    | (?<!\w)[A-Za-z]:\\[^\s"'<>|]* | \\\\[^\s"'<>|]+                                        # paths of Windows
    | (?<![\w/.~@-])(?:[\w.@~-]+)?(?:/[^\s"'`,;:()<>\[\]{}|/]+)+/*                           # other paths
    | (?<![\w-])[+-]?[\w-]*\d[\w-]*(?:[.,]\d[\w-]*)*                                         # numbers, ids with digits
    | (?<!\w)[0-9a-f]{16,}(?!\w)                                                             # long hex, without digits
    """,
    re.ASCII | re.VERBOSE,
)
_LIST = re.compile(r"#(?:[,;] ?#)+")
_SPACE = re.compile(r"\s+", re.ASCII)
_FORM = re.compile(rf"[0-9a-f]{{{LENGTH}}}", re.ASCII)


def of(reason: str, stack: str | None = None) -> str:
    """Return the fingerprint of a failure. `stack` may name the type of the failure, if the reason does not."""
    return hashlib.sha256(normal(reason, stack).encode(errors="replace")).hexdigest()[:LENGTH]


def normal(reason: str, stack: str | None = None) -> str:
    """Return the type of a failure and its text with `#` for each number, id, hex, quoted text, address and path.

    Takes time in proportion to READ_MAX at most.
    """
    read = reason[:READ_MAX].strip()
    found = _TYPE.match(read)
    kind, text = (found[0], read[found.end() :]) if found else (_kind_by(read, stack), read)
    plain = _LIST.sub("#", _VALUE.sub("#", _ESCAPED.sub("", text)))
    return _SPACE.sub(" ", f"{kind}: {plain.lstrip(': ')}")[:KEPT_MAX]


def fault(text: str) -> str | None:
    """Return why a text is no fingerprint, as a predicate; None if it may be one."""
    return None if _FORM.fullmatch(text) else f"must be {LENGTH} hexadecimal digits, as in the groups of failures"


def _kind_by(read: str, stack: str | None) -> str:
    """Return the type that a line of the stack has in front of the text of the failure; nothing if none has."""
    if not stack or not read:
        return ""
    ends = stack if len(stack) <= 2 * READ_MAX else f"{stack[:READ_MAX]}\n{stack[-READ_MAX:]}"
    said = ": " + read.partition("\n")[0]
    place = ends.rfind(said)
    line = ends[ends.rfind("\n", 0, place) + 1 : place] if place > 0 else ""
    return line if _TYPE.fullmatch(line) else ""
