"""Arrays as PostgreSQL reads them, written in one go: the driver's own way is a call of Python for each element."""

from collections.abc import Iterable, Sequence


def numbers(values: Iterable[int]) -> str:
    """Write an array of whole numbers."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Sequence[str]) -> str:
    """Write an array of texts; whatever they hold, they come out as they are."""
    escaped = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(escaped) + '"}' if escaped else "{}"
