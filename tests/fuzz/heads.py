"""Methods, paths, queries and headers."""

from random import Random
from urllib.parse import quote_from_bytes

from tests.support.raw import TOKEN

QUEUES = 2_000
"""So many that the few jobs that are stored by luck make no queue long."""
METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LOCK", "PURGE", "QUERY"),
    *("BREW", "M-SEARCH", "GETT", "X" * 20),
)
_CODED = (
    *("%00", "%2F", "%2f", "%2e%2e", "%2E", "%252F", "%25", "%ff%fe", "%c0%ae", "%ed%a0%80", "%C3%A9", "e%CC%81", "%"),
    *(
        "%0a",
        "%0d%0a",
        "%1b",
        "%7f",
        "%zz",
        "%u0041",
        "%20",
        "+",
        "%2B",
        ";",
        ";a=b",
        "%3F",
        "%23",
        "%F0%9F%98%80",
        ":",
    ),
    *(
        "%e2%80%ae",
        "%c2%85",
        "%f4%90%80%80",
        "@",
        "&",
        "=",
        "~",
        "'",
        '"',
        "`",
        "|",
        "{",
        "}",
        "<",
        "%5C",
        "\\",
        "$",
        "*",
    ),
)
_WHOLE = (
    *(
        "/",
        "//",
        "/queues",
        "/queues/",
        "/queues/x",
        "/jobs",
        "/queues/x/",
        "/Queues/x/jobs",
        "/queues//jobs",
        "/queues/x//jobs",
    ),
    *(
        "/queues/./jobs",
        "/queues/../jobs",
        "/queues/%2e%2e/jobs",
        "/../etc/passwd",
        "/queues/x/jobs/../../y/jobs",
        "/jobs",
    ),
    *(
        "/health/live",
        "/health/ready",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/docs/..",
        "/docs/%2e%2e/app.py",
        "/metrics",
    ),
    *("/queues/x/jobs/", "/queues/x/jobs/1/", "/queues/x/jobs/1/2", "/queues/x;y/jobs", "/favicon.ico", "/robots.txt"),
    *("http://x/queues/q/jobs", "http://x", "HTTP://x:80/queues/q/jobs?length=1", "https://y/%2e%2e", "/%", "/?", "/#"),
)
_VALUES = (
    *(
        "0",
        "1",
        "10",
        "100",
        "101",
        "-1",
        "01",
        "1.0",
        "1e2",
        "",
        "%20",
        "+5",
        "NaN",
        "10000000",
        "9" * 20,
        "9" * 2_000,
    ),
    *(
        "waiting",
        "all",
        "completed,failed",
        ",",
        "waiting,,active",
        "waiting,waiting",
        "WAITING",
        "waiting%00",
        "asc",
        "desc",
    ),
    *(
        "%ff",
        "%",
        "%ed%a0%80",
        "%D9%A1",
        "%EF%BC%91",
        "null",
        "true",
        "[]",
        "{}",
        "'",
        '"',
        "%0d%0aX:y",
        "a%26b",
        "a=b",
    ),
)
_NAMES = (
    "statuses",
    "start",
    "length",
    "order",
    "statuses%00",
    "Statuses",
    "start[]",
    "x",
    "",
    "%ff",
    "length%20",
    "token",
    *("name", "tag", "since", "finishedUntil", "error", "worker", "cursor"),
    *("data.", "data.a", "data.a.0", "data..", "data.%00", "data.%ed%a0%80"),
)
_KEYS = (
    *(
        "a",
        "0",
        '"a"',
        '"a',
        'a"',
        '"',
        '""',
        "",
        " ",
        "a b",
        '"a\\"b"',
        '"a\\b"',
        "a,b",
        "x" * 255,
        "x" * 256,
        "x" * 4_000,
    ),
    *('"' + "x" * 255 + '"', '"a";p=1', "\x7f", "\xe9", "\t", "a\tb", "()", ":YQ==:", "?1"),
)
_TOKENS = (
    *(
        f"bearer {TOKEN}",
        f"Bearer  {TOKEN}",
        f"BEARER {TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        "Basic YTpi",
    ),
    *(f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN},{TOKEN}", "Bearer \xe9", "x", "", f"Token {TOKEN}"),
    *(f"Bearer\t{TOKEN}", f'Bearer "{TOKEN}"', "Bearer " + "x" * 4_000, f"Bearer {TOKEN.upper()}", "Negotiate"),
)
_TYPES = (
    *("application/json", "application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded", ""),
    *(
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "x",
        "/",
        "a/b;;;=",
        "\xe9/\xe9",
    ),
    *("application/json; charset=nonsense", "multipart/mixed; boundary=" + "x" * 500, "APPLICATION/JSON", ";"),
)
_IDS = ("a", "x" * 128, "x" * 129, "", "\xe9", "a b", "<b>", "a\tb", "0f8fad5b-d9cb-469f-a165-70867728950e", "{}", '"')
_OTHERS = (
    *("Accept: text/html", "Accept: */*;q=nonsense", "Range: bytes=0-5", "If-None-Match: *", "If-Modified-Since: x"),
    *("Content-Encoding: gzip", "Content-Encoding: identity", "Content-Encoding: ", "X-HTTP-Method-Override: DELETE"),
    *(
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /x",
        "SCRIPT_NAME: /x",
        "Cookie: a=b",
    ),
    *("Cookie: " + "a=b;" * 1_000, "Origin: http://evil", "TE: trailers", "Upgrade: websocket", "Connection: Upgrade"),
    *(
        "Connection: close",
        "Connection: keep-alive",
        "Expect: 100-continue",
        "Expect: nonsense",
        "Date: x",
        "Trailer: X",
    ),
    *("User-Agent: \xff", "Accept-Language: " + "a," * 500, "X-Empty:", "Content-Language: x", "Forwarded: for=x;;"),
)


def queue(random: Random) -> str:
    """Return a queue that takes jobs; now and then one that many have used."""
    return f"q{random.randrange(QUEUES if random.random() < 0.9 else 5)}"


def target(random: Random) -> str:
    """Return a path, perhaps with a query."""
    if random.random() < 0.05:
        return random.choice(_WHOLE)
    path = f"/queues/{_segment(random) if random.random() < 0.3 else queue(random)}/jobs"
    if random.random() < 0.35:
        path += "/" + (
            _segment(random) if random.random() < 0.5 else random.choice((f"id-{random.randrange(20)}", "1", "7"))
        )
    if random.random() < 0.05:
        path += random.choice(("/", "//", "/x", "/logs", "/retry", "/..", "/."))
    return path


def query(random: Random) -> str:
    """Return a query with its question mark, or nothing."""
    if random.random() < 0.2:
        return ""
    parts = []
    for _ in range(random.choice((1, 1, 2, 3, 3, 20))):
        value = random.choice(_VALUES) if random.random() < 0.8 else quote_from_bytes(random.randbytes(5))
        parts.append(f"{random.choice(_NAMES)}{random.choice(('=', '=', '=', '=', '', '=='))}{value}")
    return "?" + random.choice(("&", "&", "&", "&", ";", "&&")).join(parts)


def _segment(random: Random) -> str:
    """Return a segment of a path: printable ASCII, as HTTP demands, and anything behind percent signs."""
    if random.random() < 0.1:
        length = random.choice((99, 100, 101, 254, 255, 256, 1_000, 3_000))
        return random.choice(("x", "%C3%A9", "%F0%9F%98%80", ".", "%2e"))[: length * 2] * (length // 3 + 1)
    if random.random() < 0.3:
        return quote_from_bytes(random.randbytes(random.randrange(12)), safe="")
    return "".join(
        random.choice((*_CODED, "a", "b", ".", "..", "-", "_")) for _ in range(random.choice((1, 1, 2, 3, 6)))
    )


def headers(random: Random, number: int) -> list[str]:
    """Return header lines, apart from those that frame a body."""
    lines = [f"Authorization: Bearer {TOKEN}"] if random.random() < 0.92 else []
    if not lines and random.random() < 0.9:
        lines.append(f"Authorization: {random.choice(_TOKENS)}")
    if random.random() < 0.25:
        lines.append(f"Idempotency-Key: {_key(random, number)}")
    if random.random() < 0.2:
        lines.append(f"Content-Type: {random.choice(_TYPES)}")
    if random.random() < 0.1:
        lines.append(f"X-Request-Id: {random.choice(_IDS)}")
    lines += [random.choice(_OTHERS) for _ in range(random.choice((0, 0, 0, 0, 1, 2)))]
    if random.random() < 0.02:
        lines.append(random.choice(lines or ["X: y"]))
    random.shuffle(lines)
    return lines


def _key(random: Random, number: int) -> str:
    """Return a key of the odd ones, one that was surely never used, or one that may have been."""
    return random.choice((random.choice(_KEYS), f"once-{number}", f"key-{random.randrange(5)}"))
