"""Names of queues and ids of jobs: which are valid, and which job an id means."""

import re
import unicodedata

QUEUE_NAME_MAX = 100  # characters
JOB_NAME_MAX = 255  # characters
JOB_ID_MAX = 255  # characters
BIGINT_MAX = 2**63 - 1
NO_TOKEN = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - no secret
"""A token that no claim returns."""
_TOKEN = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def name_fault(name: str, *, max_length: int) -> str | None:
    """Return why `name` is invalid for a queue or a job, as a predicate; None if it is valid. Names stand in paths."""
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


TICKS = "repeat:"
"""What the ids of the jobs of schedules begin with."""


def custom_id_fault(custom_id: str) -> str | None:
    """Return why `custom_id` is invalid as a jobId, as a predicate; None if it is valid."""
    if is_digits(custom_id):
        return "must not be made of digits alone (Custom Id cannot be integers)"
    if custom_id.startswith(TICKS):
        return f"must not begin with {TICKS!r}: such ids have the jobs of schedules"
    return name_fault(custom_id, max_length=JOB_ID_MAX)


def lease_token(text: str) -> str:
    """Return a token as PostgreSQL accepts it; NO_TOKEN if the text is no UUID."""
    return text.lower() if _TOKEN.fullmatch(text) else NO_TOKEN


def is_digits(text: str) -> bool:
    """Return whether `text` consists of ASCII digits, like the ids that the service generates."""
    return text.isascii() and text.isdigit()


def generated(job_id: str) -> int | None:
    """Return the number of a generated id; None if the service never generates such an id, like `01` or 10^30."""
    if not is_digits(job_id) or job_id[0] == "0" or len(job_id) > len(str(BIGINT_MAX)):
        return None
    number = int(job_id)
    return number if number <= BIGINT_MAX else None
