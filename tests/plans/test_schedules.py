"""What statements about schedules read of many, or of long ones."""

import json

import pytest

from app.postgres.database import Database
from tests.plans.test_plans import analyzed, buffers
from tests.support import databases

LONG = """
    insert into rowline.schedules (queue, id, every_ms, jitter_ms, misfire, overlap, name, data, data_bytes, opts,
        options, next_at, created_by)
    select 'q', 's' || n, 3600000, 0, 'once', 'pending', 'n', data::json, octet_length(data), '{}', '{}', 1, 'test'
    from generate_series(1, 200) as n
    cross join lateral (
        select '"' || string_agg(md5(n || '-' || line), '') || '"' as data from generate_series(1, 1000) as line
    ) as long
"""
IDS = "{" + ",".join(f"s{n}" for n in range(1, 101)) + "}"
PAGE = {"start": 0, "length": 100, "max_bytes": 2_000}


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("schedules/page", PAGE | {"queue": "q"}),
        ("schedules/page_of_all", PAGE | {"allowed": "{q}", "pattern": "q"}),
        ("schedules/hold", {"queue": "q", "ids": IDS}),
    ],
)
def test_the_length_of_long_data_is_known_without_reading_them(
    db: Database, shared_url: str, statement: str, parameters: dict[str, object]
) -> None:
    databases.run(shared_url, LONG)  # 32 KB each, five pages
    with db.begin() as conn:
        plan = analyzed(conn, statement, **parameters)
    assert buffers(plan) <= 250, json.dumps(plan, indent=1)
