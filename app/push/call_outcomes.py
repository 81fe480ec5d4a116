"""Maps the response of an endpoint to the outcome of an attempt."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from app.domain.jsontext import UnstorableJson
from app.infra.cooperation import give_way
from app.net.outbound import Answer
from app.wire import jsonreader

LONGEST_WAIT_MS = 3_600_000  # the limit for Retry-After
PHRASE_MAX = 100  # characters of a non-standard reason phrase
_ASKING_TO_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_SHOWN = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")


class CallResult(StrEnum):
    """How a call ended, as metrics count it."""

    COMPLETED = "completed"
    FAILED = "failed"  # by the response, or as there was none
    GONE = "gone"  # the endpoint is switched off, and the job released
    DROPPED = "dropped"  # the lease was lost, the job cancelled, or this process stops, or has no descriptor left


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """`ending` as `Completer.add` takes it; None: the endpoint is to be switched off, and the job to be released."""

    ending: dict[str, Any] | None
    pause_ms: int = 0  # how long no call to the endpoint may begin, by its Retry-After

    @property
    def result(self) -> CallResult:
        """What it is in metrics."""
        if self.ending is None:
            return CallResult.GONE
        return CallResult.COMPLETED if "result" in self.ending else CallResult.FAILED


def judge(answer: Answer, *, max_bytes: int, now: datetime) -> CallOutcome:
    """Return the outcome for a response. `max_bytes` limits the result; `now` is compared with dates in Retry-After."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 -- success
        try:
            return CallOutcome(ending={"result": _result(answer, max_bytes)})
        except UnstorableJson as error:
            return failed(f"the endpoint's answer {error}")
    if answer.status == HTTPStatus.GONE:
        return CallOutcome(ending=None)
    wait_ms = _wait_ms(answer.headers, now) if answer.status in _ASKING_TO_WAIT else 0
    return failed(f"HTTP {answer.status} {_phrase(answer)}".strip(), wait_ms=wait_ms)


def failed(reason: str, *, wait_ms: int = 0) -> CallOutcome:
    """Return a failure; the next attempt, and all calls to the endpoint, wait at least `wait_ms`."""
    ending = {"reason": reason, "stack": None, "unrecoverable": False, "leastDelayMs": wait_ms}
    return CallOutcome(ending=ending, pause_ms=wait_ms)


def _result(answer: Answer, max_bytes: int) -> str:
    """Return the result as JSON text. Raises UnstorableJson."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise UnstorableJson("is encoded, though Accept-Encoding asked for identity")
    try:
        text = answer.body.decode()
    except UnicodeDecodeError as error:
        raise UnstorableJson(f"is not UTF-8: byte {error.start}") from None
    is_json = "application/json" in answer.headers.get("content-type", "").lower()
    result = answer.body if is_json and text else json.dumps(text, ensure_ascii=False).encode()
    if (size := len(result)) > max_bytes:
        raise UnstorableJson(f"must be at most {max_bytes} bytes, not {size}")
    return jsonreader.whole(result, give_way=give_way)


def _phrase(answer: Answer) -> str:
    """Return the standard reason phrase of the status, or the endpoint's own without unprintable characters."""
    try:
        return HTTPStatus(answer.status).phrase
    except ValueError:
        return "".join(character for character in answer.reason[:PHRASE_MAX] if character in _SHOWN)


def _wait_ms(headers: Mapping[str, str], now: datetime) -> int:
    """Return Retry-After (seconds or a date) in ms; 0 if it is missing or invalid."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(LONGEST_WAIT_MS, int(said[:10]) * 1000)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(LONGEST_WAIT_MS, max(0, int((aware - now).total_seconds() * 1000)))
