"""A folder that another account could change is named, with what to do; others are taken as they are."""

import os
import pwd
import struct
from pathlib import Path

import pytest

from app.infra import ownership

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
OTHER = pwd.getpwnam("nobody")


def folder(path: Path, mode: int = 0o755, owner: int = -1, group: int = -1) -> Path:
    path.mkdir()
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def given(path: Path) -> Path:
    os.chown(path, OTHER.pw_uid, -1, follow_symlinks=False)
    return path


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o755, 0o2755])
def test_a_folder_of_ours_is_trusted(tmp_path: Path, mode: int) -> None:
    assert ownership.fault(folder(tmp_path / "home", mode)) is None


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_one_that_others_can_write_is_not(tmp_path: Path, mode: int) -> None:
    home = folder(tmp_path / "home", mode)
    assert f"can write {home} (mode {mode:04o})" in (ownership.fault(home) or "")


def test_a_parent_that_others_can_write_needs_the_sticky_bit(tmp_path: Path) -> None:
    shared = folder(tmp_path / "shared", 0o777)
    home = folder(shared / "home")
    assert f"chmod +t {shared}" in (ownership.fault(home) or "")
    assert f"chmod +t {shared}" in (ownership.fault_of_parents(shared) or "")
    shared.chmod(0o1777)
    assert ownership.fault(home) is None
    assert ownership.fault_of_parents(shared) is None


@as_root
def test_only_a_group_of_this_account_alone_may_write(tmp_path: Path) -> None:
    assert ownership.fault(folder(tmp_path / "ours", 0o775, group=0)) is None
    assert "chmod go-w" in (ownership.fault(folder(tmp_path / "shared", 0o775, group=OTHER.pw_gid)) or "")


@as_root
def test_a_list_of_rights_makes_no_group_private(tmp_path: Path) -> None:
    home = folder(tmp_path / "home", 0o775, group=0)
    entries = (1, 7, -1), (2, 7, OTHER.pw_uid), (4, 7, -1), (0x10, 7, -1), (0x20, 5, -1)
    listed = b"".join(struct.pack("<HHI", tag, rights, who % 2**32) for tag, rights, who in entries)
    try:
        os.setxattr(home, "system.posix_acl_access", struct.pack("<I", 2) + listed)
    except OSError as error:
        pytest.skip(f"this file system has no such lists: {error}")
    assert "chmod go-w" in (ownership.fault(home) or "")


@as_root
def test_the_owner_is_named_and_what_to_do(tmp_path: Path) -> None:
    parent = given(folder(tmp_path / "parent"))
    fault = ownership.fault(folder(parent / "home")) or ""
    assert fault.startswith(f"{parent} belongs to nobody")
    assert "chown" not in fault, "it is another account's own folder"
    fault = ownership.fault(given(folder(tmp_path / "home"))) or ""
    assert fault.endswith(f"chown root {tmp_path / 'home'}")
    assert "\n" not in fault


@as_root
def test_a_link_is_as_good_as_its_owner_and_as_where_it_leads(tmp_path: Path) -> None:
    home = folder(tmp_path / "home")
    link = tmp_path / "link"
    link.symlink_to("home")
    assert ownership.fault(link) is None
    given(link)
    assert f"{link} belongs to nobody" in (ownership.fault(link) or "")
    (tmp_path / "second").symlink_to(link)
    assert f"{link} belongs to nobody" in (ownership.fault(tmp_path / "second") or "")
    link.unlink()
    link.symlink_to(given(home))
    assert f"{home} belongs to nobody" in (ownership.fault(link) or "")
