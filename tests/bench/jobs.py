"""The jobs to measure with: the same for Rowline and for raw PostgreSQL, and ready before the clock runs."""

import json
from collections.abc import Iterator

QUEUE = "bench"
NAME = "welcome"
DIFFERENT = 1_000


def bodies(size: int) -> list[bytes]:
    """Return request bodies of `size` jobs each, as a client would send them."""
    return [
        b"[" + b",".join(b'{"name":"%s","data":%s}' % (NAME.encode(), text.encode()) for text in batch) + b"]"
        for batch in _batches(size)
    ]


def columns(size: int) -> list[dict[str, object]]:
    """Return the parameters of `jobs/insert` for the same jobs in the same batches."""
    return [_parameters(batch) for batch in _batches(size)]


def _parameters(batch: list[str]) -> dict[str, object]:
    nothing = [None] * len(batch)
    return {
        "queue": QUEUE,
        "custom_ids": nothing,
        "names": [NAME] * len(batch),
        "data": batch,
        "opts": ["{}"] * len(batch),
        "priorities": [0] * len(batch),
        "lifos": [False] * len(batch),
        "delays_ms": [0] * len(batch),
        "attempts": [1] * len(batch),
        "backoff_types": nothing,
        "backoff_delays_ms": nothing,
        "backoff_jitters": nothing,
        "timeouts_ms": nothing,
        "stacks_kept": nothing,
        "logs_kept": nothing,
    }


def _batches(size: int) -> Iterator[list[str]]:
    texts = [_data(number) for number in range(max(DIFFERENT, size))]
    return (texts[start : start + size] for start in range(0, len(texts), size))


def _data(number: int) -> str:
    """Return about 150 bytes of JSON."""
    return json.dumps(
        {
            "to": f"user-{number:04}@example.com",
            "template": "welcome",
            "tries": 3,
            "locale": "en-GB",
            "subject": "Welcome to the example",
            "trace": f"{number:032x}",
        },
        separators=(",", ":"),
    )
