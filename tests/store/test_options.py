"""What migrations wrote down of the options is what the code says of them."""

from app.domain.options import KINDS_IN_SQL, OPTIONS, Kind, Option
from tests.support import databases

WRITTEN = "select name, kind, field, low, high, longest, is_empty_absent from rowline.job_options order by nth"


def written(option: Option) -> tuple[object, ...]:
    if option.kind not in KINDS_IN_SQL:
        return (option.name, Kind.PLANNED.value, None, 0, 0, 0, False)
    bounds = (option.low, option.high, option.longest, option.is_empty_absent)
    return (option.name, option.kind.value, option.field or None, *bounds)


def test_rowline_enqueue_reads_the_options_that_it_takes(own_url: str) -> None:
    told = "a migration writes the row of an option to rowline.job_options"
    known = [option for option in OPTIONS if option.kind is not Kind.TELEMETRY]  # to it an unknown one
    assert databases.ask(own_url, WRITTEN) == [*map(written, known)], told
