"""Which tests concern which file: those that say what it promises, the fastest first."""

import re
from collections.abc import Sequence

_HOUSE = "test_house.py::test_a_statement_stays_in_its_queue_and_an_update_names_the_status_it_leaves"
_SQL = (_HOUSE, "store/test_states.py")
_PLANS = ("plans/test_plans.py",)  # what a statement reads
_CLAIMS = ("store/test_leases.py", "operations/test_claim.py", "operations/test_exchange.py", "store/test_order.py")
_SETTLING = (
    *("store/test_settle_many.py", "operations/test_settle.py", "web/test_cancel.py"),
    *("operations/test_at_once.py", "web/test_remove_on_fail.py"),
)
_RACES = ("races/test_claims.py", "races/test_scan_cursors.py")
_JOBS = ("store/test_inserts.py", "web/test_add.py", "web/test_ids.py", "web/test_cancel.py", "web/test_get.py")
_VERBS = ("web/test_cancel.py", "web/test_manage.py", "web/test_change.py", "races/test_manage.py")
_COUNTS = ("store/test_counts.py", "store/test_minutes.py", "races/test_counts.py")
_ENDPOINTS = (
    "store/test_endpoints.py",
    "operations/test_endpoints.py",
    "web/test_endpoint_states.py",
    "plans/test_calls.py",
    "races/test_endpoints.py",
    "web/test_workers.py",
)
_TOKENS = (
    "web/dashboard/test_sessions.py",
    *("web/test_tokens.py", "web/test_audit.py", "web/test_scopes.py", "web/test_quotas.py"),
    *("web/test_late_tokens.py", "web/test_connections.py", "races/test_tokens.py"),
)
_LONG = ("web/test_long_answers.py",)
_START = ("operations/test_start_by.py",)
_TIME = ("operations/test_maintain.py", *_START)
_LEASES = (*_SETTLING, *_TIME, *_CLAIMS, "web/test_pull.py", "races/test_claims.py", "plans/test_settle_many.py")

CONCERNS: Sequence[tuple[str, Sequence[str]]] = (
    (
        "app/domain/(attempts|backoff)",
        ("domain/test_attempts.py", "domain/test_backoff.py", *_TIME, "web/test_pull.py", "web/test_chosen_delays.py"),
    ),
    (
        "app/(domain/(pace|scaling|explain|reasons)|store/explain|store/sql/(explain/.*|plans/meaning))",
        (
            *(_HOUSE, "domain/test_pace.py", "domain/test_scaling.py", "web/test_explain.py"),
            *("queries/test_explain.py", "plans/test_explain.py", *_PLANS),
        ),
    ),
    (
        "app/(domain/(series|durations)|store/series|store/sql/series/.*|queries/series)",
        (_HOUSE, "domain/test_series.py", "store/test_series.py", "web/test_series.py", *_PLANS),
    ),
    (
        "app/(domain/events|store/(events|counting)|store/sql/events/.*|queries/events|operations/eventstreams)",
        ("store/test_events.py", "operations/test_events.py", "races/test_events.py", "web/test_events.py", *_PLANS),
    ),
    ("app/domain/ids", ("domain/test_ids.py", "web/test_ids.py")),
    ("app/domain/jsontext", ("domain/test_jsontext.py", "web/test_data.py")),
    ("app/domain/scan", ("domain/test_scan.py", "store/test_scan.py", "races/test_scan_cursors.py")),
    (
        "app/(domain/jobfilter|store/search.*|store/sql/jobs/(search|queues_with_any).*|store/sql/_fragments/(matches|matched|looked|newest_first))",
        (*_SQL, "store/test_search.py", "web/test_find.py", "plans/test_search.py", *_PLANS),
    ),
    (
        "app/((domain|store|operations)/.*terms|store/indexed).*",
        (
            *(_HOUSE, "operations/test_terms.py", "operations/test_filling_terms.py", "store/test_search_terms.py"),
            *_PLANS,
        ),
    ),
    ("app/domain/(states|order)", ("store/test_states.py", "store/test_tables.py", "store/test_order.py")),
    (
        "app/(domain|store)/options",
        (
            *("domain/test_options.py", "store/test_options.py", "store/test_inserts.py", "web/test_job_fields.py"),
            "web/test_defaults.py",
        ),
    ),
    ("app/domain/defaults", ("domain/test_defaults.py", "web/test_defaults.py", "web/test_effective.py")),
    (
        "app/store/sql/jobs/insert_by_settings",
        (*_SQL, "store/test_inserts.py", "web/test_defaults.py", "races/test_defaults.py", *_PLANS),
    ),
    ("app/domain/errors", ("web/test_cancel.py", "web/test_manage.py", "web/test_errors.py", "web/test_pull.py")),
    ("app/domain/endpoint", ("web/test_workers.py", "push/test_dispatcher.py")),
    ("app/domain/keys", ("web/test_idempotency.py",)),
    ("app/domain/job", ("store/test_leases.py", "operations/test_exchange.py", "web/test_pull.py", "web/test_get.py")),
    ("app/operations/__init__", ("web/test_cancel.py", "races/test_claims.py")),
    ("app/operations/claim", (*_CLAIMS, "web/test_pull.py", "store/test_scan.py", *_RACES)),
    ("app/operations/endpoints", (*_ENDPOINTS, "push/test_dispatcher.py")),
    (
        "app/operations/exchange",
        ("operations/test_exchange.py", "operations/test_endpoints.py", "races/test_scan_cursors.py"),
    ),
    (
        "app/operations/maintenance",
        (
            *_TIME,
            "store/test_counts.py",
            "store/test_minutes.py",
            "races/test_claims.py",
            "maintenance/test_maintainer.py",
        ),
    ),
    (
        "app/(domain|store|operations)/.*(tokens|audit|sessions)",
        (*_SQL, "domain/test_tokens.py", "queries/test_callers.py", *_TOKENS, *_PLANS),
    ),
    (
        "app/(domain|store|operations)/.*(queues/|queues?[.]py|settings|retention)",
        (
            *_SQL,
            "web/test_queues.py",
            "web/test_queue_settings.py",
            "web/test_queue_rates.py",
            "domain/test_retention.py",
            "operations/test_retention.py",
            "operations/test_at_once.py",
            "races/test_at_once.py",
            *_START,
            "races/test_pause.py",
            "migrations/test_migrations.py",
            *_PLANS,
        ),
    ),
    (
        "app/(domain|store|operations)/.*(workers/|workers[.]py)",
        (*_SQL, "domain/test_pulling_workers.py", "web/test_queue_workers.py", *_PLANS),
    ),
    (
        "app/(domain|store|operations)/.*removal",
        (*_SQL, "web/test_removals.py", "web/test_removal_steps.py", "races/test_removals.py", *_PLANS),
    ),
    ("app/(domain|store)/.*running", (*_SQL, "web/test_running.py", *_PLANS)),
    (
        "app/(domain|store)/.*(fingerprint|failures)",
        (*_SQL, "domain/test_fingerprint.py", "web/test_failures.py", "plans/test_search.py", *_PLANS),
    ),
    (
        "app/(domain|store|operations)/.*(deduplication|adding)",
        (*_SQL, "domain/test_deduplication.py", "web/test_deduplication.py", "races/test_deduplication.py", *_PLANS),
    ),
    (
        "app/(domain|store|operations)/.*(schedule|ticks|wallclock)",
        (
            *_SQL,
            "domain/test_schedule.py",
            "web/test_schedules.py",
            "web/test_schedule_faults.py",
            "web/test_ticks.py",
            "operations/test_schedules.py",
            "races/test_schedules.py",
            *_PLANS,
        ),
    ),
    (
        "app/(domain|store|operations)/.*(plan|plans/|plans[.]py|planned|verbs|obliterating)",
        (
            *_SQL,
            "web/test_plans.py",
            "web/test_undone_retries.py",
            "web/test_plan_faults.py",
            "web/test_removals.py",
            "races/test_plans.py",
            *_VERBS,
            *_PLANS,
        ),
    ),
    ("app/domain/telemetry", ("domain/test_telemetry.py", "web/test_tracing.py", "push/test_tracing.py")),
    ("app/operations/progress", ("worker/test_handlers_api.py", "web/test_get.py")),
    ("app/operations/roles", ("store/test_roles.py",)),
    ("app/operations/settle", (*_SETTLING, "operations/test_exchange.py", "web/test_pull.py", "races/test_claims.py")),
    (
        "app/operations/jobs",
        ("web/test_add.py", "races/test_submissions.py", "web/test_idempotency.py", *_LONG),
    ),
    ("app/operations/manage", (*_VERBS, "web/test_audit.py", *_LONG)),
    ("app/operations/(longpoll|watch)", ("web/test_waiting.py",)),
    ("app/operations/jobends", ("operations/test_jobends.py", "web/test_job_waits.py")),
    ("app/store/sql/jobs/ended", (*_SQL, "operations/test_jobends.py", "web/test_job_waits.py", *_PLANS)),
    ("app/(domain|store)/.*programs", ("domain/test_programs.py", "store/test_programs.py", *_PLANS)),
    (
        "app/(domain|store)/.*(doctor|diagnosis)",
        ("domain/test_doctor.py", "queries/test_doctor.py", "web/test_doctor.py", *_PLANS),
    ),
    ("app/store/roles", ("store/test_roles.py",)),
    ("app/store/(rows|statements)", ("store/test_inserts.py", *_CLAIMS, "web/test_get.py", "web/test_pull.py")),
    ("app/store/(tables|columns|access|seen|settable|gone)", ("store/test_tables.py",)),
    ("app/store/(counting|sums)", (*_SQL, *_COUNTS)),
    ("app/store/sql/leases/complete_and_remove", (*_SQL, "web/test_remove_on_complete.py", *_COUNTS, *_PLANS)),
    ("app/store/sql/_fragments/(un)?packed", (*_SQL, "web/test_remove_on_complete.py", *_COUNTS, *_PLANS)),
    ("app/store/sql/retention/forget_packs", (*_SQL, "web/test_remove_on_complete.py", *_PLANS)),
    ("app/(domain|store)/.*metrics", (*_SQL, "store/test_metrics.py", "web/test_metrics.py", *_PLANS)),
    ("app/store/sql/counts/(name_queues|forget_unused)", (*_SQL, "store/test_metrics.py", *_PLANS)),
    ("app/store/.*(counts|minutes)", (*_SQL, *_COUNTS, "web/test_queue_rates.py", *_PLANS)),
    ("app/store/sql/psql", ("plans/test_psql.py",)),
    (
        "app/store/sql/_fragments/",
        (*_SQL, *_LEASES, *_TIME, "store/test_counts.py", "web/test_long_answers.py", *_PLANS),
    ),
    ("app/store/.*endpoint", (*_SQL, *_ENDPOINTS, *_PLANS)),
    (
        "app/store/.*jobs/(cancel|request_cancel|lock|retry|promote_now|change|change_data|remove_job)[.]sql",
        (*_SQL, *_VERBS, *_START, "store/test_counts.py", *_PLANS),
    ),
    ("app/store/.*unstarted", (*_SQL, *_START, "races/test_start_by.py", "store/test_counts.py", *_PLANS)),
    (
        "app/store/.*jobs",
        (*_SQL, *_TIME, *_JOBS, *_CLAIMS, "races/test_submissions.py", "races/test_claims.py", *_PLANS),
    ),
    ("app/store/.*keys", (*_SQL, "web/test_idempotency.py", "maintenance/test_maintainer.py", *_PLANS)),
    ("app/store/.*rounds", (*_SQL, *_TIME, "maintenance/test_maintainer.py", *_PLANS)),
    ("app/store/.*(claim|claim_large|find)[.]sql", (*_SQL, *_LEASES, "web/test_long_answers.py", *_PLANS)),
    ("app/store/.*leases", (*_SQL, *_LEASES, "store/test_counts.py", *_PLANS)),
    ("app/store/.*logs", (*_SQL, "worker/test_handlers_api.py", "web/test_get.py", *_PLANS)),
)


def tests(path: str) -> list[str]:
    """Return the paths of the tests that concern a file; none if it has nothing to test."""
    found = next((those for pattern, those in CONCERNS if re.match(pattern, path)), ())
    return [f"tests/{test}" for test in found]
