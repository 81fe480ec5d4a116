"""Settings from the environment: defaults, every fault at once, no secret in any message."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra import settings
from app.infra.settings import Settings, SettingsError

NAMES = {field.metadata["name"]: field.name for field in dataclasses.fields(Settings)}
DEFAULTS = {
    "HOST": "127.0.0.1",
    "PORT": 8080,
    "DATABASE_URL": None,
    "AUTH_TOKENS": (),
    "QUEUE_PREFIX": "bull",
    "ROWLINE_MAX_BODY_BYTES": 10 * 2**20,
    "ROWLINE_MAX_JOBS": 10_000,
    "ROWLINE_MAX_DATA_BYTES": 2**20,
    "ROWLINE_LEASE_MS": 30_000,
    "ROWLINE_MAX_STALLED_COUNT": 1,
    "ROWLINE_KEEP_KEYS_MS": 24 * 3600 * 1000,
    "ROWLINE_PROMOTE_MS": 500,  # twice in the second within which a due job shows as ready
}


def _read(name: str, value: str) -> Any:
    return getattr(settings.from_env({name: value}), NAMES[name])


def _faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.from_env(environ)
    return str(caught.value).split("\n")


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_has_the_default_of_the_contract(name: str) -> None:
    assert getattr(settings.from_env({}), NAMES[name]) == DEFAULTS[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_an_empty_variable_counts_as_not_set(name: str, nothing: str) -> None:
    assert settings.from_env({name: nothing}) == Settings()


def test_every_setting_says_what_it_is_about() -> None:
    for field in dataclasses.fields(Settings):
        assert field.metadata["about"].endswith(".")
        assert field.metadata["name"] in DEFAULTS or field.metadata["name"].startswith("ROWLINE_")


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("PORT", "1", 1),
        ("PORT", "65535", 65535),
        ("PORT", " 80 ", 80),
        ("DATABASE_URL", "postgresql://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("DATABASE_URL", "postgres://h/d", "postgres://h/d"),
        ("AUTH_TOKENS", "one", ("one",)),
        ("AUTH_TOKENS", " one , two,,", ("one", "two")),
        ("AUTH_TOKENS", ",", ()),
        ("QUEUE_PREFIX", "shop", "shop"),
        ("ROWLINE_LOG_LEVEL", "debug", "debug"),
        ("ROWLINE_HOME", "/some/where", Path("/some/where")),
        ("ROWLINE_MAX_STALLED_COUNT", "0", 0),
    ],
)
def test_a_good_value_is_read(name: str, value: str, read: object) -> None:
    assert _read(name, value) == read


@pytest.mark.parametrize(
    "value", ["0", "65536", "-1", "+1", "80.0", "0x50", "eighty", "1_0", "\u0661", "8 0", "9" * 100]
)
def test_a_bad_number_is_named_with_its_value_and_its_range(value: str) -> None:
    assert _faults({"PORT": value}) == [f"PORT: {value[:80]!r} must be a whole number from 1 to 65535"]


@pytest.mark.parametrize("value", ["mysql://h/d", "http://h/d", "postgresql://h", "postgresql://h/", "h:5432/d", "x"])
def test_a_bad_database_url_is_refused_with_an_example(value: str) -> None:
    assert _faults({"DATABASE_URL": value}) == [
        "DATABASE_URL: its value must look like postgresql://user:password@host:5432/database"
    ]


@pytest.mark.parametrize(("name", "value"), [("QUEUE_PREFIX", "a\x00b"), ("ROWLINE_LOG_LEVEL", "INFO")])
def test_a_bad_word_is_named(name: str, value: str) -> None:
    assert _faults({name: value})[0].startswith(f"{name}: {value!r} must be ")


def test_all_faults_are_told_at_once() -> None:
    faults = _faults({"PORT": "x", "ROWLINE_MAX_JOBS": "0", "ROWLINE_NOPE": "1", "ROWLINE_LEASE_MS": "5", "HOST": "h"})

    assert sorted(fault.split(":")[0] for fault in faults) == [
        "PORT",
        "ROWLINE_LEASE_MS",
        "ROWLINE_MAX_JOBS",
        "ROWLINE_NOPE",
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("ROWLINE_MAX_JOB", "ROWLINE_MAX_JOB: no such setting; did you mean ROWLINE_MAX_JOBS?"),
        ("ROWLINE_PORT", "ROWLINE_PORT: no such setting; did you mean PORT?"),
        ("ROWLINE_LEASEMS", "ROWLINE_LEASEMS: no such setting; did you mean ROWLINE_LEASE_MS?"),
        ("ROWLINE_\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", None),
    ],
)
def test_an_unknown_variable_is_refused_with_a_hint_where_one_is_near(name: str, fault: str | None) -> None:
    assert _faults({name: "1"}) == [fault or f"{name}: no such setting"]


@pytest.mark.parametrize("name", ["ROWLINE_URL", "ROWLINE_TOKEN", "PATH", "MAX_JOBS", "rowline_max_jobs", "XROWLINE_X"])
def test_variables_of_others_are_left_alone(name: str) -> None:
    assert settings.from_env({name: "anything"}) == Settings()


@pytest.mark.parametrize("tokens", ["secret one", "good,secr\u00e9t", "secret\x00", "a,b,secret\x7f"])
def test_bad_tokens_are_refused_and_not_shown(tokens: str) -> None:
    assert _faults({"AUTH_TOKENS": tokens}) == [
        "AUTH_TOKENS: its value must be comma-separated tokens of printable ASCII without spaces"
    ]


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=",")).map("~{}~".format))
def test_a_token_is_read_and_never_shown(token: str) -> None:
    read = settings.from_env({"AUTH_TOKENS": f"other,{token}"})

    assert read.tokens == ("other", token)
    assert token not in repr(read)
    assert token not in str(read)


SECRETS = {
    "DATABASE_URL": "postgresql://u:canary@h/d",
    "ROWLINE_LISTEN_URL": "postgresql://u:canary@h/d",
    "AUTH_TOKENS": "canary",
    "ROWLINE_WEBHOOK_SECRETS": f"whsec_{'canary' * 6}",
    "ROWLINE_SECRET_KEYS": f"{'canary' * 7}Q=",
}


def test_no_setting_that_is_a_secret_is_shown_or_handed_on() -> None:
    marked = {field.metadata["name"] for field in dataclasses.fields(Settings) if field.metadata["secret"]}
    assert marked == set(SECRETS)
    assert "canary" not in repr(settings.from_env(SECRETS))
    assert settings.without_secrets(SECRETS | {"PATH": "/bin", "ROWLINE_TOKEN": "t"}) == {
        "PATH": "/bin",
        "ROWLINE_TOKEN": "t",
    }


@pytest.mark.parametrize(
    "url",
    [
        *(
            "postgresql://u:p%40%2F%3A%25%20w@h/d",
            "postgresql://u:p#s?s@h/d",
            "postgres://h1:1,h2:2/d",
            "postgresql:///d",
        ),
        *(
            "postgresql://u@/d?host=/tmp/a%40b&port=5432",
            "postgresql://u@/d?host=/tmp/a@b",
            "postgresql://[::1]:5432/d",
        ),
        *("postgresql://h/?dbname=d&sslmode=require", "postgresql://h/d?options=-c%20a%3Db", "postgresql://h/a%40b"),
    ],
)
def test_a_url_that_libpq_reads_is_taken_as_it_stands(url: str) -> None:
    assert _read("DATABASE_URL", url) == url


@pytest.mark.parametrize("value", ["mysql://u:secret@h/d", "postgresql://u:secret@h", "postgresql://u:secret@[h/d"])
def test_a_password_in_a_bad_database_url_is_not_shown(value: str) -> None:
    assert "secret" not in "".join(_faults({"DATABASE_URL": value}))


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost.")),
        *(
            (host, False)
            for host in ("0.0.0.0", "::", "10.0.0.1", "192.168.1.1", "localhost.example.com", "127.1", "h")
        ),
    ],
)
def test_only_addresses_of_this_machine_are_on_loopback(host: str, is_loopback: bool) -> None:  # noqa: FBT001
    assert settings.from_env({"HOST": host}).on_loopback is is_loopback


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost."])
def test_localhost_is_the_address_that_the_api_listens_on(host: str) -> None:
    """By the name, commands would try ::1 first, where somebody else may listen for their tokens."""
    assert settings.from_env({"HOST": host, "PORT": "80"}).address == "http://127.0.0.1:80"


def test_what_is_missing_is_asked_for_by_name() -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is not set"):
        Settings().require_database_url()
    with pytest.raises(SettingsError, match=r"^AUTH_TOKENS is not set"):
        Settings().require_tokens()
