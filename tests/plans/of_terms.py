"""Which indexes the statements of terms read, and those that remove jobs with their terms."""

REMOVAL = {"attempts_pkey", "jobs_pkey", "logs_pkey", "queue_settings_pkey", "terms_pkey"}
TERMS = {
    "jobs/search_terms": {"jobs_pkey", "terms_pkey"},
    "terms/await": {"term_fills_pkey"},  # the arbiter
    "terms/clear": {"terms_pkey"},
    "terms/clear_all": {"terms_pkey"},
    "terms/count": {"terms_pkey"},
    "terms/drop": {"term_fills_pkey"},
    "terms/fill": {"jobs_pkey", "queue_settings_pkey", "terms_pkey"},
    "terms/filled": {"term_fills_pkey"},
    "terms/forget": {"jobs_pkey", "queue_settings_pkey", "terms_pkey"},
    "terms/has_keys": {"queue_settings_pkey"},
    "terms/lock": {"term_fills_pkey"},
    "terms/next_tagged": {"jobs_pkey"},
    "terms/orphans": {"jobs_pkey", "terms_pkey"},
    "terms/running": set(),
    "terms/save": {"term_fills_pkey"},
    "terms/unfinished": {"term_fills_pkey"},
    "terms/want": {"term_fills_pkey"},
}
