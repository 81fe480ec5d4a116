"""Retention in words, as the command line and the dashboard take it."""

import pytest

from app.domain.retention import FOR_EVER, Keep, of_words, sudden, words

SAID = [
    ("all", FOR_EVER),
    ("none", Keep(count=0)),
    ("7d", Keep(age_s=604_800)),
    ("36h", Keep(age_s=129_600)),
    ("90m", Keep(age_s=5_400)),
    ("90s", Keep(age_s=90)),
    ("0s", Keep(age_s=0)),
    ("1000", Keep(count=1_000)),
    ("7d,1000", Keep(age_s=604_800, count=1_000)),
    ("1d,0", Keep(age_s=86_400, count=0)),
]


@pytest.mark.parametrize(("text", "keep"), SAID)
def test_what_is_kept_is_read_from_words_and_written_in_the_same(text: str, keep: Keep) -> None:
    assert of_words(text) == keep
    assert words(keep) == text


def test_a_week_is_read_too() -> None:
    assert of_words("2w") == Keep(age_s=14 * 86_400)


@pytest.mark.parametrize(
    "text", ["", "seven", "7 d", "d", "7d,", ",7", "7y", "-1", "1000,7d", "unset", "\u0667d", "9" * 11]
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not as 7d, 1000"):
        of_words(text)


def test_what_goes_at_once_without_an_age_is_told() -> None:
    assert sudden(Keep(age_s=5), jobs="failed jobs", whose="mail") is None
    assert sudden(FOR_EVER, jobs="failed jobs", whose="mail") is None
    assert sudden(Keep(age_s=5, count=3), jobs="failed jobs", whose="mail") is None
    kept = sudden(Keep(count=3), jobs="failed jobs", whose="mail")
    assert kept == "The 3 newest failed jobs of mail are kept, all others go now, for good."
    for none in (Keep(count=0), Keep(age_s=0), Keep(age_s=9, count=0)):
        assert (
            sudden(none, jobs="failed jobs", whose="mail") == "No failed jobs of mail are kept: all go now, for good."
        )
