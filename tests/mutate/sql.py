"""What may be wrong with a statement: the SQL mutations, each an edit of its text.

They are made by words, not by a grammar. What PostgreSQL does not take is thrown away by who asks for them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

_WORDS = re.compile(
    r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|:?[a-z_]\w*|\$\d+|\d+|::|[-+*/<>=~!@#%^&|?]+|[(),;\[\]:.]", re.IGNORECASE
)
_SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "+": "-", "-": "+", "least": "greatest", "greatest": "least"}
_JOINS = {"left", "join", "cross", "inner"}
_AFTER_CONDITION = _JOINS | {
    "group",
    "order",
    "limit",
    "for",
    "returning",
    "union",
    "having",
    "on",
    "then",
    "where",
    ";",
}
_AFTER_LIST = {"from", "where", "limit", "for", "union", "returning", "order", "group", "having", "on", ";"}


class Edit(NamedTuple):
    """What is done, and the text from `start` to `end` that gives way to `new`."""

    what: str
    start: int
    end: int
    new: str

    def of(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


class Word(NamedTuple):
    """A word of a statement. `depth`: in how many parentheses; a parenthesis itself stands outside."""

    text: str
    start: int
    end: int
    depth: int


def edits(text: str) -> list[Edit]:
    """Return every mutation of a statement, none twice, in the order of its text."""
    words = _words(text)
    found = {edit.of(text): edit for mutation in MUTATIONS for edit in mutation(text, words)}
    found.pop(text, None)
    return sorted(found.values(), key=lambda edit: edit[1:])


def dropped_statements(script: str) -> list[Edit]:
    """Return the mutations of a script: each of its statements dropped."""
    blocks = re.compile(r"\$\$.*?\$\$|--[^\n]*", re.DOTALL)
    blank = blocks.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), script)
    return [Edit("statement dropped", match.start(), match.end(), "") for match in re.finditer(r"[^\s;][^;]*;", blank)]


def _words(text: str) -> list[Word]:
    words, depth = [], 0
    for match in _WORDS.finditer(text):
        if match[0].startswith("--"):
            continue
        depth -= match[0] in {")", "]"}
        words.append(Word(match[0].lower(), match.start(), match.end(), depth))
        depth += match[0] in {"(", "["}
    return words


def _until(words: Sequence[Word], begin: int, ends: set[str]) -> int:
    """Return where the part that begins at word `begin` is over: at one of `ends`, or outside of its parentheses."""
    depth = words[begin - 1].depth
    for at in range(begin, len(words)):
        if words[at].depth < depth or (words[at].depth == depth and words[at].text in ends):
            return at
    return len(words)


def _split(words: Sequence[Word], begin: int, end: int, separator: str) -> list[tuple[int, int]]:
    """Return the parts between `separator`s of their depth; the `and` of a `between` is none."""
    depth = words[begin - 1].depth
    parts, is_range = [], False
    for at in range(begin, end):
        if words[at].depth == depth and words[at].text == "between":
            is_range = True
        elif words[at].depth == depth and words[at].text == separator:
            if is_range and separator == "and":
                is_range = False
                continue
            parts.append((begin, at))
            begin = at + 1
    return [*parts, (begin, end)] if begin < end else parts


def _span(words: Sequence[Word], begin: int, end: int) -> tuple[int, int]:
    return words[begin].start, words[end - 1].end


def predicates(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Let each condition hold, or, where others may do instead, fail; take each branch of a `case` away."""
    for at, word in enumerate(words[:-1]):
        is_conflict = word.text == "on" and words[at + 1].text == "conflict"
        if word.text not in {"where", "on", "when", "having"} or is_conflict:
            continue
        end = _until(words, at + 1, _AFTER_CONDITION)
        choices = _split(words, at + 1, end, "or")
        if len(choices) > 1:
            for part in choices:
                yield Edit("predicate dropped", *_span(words, *part), "false")
        else:
            for part in _split(words, at + 1, end, "and"):
                yield Edit("predicate dropped", *_span(words, *part), "true")
        if word.text == "when" and len(choices) == 1:
            yield Edit("branch dropped", *_span(words, at + 1, end), "false")


def orders(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Reverse each part of an order."""
    for at, word in enumerate(words[:-1]):
        if word.text == "order" and words[at + 1].text == "by":
            for begin, end in _split(words, at + 2, _until(words, at + 2, _AFTER_LIST), ","):
                kept = next((nth for nth in range(begin, end) if words[nth].text in {"asc", "desc", "nulls"}), end)
                is_desc = kept < end and words[kept].text == "desc"
                start = words[kept - 1].end
                stop = words[kept].end if kept < end and words[kept].text != "nulls" else start
                yield Edit("order reversed", start, stop, "" if is_desc else " desc")


def columns(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Put null for each column that is selected or returned."""
    for at, word in enumerate(words[:-1]):
        if word.text not in {"select", "returning"}:
            continue
        for begin, end in _split(words, at + 1, _until(words, at + 1, _AFTER_LIST - {"on"}), ","):
            last = words[end - 1]
            has_name = last.text.isidentifier() and last.text != "end" and words[end - 2].text != "::"
            if last.text != "*":
                yield Edit("column dropped", *_span(words, begin, end), f"null as {last.text}" if has_name else "null")


def assignments(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Leave out each assignment of an update."""
    for at, word in enumerate(words[:-1]):
        if word.text == "set":
            parts = _split(words, at + 1, _until(words, at + 1, _AFTER_LIST), ",")
            for nth, part in enumerate(parts if len(parts) > 1 else []):
                start, end = _span(words, *part)
                is_last = nth == len(parts) - 1
                yield Edit(
                    "assignment dropped",
                    words[part[0] - 1].start if is_last else start,
                    end if is_last else words[part[1]].end,
                    "",
                )


def parts(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Leave out each part of a `with` that nothing names, and each that a `union` adds."""
    names = [word.text for word in words]
    for at, word in enumerate(words[:-2]):
        if word.text == "union":
            yield Edit("part dropped", *_span(words, at, _until(words, at + 1, {"union", "order", "limit"})), "")
        is_part = at > 0 and word.depth == 0 and words[at + 1].text == "as" and words[at - 1].text in {"with", ","}
        if is_part and names.count(word.text) == 1:
            closing = (nth for nth in range(at, len(words)) if words[nth].text == ")" and words[nth].depth == 0)
            end = next(closing, len(words)) + 1
            if end > len(words):  # a fragment that ends before its part does
                continue
            if end < len(words) and words[end].text == ",":
                yield Edit("part dropped", word.start, words[end].end, "")
            elif words[at - 1].text == ",":
                yield Edit("part dropped", words[at - 1].start, words[end - 1].end, "")


def locks(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Lock nothing; or wait for what is locked."""
    for at, word in enumerate(words):
        if word.text == "for" and words[at + 1].text in {"update", "no", "share", "key"}:
            end = _until(words, at + 1, {";"})
            yield Edit("lock dropped", *_span(words, at, end), "")
            if words[end - 1].text == "locked":
                yield Edit("skip locked dropped", *_span(words, end - 2, end), "")


def limits(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Take all."""
    for at, word in enumerate(words):
        if word.text == "limit":
            yield Edit("limit dropped", *_span(words, at, _until(words, at + 1, {"for", "union", ";"})), "")


def swaps(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Swap what is next to each other: an edge is in or out, a sum is a difference, the least is the greatest."""
    for word in words:
        if word.text in _SWAPS:
            yield Edit(f"{word.text} to {_SWAPS[word.text]}", word.start, word.end, _SWAPS[word.text])


def lost_words(text: str, words: Sequence[Word]) -> Iterator[Edit]:
    """Leave out what turns the meaning: `not`, `distinct`."""
    for at, word in enumerate(words[:-1]):
        if word.text in {"not", "distinct"} and words[at + 1].text != "materialized":
            yield Edit(f"{word.text} dropped", word.start, words[at + 1].start, "")


MUTATIONS: tuple[Callable[[str, Sequence[Word]], Iterator[Edit]], ...] = (
    *(predicates, orders, columns, assignments, parts, locks, limits, swaps, lost_words),
)
