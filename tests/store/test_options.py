"""What migrations wrote down of the options is what the code says of them."""

from app.domain.options import OPTIONS
from tests.support import databases

WRITTEN = "select name, kind, field, low, high, longest, is_empty_absent from rowline.job_options order by nth"


def test_rowline_enqueue_reads_the_options_that_post_takes(own_url: str) -> None:
    bounds = [(each.low, each.high, each.longest, each.is_empty_absent) for each in OPTIONS]
    expected = [
        (each.name, each.kind.value, each.field or None, *bound) for each, bound in zip(OPTIONS, bounds, strict=True)
    ]
    told = "a migration writes the row of an option to rowline.job_options"
    assert databases.ask(own_url, WRITTEN) == expected, told
