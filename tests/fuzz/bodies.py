"""Bodies: valid ones, and what becomes of them under many kinds of mutation."""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.support.shapes import SHAPES

Json = Any
_HOLE = "@hole@"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+0-9.eE]+|[a-zA-Z]+|[\[\]{}:,]')
NUMBERS = (
    *(b"0", b"-0", b"1", b"-1", b"5.0", b"5.5", b"1e3", b"2097152", b"2097153", b"2147483648", b"9007199254740993"),
    *(b"315360000000", b"315360000001", b"1e308", b"1e309", b"1e400", b"-1e-400", b"1e131072", b"1E+2", b"0.1e1"),
    *(b"01", b"1.", b".5", b"+1", b"0x10", b"1_000", b"NaN", b"Infinity", b"-Infinity", b"-", b"1e", b"1e999999999"),
)
ODD = (
    *(b"null", b"true", b"false", b"[]", b"{}", b'""', b'"5"', b'"x"', b"[[]]", b'{"a":1}', b'"\\u0000"', b'"\\ud800"'),
    *(
        b'"\\udc00\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\xf0\x9f\x98\x80"',
        b'"\xc3\xa9"',
        b'"\\u00e9"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
    ),
    *(
        b'"\xc0\xae"',
        b'"\x00"',
        b'"\x1b[31m"',
        b'"\\x41"',
        b'"\\u12"',
        b'"\\"',
        b"'x'",
        b'"e\xcc\x81"',
        b'"\xe2\x80\xae"',
    ),
    *(b"undefined", b"None", b"True", b"/**/1", b'"__proto__"', b'{"__proto__":{"a":1}}', b'"\xef\xbb\xbf"'),
)
MEMBERS = (
    *("name", "data", "opts", "id", "jobId", "delay", "priority", "attempts", "backoff", "lifo", "timestamp", "token"),
    *("deduplication", "removeOnComplete", "parent", "group", "__proto__", "constructor", "", "\u0000", "\ud800"),
    *("\u00e9", "e\u0301", "x" * 300, "a.b", "a[0]", "$where", "'; drop table jobs; --", "Name", "NAME", "\u202e"),
)
WORDS = ("echo", "mail", "\u00e9t\u00e9", "a b", "<script>", "%s%n", "\U0001f600", "'", "x" * 255, "n")


def valid(random: Random) -> list[dict[str, Json]]:
    """Make jobs that the service takes."""
    return [_job(random) for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3, 8)))]


def _job(random: Random) -> dict[str, Json]:
    job: dict[str, Json] = {"name": random.choice(WORDS), "data": _value(random, 3)}
    if random.random() < 0.6:
        options: dict[str, Json] = {
            "attempts": random.randint(0, 1000),
            "delay": random.choice((0, 1, 50, 86_400_000)),
            "priority": random.randint(1, 2_097_152),
            "lifo": random.random() < 0.5,
            "jobId": f"id-{random.randrange(20)}",
            "backoff": random.choice((0, 100, {"type": "exponential", "delay": 5}, {"type": "fixed", "jitter": 0.5})),
        }
        opts = {name: value for name, value in options.items() if random.random() < 0.25}
        job["opts"] = opts
    return job


def _value(random: Random, depth: int) -> Json:
    kind = random.randrange(8 if depth else 6)
    if kind == 6:
        return [_value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 7:
        return {random.choice(MEMBERS[:12]): _value(random, depth - 1) for _ in range(random.randrange(4))}
    return (None, True, random.randrange(-(2**40), 2**40), random.random() * 1e6, random.choice(WORDS), "")[kind]


def text(jobs: Json, random: Random, hole: bytes = b"null") -> bytes:
    """Write JSON; `hole` stands where `_HOLE` does."""
    pad = random.choice(((",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")))
    written = json.dumps(jobs, ensure_ascii=random.random() < 0.5, separators=pad).encode(errors="surrogatepass")
    return written.replace(b'"' + _HOLE.encode() + b'"', hole)


def make(random: Random) -> tuple[str, bytes]:
    """Return the kind of a body, and the body."""
    kind = random.choices(_KINDS, _WEIGHTS)[0]
    return kind, MAKERS[kind][0](random)


def _valid(random: Random) -> bytes:
    return text(valid(random), random)


def _some(random: Random) -> bytes:
    """Make a body that is valid, mostly with a job in it."""
    return text(valid(random) or [_job(random)], random)


def _again(random: Random) -> bytes:
    """Make one of a few bodies, so that keys meet their own again."""
    return _some(Random(random.randrange(10)))


def _flip(random: Random) -> bytes:
    body = bytearray(_some(random))
    for _ in range(random.choice((1, 1, 2, 8))):
        place = random.randrange(len(body))
        body[place] = random.randrange(256) if random.random() < 0.5 else body[place] ^ (1 << random.randrange(8))
    return bytes(body)


def _cut(random: Random) -> bytes:
    body = _some(random)
    start, end = sorted((random.randrange(len(body)), random.randrange(len(body) + 1)))
    return random.choice((body[:end], body[start:], body[:start] + body[end:]))


def _insert(random: Random) -> bytes:
    body, place = _some(random), 0
    place = random.randrange(len(body) + 1)
    return body[:place] + random.choice((*ODD, *NUMBERS, random.randbytes(random.randrange(1, 9)))) + body[place:]


def _double(random: Random) -> bytes:
    body = _some(random)
    start, end = sorted((random.randrange(len(body)), random.randrange(len(body) + 1)))
    return body[:end] + body[start:end] * random.choice((1, 1, 2, 50)) + body[end:]


def _tokens(random: Random) -> bytes:
    """Swap, drop, double or replace words of the grammar."""
    found = [match.group() for match in _TOKEN.finditer(_some(random))]
    for _ in range(random.choice((1, 1, 2, 4))):
        one, other = random.randrange(len(found)), random.randrange(len(found))
        change = random.randrange(4)
        if change == 0:
            found[one], found[other] = found[other], found[one]
        elif change == 1:
            found[one] = b""
        elif change == 2:
            found.insert(one, found[other])
        else:
            found[one] = random.choice((*ODD, *NUMBERS, b"[", b"]", b"{", b"}", b":", b","))
    return b"".join(found)


def _number(random: Random) -> bytes:
    digits = random.choice((20, 400, 999, 1_000, 1_001, 5_000, 20_000))
    number = random.choice(
        (*NUMBERS, b"9" * digits, b"0." + b"3" * digits, b"-" + b"7" * digits, b"1e" + b"9" * digits)
    )
    return _with_hole(random, number)


def _deep(random: Random) -> bytes:
    depth = random.choice((10, 100, 120, 127, 128, 129, 130, 500, 5_000, 50_000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"":', b"}]")))
    nest = opening * depth + b"1" + closing * random.choice((depth, depth, depth - 1, 0))
    return random.choice((nest, _with_hole(random, nest)))


def _odd_value(random: Random) -> bytes:
    return _with_hole(random, random.choice(ODD))


def _odd_string(random: Random) -> bytes:
    """Put odd escapes and odd Unicode together into one string."""
    parts = (
        *(rb"\u0000", rb"\ud800", rb"\udfff", rb"\ud83d\ude00", rb"\/", rb"\q", rb"\u00", b"\\", b"\x01", b"\xff"),
    )
    plain = (*(b"a", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xe2\x80\xa8", b"\xef\xbf\xbf", b"\xf4\x90\x80\x80", b"\x7f"),)
    made = b"".join(random.choice(parts if random.random() < 0.2 else plain) for _ in range(random.randrange(1, 40)))
    return _with_hole(random, b'"' + made * random.choice((1, 1, 1, 30)) + b'"')


def _with_hole(random: Random, hole: bytes) -> bytes:
    """Put a text in the place of one member's value, at any depth, or of a whole job."""
    jobs = valid(random) or [_job(random)]
    place = random.randrange(len(jobs))
    at = random.randrange(5)
    if at == 0:
        jobs[place] = _HOLE  # type: ignore[call-overload]
    elif at == 1:
        jobs[place][random.choice(("name", "data", "opts"))] = _HOLE
    elif at == 2:
        jobs[place]["data"] = random.choice(([_HOLE], {"a": _HOLE}, {"a": [1, {"b": _HOLE}]}))
    else:
        known = random.choice((*MEMBERS[:16], "backoff"))
        value: Json = _HOLE if random.random() < 0.8 else {"type": random.choice(("fixed", _HOLE)), "delay": _HOLE}
        jobs[place]["opts"] = {known: value}
    return text(jobs, random, hole)


def _unknown(random: Random) -> bytes:
    jobs = valid(random) or [_job(random)]
    job = random.choice(jobs)
    into = job if random.random() < 0.5 else job.setdefault("opts", {})
    for _ in range(random.choice((1, 1, 2, 200))):
        into[random.choice(MEMBERS) + random.choice(("", "", str(random.randrange(1000))))] = _value(random, 1)
    return text(jobs, random)


def _twins(random: Random) -> bytes:
    """Name a member twice, in a job, in its options or in its data."""
    member = random.choice((b'"name":"n"', b'"data":1', b'"opts":{}', b'"jobId":"a","jobId":"b"', b'"a":1,"a":2'))
    place = random.choice((b'[{"name":"n",%s,"data":1}]', b'[{"name":"n","data":{%s},"opts":{%s}}]', b"[{%s,%s}]"))
    return place.replace(b"%s", member)


def _not_an_array(random: Random) -> bytes:
    return random.choice((*ODD, *NUMBERS, b"", b" ", b"[", b"]", b"[,]", b"[1,]", b"[]]", b"[] []", b"\xef\xbb\xbf[]"))


def _raw(random: Random) -> bytes:
    return random.randbytes(random.choice((1, 2, 7, 64, 1_000, 20_000)))


def _coded(random: Random) -> bytes:
    return _some(random).decode(errors="replace").encode(random.choice(("utf-16", "utf-32", "utf-16-le", "utf-7")))


def _large(random: Random) -> bytes:
    """Come near the limits: of a body, of the jobs in it, of one job's data."""
    job = b'{"name":"n","data":%s}'
    size = random.choice((19_990, 20_000, 20_010, 90_000, 300_000))
    many = random.choice((99, 100, 101, 500))
    return random.choice(
        (
            b"[" + job % (b'"' + b"x" * size + b'"') + b"]",
            b"[" + b",".join([job % b"1"] * many) + b"]",
            b"[" + b" " * size + b"]",
            b"[" + b"1," * (size // 2) + b"1]",
            b"[" + job % (b"[" + b"{}," * (size // 3) + b"{}]") + b"]",
        )
    )


def _shape(random: Random) -> bytes:
    """Put JSON in a shape that is dear to read into the place of a value, at times broken."""
    made = bytearray(SHAPES[random.choice([*SHAPES])](random.choice((100, 5_000, 19_000, 300_000))).encode())
    for _ in range(random.choice((0, 0, 1))):
        made[random.randrange(len(made))] = random.randrange(256)
    return _with_hole(random, bytes(made))


MAKERS: dict[str, tuple[Callable[[Random], bytes], float]] = {
    "valid": (_valid, 5),
    "again": (_again, 3),
    "flip": (_flip, 14),
    "cut": (_cut, 10),
    "insert": (_insert, 10),
    "double": (_double, 6),
    "tokens": (_tokens, 12),
    "number": (_number, 8),
    "deep": (_deep, 3),
    "odd value": (_odd_value, 10),
    "odd string": (_odd_string, 6),
    "unknown member": (_unknown, 6),
    "twins": (_twins, 2),
    "not an array": (_not_an_array, 3),
    "raw": (_raw, 4),
    "coded": (_coded, 2),
    "large": (_large, 0.5),
    "shape": (_shape, 1),
}
"""Each with its weight."""
_KINDS = list(MAKERS)
_WEIGHTS = [weight for _maker, weight in MAKERS.values()]
