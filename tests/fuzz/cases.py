"""One case: the bytes of one request. The seed of a run and the number of a case are all that it depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.fuzz import bodies, heads

BROKEN_SHARE = 0.01
CHUNKED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """`is_framed`: one answer must come, and the connection stays good unless that says otherwise."""

    number: int
    kind: str
    method: str
    sent: bytes
    is_framed: bool


def make(seed: int, number: int) -> Case:
    """Make case `number` of the run of `seed`."""
    random = Random(seed * 1_000_003 + number)
    if random.random() < BROKEN_SHARE:
        kind = random.choice(list(BROKEN))
        return Case(number, f"framing: {kind}", "POST", BROKEN[kind](random, number), is_framed=False)
    share = random.random()
    if share < 0.84:
        path = f"/queues/{heads.queue(random)}/jobs" if random.random() < 0.9 else heads.target(random)
        kind, body = bodies.make(random)
        return Case(number, f"body: {kind}", "POST", _request(random, number, "POST", path, body), is_framed=True)
    if share < 0.94:
        path = heads.target(random) + (heads.query(random) if random.random() < 0.6 else "")
        return Case(number, "path", "GET", _request(random, number, "GET", path, b""), is_framed=True)
    method, body = random.choice(heads.METHODS), random.choice((b"", b"", b"[]", b"{}", b"x" * 100))
    return Case(number, "method", method, _request(random, number, method, heads.target(random), body), is_framed=True)


def _request(random: Random, number: int, method: str, path: str, body: bytes) -> bytes:
    lines = heads.headers(random, number)
    if body and random.random() < CHUNKED_SHARE:
        lines.append("Transfer-Encoding: chunked")
        body = _chunks(random, body)
    elif body or method == "POST" or random.random() < 0.1:
        lines.append(f"Content-Length: {len(body)}")
    return head(method, path, lines) + body


def head(method: str, path: str, lines: list[str], ending: str = "\r\n") -> bytes:
    """Put a head together."""
    return ending.join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


def _chunks(random: Random, body: bytes) -> bytes:
    parts = []
    while body:
        size = random.randint(1, max(1, random.choice((4, 100, len(body)))))
        part, body = body[:size], body[size:]
        parts.append(b"%x\r\n%s\r\n" % (len(part), part))
    return b"".join([*parts, b"0\r\n\r\n"])


def _parts(random: Random, number: int) -> tuple[str, list[str], bytes]:
    return f"/queues/{heads.queue(random)}/jobs", heads.headers(random, number), bodies.make(random)[1]


def _longer(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    return head("POST", path, [*lines, f"Content-Length: {len(body) + random.choice((1, 7, 5_000))}"]) + body


def _shorter(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    return head("POST", path, [*lines, f"Content-Length: {random.randrange(len(body) + 1)}"]) + body


def _odd_length(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    odd = random.choice(
        ("-1", "+5", "0x10", "1e3", "", "5,5", "9" * 30, "\xb2", "5 5", "1_0", "nan", "5\r\nContent-Length: 6")
    )
    return head("POST", path, [*lines, f"Content-Length: {odd}"]) + body


def _both(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    both = [f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"]
    random.shuffle(both)
    return head("POST", path, [*lines, *both]) + _chunks(random, body)


def _odd_chunks(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    chunks = bytearray(_chunks(random, body or b"[]"))
    for _ in range(random.choice((1, 2, 5))):
        chunks[random.randrange(len(chunks))] = random.randrange(256)
    return head("POST", path, [*lines, "Transfer-Encoding: chunked"]) + chunks[: random.randint(1, len(chunks))]


def _odd_coding(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    coding = random.choice(
        ("gzip", "chunked, chunked", "identity", "chunked;a=b", "\x0bchunked", "xchunked", "", "CHUNKED")
    )
    return head("POST", path, [*lines, f"Transfer-Encoding: {coding}"]) + _chunks(random, body)


def _cut(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    whole = head("POST", path, [*lines, f"Content-Length: {len(body)}"]) + body
    return whole[: random.randrange(len(whole))]


def _flipped(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    made = bytearray(head("POST", path, [*lines, f"Content-Length: {len(body)}"]))
    for _ in range(random.choice((1, 1, 2, 5))):
        made[random.randrange(len(made))] = random.randrange(256)
    return bytes(made) + body


def _line_ends(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    ending = random.choice(("\n", "\r", "\r\r\n", "\r\n ", "\n\r"))
    return head("POST", path, [*lines, f"Content-Length: {len(body)}"], ending) + body


def _too_long(random: Random, number: int) -> bytes:
    path, lines, body = _parts(random, number)
    path += "/" + "x" * random.choice((0, 4_000, 5_000, 100_000))
    lines += [f"X-{n}: y" for n in range(random.choice((0, 90, 110, 2_000)))]
    lines.append("X: " + "y" * random.choice((0, 8_000, 9_000, 70_000)))
    return head("POST", path, [*lines, f"Content-Length: {len(body)}"]) + body


def _raw(random: Random, _number: int) -> bytes:
    return random.randbytes(random.choice((1, 10, 100, 5_000))) + random.choice((b"", b"\r\n\r\n"))


BROKEN: dict[str, Callable[[Random, int], bytes]] = {
    "longer": _longer,
    "shorter": _shorter,
    "odd length": _odd_length,
    "length and chunks": _both,
    "odd chunks": _odd_chunks,
    "odd coding": _odd_coding,
    "cut": _cut,
    "flipped head": _flipped,
    "line ends": _line_ends,
    "too long": _too_long,
    "raw": _raw,
}
