"""The rules of `app/docs/firewall.md`, in a network namespace of this process."""

import ctypes
import os
import re
import shutil
import subprocess

from tests.support.clusters import ROOT

PAGE = ROOT / "app" / "docs" / "firewall.md"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, of sched.h
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def enter_namespace() -> None:
    """Put this process, and those it will start, into a network of their own, of loopback alone. Needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network namespace could be made")
    bring_up()


def bring_up(*addresses: str) -> None:
    """Bring up loopback in the network of this process, with further addresses."""
    for words in (["link", "set", "lo", "up"], *(["address", "add", each, "dev", "lo"] for each in addresses)):
        subprocess.run([_program("ip"), *words], check=True)


def load(*ports: int) -> None:
    """Load the rules for ports of loopback, which they limit then as they do other networks."""
    found = re.search(r"^    table inet rowline\n(?:    .*\n)+", PAGE.read_text(), re.MULTILINE)
    assert found, f"{PAGE} has no rules"
    rules = found[0]
    listed = f"elements = {{ {', '.join(map(str, ports))} }}"
    for old, new in {"elements = { 8080 }": listed, 'iifname "lo" accept\n': "\n"}.items():
        assert old in rules
        rules = rules.replace(old, new)
    subprocess.run([_program("nft"), "-f", "-"], input=rules, text=True, check=True)


def dropped() -> dict[str, int]:
    """Return how many packets each rule has dropped, by the name of its set."""
    listed = subprocess.run(
        [_program("nft"), "list", "table", "inet", "rowline"], stdout=-1, text=True, check=True
    ).stdout
    rules = re.findall(r"update @(\w+) .*counter packets (\d+)", listed)
    return {name: int(count) for name, count in rules}


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is not installed"
    return found
