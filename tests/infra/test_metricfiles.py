"""The folder in which the API processes of a node share their metrics."""

import fcntl
import os
from pathlib import Path

import pytest

from app.infra import metricfiles


def test_the_folder_of_a_node_that_has_ended_goes_and_that_of_one_that_lives_stays(tmp_path: Path) -> None:
    living = metricfiles.make_folder(tmp_path)  # this process holds its lock
    ended = tmp_path / f"{metricfiles.PREFIX}ended"
    ended.mkdir()
    (ended / metricfiles.LOCK).touch()
    (ended / "histogram_0.db").write_bytes(b"x")
    being_made = tmp_path / f"{metricfiles.PREFIX}new"
    being_made.mkdir()
    new = metricfiles.make_folder(tmp_path)
    assert {*tmp_path.iterdir()} == {living, being_made, new}


def test_the_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / f"{metricfiles.PREFIX}other"
    other.mkdir()
    (other / metricfiles.LOCK).touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    metricfiles.make_folder(tmp_path)
    assert (other / metricfiles.LOCK).exists()


def test_a_lock_is_held_by_a_process_that_inherited_it(tmp_path: Path) -> None:
    folder = metricfiles.make_folder(tmp_path)
    lock = os.open(folder / metricfiles.LOCK, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)
    metricfiles.remove_folder(folder)
    assert not folder.exists()


@pytest.mark.parametrize(("taken", "free"), [([], 0), ([0, 1], 2), ([1, 2], 0), ([0, 2], 1)])
def test_a_slot_that_is_free_is_given_again(taken: list[int], free: int) -> None:
    assert metricfiles.free_slot(taken) == free


def test_what_a_process_had_in_use_is_forgotten_and_what_it_counted_is_not(tmp_path: Path) -> None:
    kept = ["counter_1.db", "histogram_1.db", "gauge_livesum_0.db", "gauge_livesum_11.db"]
    for name in (*kept, "gauge_livesum_1.db", "gauge_livemostrecent_1.db"):
        (tmp_path / name).touch()
    metricfiles.forget(tmp_path, 1)
    assert {file.name for file in tmp_path.iterdir()} == {*kept}
