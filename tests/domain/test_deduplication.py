"""Who holds an id, and what becomes of another job with it: the rules that hold in all cases."""

from datetime import UTC, datetime

import hypothesis.strategies as st
from hypothesis import given

from app.domain.deduplication import Deduplication, Holder, InsertOutcome, fate
from app.domain.states import ACTIVE, DELAYED, Status

FLAGS = st.booleans()
PLAIN = st.builds(
    Deduplication,
    id=st.just("d"),
    ttl_ms=st.none() | st.just(1000),
    extends=st.just(False),
    replaces=st.just(False),
    keeps_last=st.just(False),
)
ASKED = st.builds(
    Deduplication, id=st.just("d"), ttl_ms=st.none() | st.just(1000), extends=FLAGS, replaces=FLAGS, keeps_last=FLAGS
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVING = [status for status in Status if status not in {Status.COMPLETED, Status.FAILED}]
WITH_WINDOW = st.builds(
    Holder,
    number=st.just(1),
    job_id=st.just("1"),
    status=st.none() | st.sampled_from(LIVING),
    expires_at=st.just(NOW),
    is_open=FLAGS,
)
HOLDERS = WITH_WINDOW | st.builds(
    Holder,
    number=st.just(1),
    job_id=st.just("1"),
    status=st.none() | st.sampled_from(LIVING),
    expires_at=st.none(),
    is_open=st.just(False),
)


@given(ASKED, st.none() | HOLDERS)
def test_a_job_is_created_exactly_if_nobody_holds_its_id(asked: Deduplication, holder: Holder | None) -> None:
    is_created = fate(asked, holder).outcome is InsertOutcome.CREATED
    assert is_created is (holder is None or not holder.holds)


@given(ASKED, HOLDERS)
def test_only_a_delayed_holder_is_replaced_and_only_an_active_one_followed(
    asked: Deduplication, holder: Holder
) -> None:
    outcome = fate(asked, holder).outcome
    if outcome is InsertOutcome.REPLACED:
        assert asked.replaces
        assert holder.status in DELAYED
    if outcome is InsertOutcome.STORED:
        assert asked.keeps_last
        assert holder.status in ACTIVE


@given(ASKED, HOLDERS)
def test_a_window_never_moves_for_who_does_not_ask_for_it(asked: Deduplication, holder: Holder) -> None:
    told = fate(asked, holder)
    if told.moves_window and told.outcome is not InsertOutcome.CREATED:
        assert asked.extends
        assert asked.ttl_ms is not None
        assert not asked.keeps_last
        assert told.outcome is InsertOutcome.REPLACED or not asked.replaces


@given(PLAIN, HOLDERS)
def test_the_plain_modes_write_nothing_while_the_id_is_held(asked: Deduplication, holder: Holder) -> None:
    assert fate(asked, holder).is_idle is holder.holds
