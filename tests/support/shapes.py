"""JSON in the shapes that are dear to read: each of about so many bytes, storable unless its name says otherwise."""

from collections.abc import Callable


def _filled(unit: str, size: int, *, opening: str = "[", closing: str = "]") -> str:
    count = max(1, (size - len(opening) - len(closing)) // (len(unit) + 1))
    return opening + ",".join([unit] * count) + closing


def _string(unit: str, size: int) -> str:
    return '"' + unit * ((size - 2) // len(unit.encode())) + '"'


def _members(size: int) -> str:
    return "{" + ",".join([f'"{nth:06}":0' for nth in range((size - 2) // 11)]) + "}"


SHAPES: dict[str, Callable[[int], str]] = {
    "text": lambda size: _string("a", size),
    "empty arrays": lambda size: _filled("[]", size),
    "objects of one member": lambda size: _filled('{"":0}', size),
    "pairs of fractions": lambda size: _filled("[1.5,2.5]", size),
    "digits": lambda size: _filled("1", size),
    "empty strings": lambda size: _filled('""', size),
    "brackets in strings": lambda size: _filled('"[{"', size),
    "records": lambda size: _filled('{"a":[1,"x",null,true,{"b":"c"}]}', size),
    "many members": _members,
    "1,000 digits and a space": lambda size: _string("0" * 1_000 + " ", size),
    "integers of 999 digits": lambda size: _filled("1" * 999, size),
    "fractions of 1,500 digits": lambda size: _filled("0." + "1" * 1_500, size),
    "towers of 100 arrays": lambda size: _filled("[" * 100 + "]" * 100, size),
    "towers of 9 arrays": lambda size: _filled("[" * 9 + "]" * 9, size),
    "arrays 120 levels down": lambda size: _filled("[]", size, opening="[" * 120, closing="]" * 120),
    "escaped letters": lambda size: _string("\\u0041", size),
    "escaped emoji": lambda size: _string("\\ud83d\\ude00", size),
    "backslashes": lambda size: _string("\\\\", size),
    "quotes": lambda size: _string('\\"', size),
    "accents": lambda size: _string("é", size),
    "spaces": lambda size: "[" + " " * (size - 2) + "]",
    "line ends": lambda size: _filled("\n1", size),
    "words": lambda size: _filled("true", size),
    "towers of 9 arrays beside flat ones": lambda size: _filled("[" * 9 + "]" * 9 + ",[]", size),
    "towers on a tower": lambda size: _filled("[" * 60 + "]" * 60, size, opening="[" * 60, closing="]" * 60),
    "what looks like NUL, and digits in strings": lambda size: _filled(
        '[""]', size, opening='["\\\\u0000","' + "1" * 1_001 + '",'
    ),
    "too deep": lambda size: _filled("[" * 129 + "]" * 129, size),
    "no end": lambda size: "[" * size,
    "a fault at the end": lambda size: _filled("[]", size, closing=",]"),
    "half a character at the end": lambda size: _filled("[]", size, closing=',"\\ud800"]'),
    "half characters": lambda size: _string("\\ud800", size),
    "lines of half a character": lambda size: _filled('"\\ud800"', size),
    "empty lines behind half a character": lambda size: _filled('""', size, opening='["\\ud800",'),
    "lines and spaces before half a character": lambda size: _filled('"ab" ', size, closing=',"\\ud800"]'),
    "brackets in strings before half a character": lambda size: _filled('"[{"', size, closing=',"\\ud800"]'),
    "escaped emoji before half a character": lambda size: _filled('"\\ud83d\\ude00"', size, closing=',"\\ud800"]'),
    "towers of 9 arrays on objects": lambda size: _filled("[" * 9 + "{}" + "]" * 9 + ",{}", size),
    "towers of 9 arrays 119 levels down": lambda size: _filled(
        "[" * 9 + "]" * 9, size, opening="[" * 119, closing="]" * 119
    ),
    "1,001 digits at the end": lambda size: _filled("1", size, closing="," + "1" * 1_001 + "]"),
}
