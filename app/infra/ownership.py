"""Whose folders and files are: whether another account could change them, or put others in their place."""

import grp
import os
import pwd
import stat
from pathlib import Path


def fault(folder: Path) -> str | None:
    """Return why other accounts could change what is in `folder`, and what to do; None if they could not.

    `folder` exists. Links are followed, to each of the folders that they lead through. Raises OSError.
    """
    return _fault(folder, is_parent=False)


def fault_of_parents(folder: Path) -> str | None:
    """Return the same of an existing folder in which one is to be made: there a sticky bit is enough, as /tmp has."""
    return _fault(folder, is_parent=True)


def fault_of_file(state: os.stat_result, path: Path) -> str | None:
    """Return why the file at `path`, of which `state` was read, cannot be trusted; None if it can be."""
    if is_trusted(state.st_uid):
        return None
    return (
        f"{path} belongs to {_account(state.st_uid)}, who could have put anything there. "
        f"Move it away, or, if you know what is in it, make it yours: chown {_account(os.geteuid())} {path}"
    )


def is_trusted(uid: int) -> bool:
    """Return whether an account could change everything here anyway: this one, root, and the owner of `/`.

    The last stands for root in a user namespace that does not map it.
    """
    return uid in {os.geteuid(), 0, Path("/").stat().st_uid}


def _fault(path: Path, *, is_parent: bool) -> str | None:
    for step in [*reversed(path.parents), path]:
        state, passed = step.lstat(), is_parent or step != path
        if not is_trusted(state.st_uid):
            return _of_owner(step, _account(state.st_uid), passed=passed)
        if stat.S_ISLNK(state.st_mode):
            found = _fault(step.parent / step.readlink(), is_parent=passed)
        else:
            found = _of_mode(step, state, passed=passed)
        if found:
            return found
    return None


def _of_owner(step: Path, owner: str, *, passed: bool) -> str:
    if passed:
        other = f"or run this as {owner}"
    else:
        other = (
            f"run this as {owner}, or, if you know all that is in it, make it yours: "
            f"chown {_account(os.geteuid())} {step}"
        )
    return (
        f"{step} belongs to {owner}, who could change what Rowline trusts in it. "
        f"Choose another folder with ROWLINE_HOME, {other}"
    )


def _of_mode(step: Path, state: os.stat_result, *, passed: bool) -> str | None:
    """Return what is wrong if others may write. In a sticky folder they cannot move or remove what is not theirs."""
    is_private = not _has_acl(step) and _is_private(state.st_gid)
    is_writable = state.st_mode & stat.S_IWOTH or (state.st_mode & stat.S_IWGRP and not is_private)
    if not is_writable or (passed and state.st_mode & stat.S_ISVTX):
        return None
    ways = f"chmod go-w {step}" + (f", or chmod +t {step}" if passed else "")
    return (
        f"other accounts can write {step} (mode {stat.S_IMODE(state.st_mode):04o}), and so change what Rowline trusts "
        f"in it. Close it ({ways}), or choose another folder with ROWLINE_HOME"
    )


def _has_acl(folder: Path) -> bool:
    """Return whether a list gives rights to accounts beside the owner: the mode of the group is their bound then."""
    try:
        return "system.posix_acl_access" in os.listxattr(folder)
    except (OSError, AttributeError):  # a file system, or a system, without them
        return False


def _is_private(gid: int) -> bool:
    """Return whether a group is that of root, or of this account alone: where these are, its folders are often 0775."""
    try:
        us, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return gid == 0
    is_own = (group.gr_gid, group.gr_name) == (us.pw_gid, us.pw_name)
    members = {*group.gr_mem}
    if is_own and gid:  # some systems have accounts for halting and the like in that of root
        members |= {one.pw_name for one in pwd.getpwall() if one.pw_gid == gid}
    return (gid == 0 or is_own) and members <= {"root", us.pw_name}


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
