"""What `test_firewall.py` runs in a network of its own: floods from loopback's addresses, and what came through."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time

from tests.support import firewall

FLOOD, OTHER, TRUSTED = "127.0.0.2", "127.0.0.3", "10.0.0.1"
BURST = 200
"""Connections that an address may open at once, by the page."""
MANY, FEW = 600, 100
"""Connections at once, over and under what an address may open."""
PACKETS = 200_000
"""Bytes sent one by one: the kernel may put ten into a packet."""
WITHIN_S = 0.5
"""The kernel sends the first packet of a connection again after a second: what has not come by then was dropped."""


def opened(port: int, address: str, wanted: int) -> int:
    """Open so many connections at once; return how many are open before any is tried again."""
    with contextlib.ExitStack() as stack:
        tried = [stack.enter_context(socket.socket()) for _ in range(wanted)]
        for each in tried:
            each.bind((address, 0))
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.connect(("127.0.0.1", port))
        time.sleep(WITHIN_S)
        return sum(_is_open(each) for each in tried)


def _is_open(connection: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        return bool(connection.getpeername())
    return False


def datagrams(port: int, address: str, wanted: int) -> int:
    """Send so many datagrams, each from a socket of its own; return how many arrived before one did not."""
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        reader.bind(("127.0.0.1", port))
        reader.settimeout(WITHIN_S)
        count = 0
        for _ in range(wanted):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((address, 0))
                sender.sendto(b"a", reader.getsockname())
            try:
                count += len(reader.recv(1))
            except TimeoutError:
                break
        return count


def dripped(port: int, address: str) -> tuple[int, int]:
    """Send packets of one byte; return how many bytes arrived in the end, and how many packets were dropped."""
    before, arrived = _small_dropped(), 0
    with socket.create_server(("127.0.0.1", port)) as listener, socket.socket() as connection:
        connection.bind((address, 0))
        connection.connect(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender = threading.Thread(target=lambda: [connection.send(b"a") for _ in range(PACKETS)])
        sender.start()
        with listener.accept()[0] as reader:
            while arrived < PACKETS:
                arrived += len(reader.recv(PACKETS))
        sender.join()
    return arrived, _small_dropped() - before


def _small_dropped() -> int:
    dropped = firewall.dropped()
    return dropped["pushed"] + dropped["small"]


def read(port: int, address: str) -> int:
    """Read a long response, with acknowledgements only; return how many of these packets were dropped."""
    before, wanted = _small_dropped(), 50 * 2**20
    with socket.create_server(("127.0.0.1", port)) as listener, socket.socket() as connection:
        connection.bind((address, 0))
        connection.connect(("127.0.0.1", port))
        with listener.accept()[0] as answerer:
            sender = threading.Thread(target=answerer.sendall, args=(b"x" * wanted,))
            sender.start()
            while wanted:
                wanted -= len(connection.recv(2**16))
            sender.join()
    return _small_dropped() - before


def main() -> None:
    """Flood, and print what came through."""
    firewall.bring_up(TRUSTED)
    with socket.create_server(("127.0.0.1", 0), backlog=2 * MANY) as listener:
        port = listener.getsockname()[1]
        firewall.load(port)
        found = {
            "flood": opened(port, FLOOD, MANY),
            "other": opened(port, OTHER, FEW),
            "trusted": opened(port, TRUSTED, MANY),
        }
        found["dropped"] = firewall.dropped()["opened"]
    found["bytes"], found["bytes dropped"] = dripped(port, OTHER)
    found["acknowledgements dropped"] = read(port, OTHER)
    found["trusted bytes"], found["trusted bytes dropped"] = dripped(port, TRUSTED)
    firewall.load(port)
    found["datagrams"] = datagrams(port, FLOOD, FEW + BURST)
    with socket.create_server(("127.0.0.1", 0), backlog=2 * MANY) as listener:
        found["another port"] = opened(listener.getsockname()[1], FLOOD, MANY)
    json.dump(found, sys.stdout)


def missing() -> str:
    """Return what this machine lacks for `run`, in the words of the program that was refused; nothing if it has all."""
    script = "from tests.support import firewall; firewall.bring_up(); firewall.load(1)"
    tried = subprocess.run([*_alone(), "-c", script], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else tried.stderr.strip()[-300:] or "no network of its own"


def run() -> dict[str, int]:
    """Run this file in a network of its own, as its root."""
    ended = subprocess.run([*_alone(), "-m", "tests.proxies.flood"], stdout=-1, text=True, check=True)
    return dict(json.loads(ended.stdout))


def _alone() -> list[str]:
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", "--net", *as_root, sys.executable]


if __name__ == "__main__":
    main()
