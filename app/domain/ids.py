"""Names of queues and ids of jobs: what they may be, and how a job is found by its id."""

import re
import unicodedata

QUEUE_NAME_MAX = 100  # characters
JOB_NAME_MAX = 255  # characters
JOB_ID_MAX = 255  # characters
BIGINT_MAX = 2**63 - 1
NO_TOKEN = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - no secret
"""A token that no claim gets."""
_TOKEN = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def name_fault(name: str, *, max_length: int) -> str | None:
    """Say what keeps `name` from naming a queue or a job in a path, as a predicate; None if nothing does."""
    if not name:
        return "must not be empty"
    if len(name) > max_length:
        return f"must be at most {max_length} characters, not {len(name)}"
    if name in {".", ".."}:
        return f"must not be {name!r}"
    if "/" in name:
        return "must not contain '/'"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return "must not contain control characters or surrogates"
    return None


def custom_id_fault(custom_id: str) -> str | None:
    """Say what keeps `custom_id` from being a jobId, as a predicate; None if nothing does."""
    if is_digits(custom_id):
        return "must not be made of digits alone (Custom Id cannot be integers)"
    return name_fault(custom_id, max_length=JOB_ID_MAX)


def lease_token(text: str) -> str:
    """Read a token as PostgreSQL takes it. What cannot be one becomes the one that no claim ever gets."""
    return text.lower() if _TOKEN.fullmatch(text) else NO_TOKEN


def is_digits(text: str) -> bool:
    """Tell whether `text` is ASCII digits and nothing else: the alphabet of the ids that the service gives."""
    return text.isascii() and text.isdigit()


def generated(job_id: str) -> int | None:
    """Read an id that the service may have given; None for any other, such as `01` or 10^30, which names no job."""
    if not is_digits(job_id) or job_id[0] == "0" or len(job_id) > len(str(BIGINT_MAX)):
        return None
    number = int(job_id)
    return number if number <= BIGINT_MAX else None
