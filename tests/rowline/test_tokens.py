"""The client with tokens that have just what it needs, and its calls for tokens and the audit."""

import pytest
import rowline

from app.postgres.database import Database
from tests.support.httpproxy import HttpProxy
from tests.support.tokens import issue


def test_a_token_is_made_listed_rotated_and_revoked_and_the_audit_tells(api: rowline.Rowline) -> None:
    made = api.create_token("reads", ["jobs:read@q"], expires_on=4_000_000_000_000, limits={"requestsPerS": 9})
    assert (made.scopes, made.expires_on, made.limits) == (("jobs:read@q",), 4_000_000_000_000, {"requestsPerS": 9})
    assert made.token not in repr(made)
    second = api.rotate_token(made.id)
    assert second.is_rotating
    assert not api.finish_token_rotation(made.id).is_rotating
    with pytest.raises(rowline.Conflict):
        api.finish_token_rotation(made.id)
    assert api.revoke_token(made.id).revoked_on
    with pytest.raises(rowline.NotFound):
        api.revoke_token("absent00")

    listed = api.tokens()
    assert ([token.id for token in listed.tokens], listed.count) == ([made.id], 1)
    acts = api.audit(actor="env:1", length=2)
    assert [act.action for act in acts.entries] == ["tokens.revoke", "tokens.finish_rotation"]
    more = api.audit(before=acts.next, action="tokens.create")
    assert {one.target for one in api.audit(target=acts.entries[0].target).entries} == {acts.entries[0].target}
    assert api.audit(target="absent").entries == ()
    assert [(act.target, act.outcome) for act in more.entries] == [(made.id, "done")]


def test_a_service_a_worker_and_a_colleague_each_need_their_own_scopes(proxy: HttpProxy, db: Database) -> None:
    def queue(*scopes: str) -> rowline.Queue:
        return rowline.Rowline(proxy.url, issue(db, *scopes).secret, timeout_s=10).queue("q")

    service, worker, colleague = queue("jobs:add@q"), queue("work@q"), queue("jobs:read@q")
    job = service.add("n", {"secret": 1})
    [lease] = worker.claim()
    worker.progress(lease, {"half": "way"})
    worker.log(lease, "line")
    assert worker.extend(lease).locked_until
    assert lease.job.data == {"secret": 1}
    worker.complete(lease, "done")

    seen = colleague.wait(job, timeout_s=10)
    assert (seen.status, seen.data, seen.result, seen.progress) == ("completed", None, None, None)
    assert seen.hidden == ("data", "progress", "returnvalue", "result", "stacktrace")
    logs, [attempt] = colleague.logs(job.id), colleague.attempts(job.id)
    assert (logs.lines, logs.count, logs.hidden) == ((), 1, ("logs",))
    assert (attempt.reason, attempt.hidden) == (None, ("reason",))
    everything = queue("*")
    assert (everything.logs(job.id).hidden, everything.attempts(job.id)[0].hidden) == ((), ())
    with pytest.raises(rowline.Forbidden, match="the token lacks the scope jobs:add@q"):
        colleague.add("n")
    with pytest.raises(rowline.Forbidden, match="the token lacks the scope jobs:read@q"):
        service.get(job.id)
    with pytest.raises(rowline.Forbidden, match="the token lacks the scope jobs:manage@q"):
        worker.cancel(job.id)


def test_who_may_not_see_reasons_may_cancel_twice(proxy: HttpProxy, db: Database) -> None:
    scopes = [f"jobs:{verb}@q" for verb in ("add", "read", "manage")]
    manager = rowline.Rowline(proxy.url, issue(db, *scopes).secret, timeout_s=10).queue("q")
    job = manager.add("n")

    assert [manager.cancel(job.id).failed_code for _ in range(2)] == ["cancelled"] * 2
    assert manager.get(job.id).failed_reason is None
