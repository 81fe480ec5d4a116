"""The doctor by the client."""

import pytest
import rowline

from app.postgres.database import Database
from tests.support import databases
from tests.support.httpproxy import HttpProxy
from tests.support.tokens import issue


def test_a_token_for_metrics_reads_what_is_wrong_and_what_to_do(
    proxy: HttpProxy, db: Database, shared_url: str
) -> None:
    with rowline.Rowline(proxy.url, issue(db, "metrics").secret) as client:
        databases.run(shared_url, "revoke insert on rowline.logs from rowline_runtime")
        try:
            diagnosis = client.doctor()
        finally:
            databases.run(shared_url, "grant insert on rowline.logs to rowline_runtime")

    [finding] = [one for one in diagnosis.findings if one.code == "right_missing"]
    assert (finding.severity, "insert on rowline.logs" in finding.found) == ("broken", True)
    assert "rowline db roles --apply" in finding.todo
    assert not diagnosis.is_sound
    assert diagnosis.figures["xidAge"] > 0
    assert diagnosis.as_of > 1_700_000_000_000


def test_without_the_scope_it_is_forbidden(proxy: HttpProxy, db: Database) -> None:
    with rowline.Rowline(proxy.url, issue(db, "jobs:read").secret) as client, pytest.raises(rowline.Forbidden):
        client.doctor()
