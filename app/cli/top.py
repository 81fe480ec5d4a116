"""`rowline top`: the queues, those first that need attention, again and again until q or Ctrl-C."""

import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len, set_cell_size
from rowline.errors import Unavailable

from app.cli import columns, output, service
from app.cli.service import Reply, Service
from app.domain.queue import DRAIN_WINDOW

QUEUES_MAX = 1_000
INTERVAL_S = 2.0
LINES_BESIDE = 3
"""The lines of the screen that are no queue."""
HEAD = ("QUEUE", "READY", "ACTIVE", "DELAY", "FAILED", "IN/S", "OUT/S", "ERR/S", "OLDEST", "DRAIN", "WORK")
WIDTHS = (6, 6, 6, 6, 5, 5, 5, 6, 5, 4)
"""Of the columns behind the name, which has what is left."""
_NAME_LEAST = 8
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST, _LINE_REST = "\x1b[H", "\x1b[J", "\x1b[K"
_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0))


@click.command()
@click.option("--pattern", default="*", help="Only these queues: a name, in which * stands for any characters.")
@click.option("--interval", type=click.FloatRange(0.5, 3600), default=INTERVAL_S, show_default=True, help="In s.")
@click.option("--once", is_flag=True, help="Print it once, whole, and end.")
@output.as_json
def top(*, pattern: str, interval: float, once: bool, as_json: bool) -> None:
    """Show the queues, those with the oldest ready job first; q ends it.

    READY: waiting and prioritized. DELAY: delayed. IN, OUT and ERR: added, completed and failed jobs a second, of 5
    minutes. OLDEST: for how long a job is ready. DRAIN: how long the ready ones take at that pace. WORK: workers. A
    paused queue has a (p).
    """
    if as_json and not once:
        raise click.UsageError("--json needs --once; `rowline queues list --json --watch` goes on")
    with service.opened() as api:
        if as_json:
            output.show(_queues(api, pattern), as_json=True)
            return
        if once:
            for line in _screen(_read(api, pattern), width=shutil.get_terminal_size().columns, height=None):
                print(line)
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise click.UsageError("top needs a terminal, or --once")
        with _own_screen():
            _go_on(api, pattern, interval)


def _go_on(api: Service, pattern: str, interval: float) -> None:
    """Draw it again and again until q or Ctrl-C. A service that is away is waited for."""
    while True:
        size = shutil.get_terminal_size()
        try:
            lines = _screen(_read(api, pattern), width=size.columns, height=size.lines)
        except Unavailable as error:
            lines = [columns.printable(f"{error.message}; trying again"[: size.columns])]
        sys.stdout.write(_HOME + f"{_LINE_REST}\r\n".join(lines) + _LINE_REST + _REST)
        sys.stdout.flush()
        if _is_left(interval):
            return


def _is_left(within_s: float) -> bool:
    """Wait; return whether q was pressed meanwhile, or Ctrl-C. Any other key draws it at once."""
    try:
        ready, _, _ = select.select([sys.stdin], [], [], within_s)
        return bool(ready) and os.read(sys.stdin.fileno(), 1024)[:1] in {b"", b"q", b"Q", b"\x03", b"\x04"}
    except KeyboardInterrupt:
        return True


@contextmanager
def _own_screen() -> Iterator[None]:
    """Take keys one by one, on a screen of its own; leave the terminal as it was, however the block ends."""
    before = termios.tcgetattr(sys.stdin)
    kept = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setcbreak(sys.stdin)
        sys.stdout.write(_ENTER)
        yield
    except KeyboardInterrupt:
        return
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        for number, handler in kept.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> None:
    """End the process, by way of what puts the terminal in order."""
    sys.exit(128 + number)


def _read(api: Service, pattern: str) -> tuple[list[Mapping[str, Any]], int]:
    """Return up to QUEUES_MAX queues, those first whose jobs have been ready longest, and how many there are."""
    found = [reply.members for reply in _queues(api, pattern)]
    count = len(found)
    if count == QUEUES_MAX:
        count = api.get("/queues", pattern=pattern, length=0).members["count"]
    return found, count


def _queues(api: Service, pattern: str) -> list[Reply]:
    found = api.listed("/queues", "queues", most=QUEUES_MAX, pattern=pattern)
    return sorted(found, key=lambda one: (one.members.get("oldestReadyOn", float("inf")), one.members["name"]))


def _screen(read: tuple[Sequence[Mapping[str, Any]], int], *, width: int, height: int | None) -> list[str]:
    """Return the lines of a screen; `height` None: all queues."""
    found, count = read
    now = datetime.now(UTC)
    shown = found if height is None else found[: max(0, height - LINES_BESIDE)]
    ready, active = sum(map(_ready, found)), sum(one["counts"].get("active", 0) for one in found)
    head = f"rowline top  {now:%H:%M:%S}Z  {count:,} queues  {ready:,} ready  {active:,} active"
    lines = [head, _row(HEAD, width)]
    lines += [_row(_of_queue(one, now.timestamp() * 1000), width) for one in shown]
    if (left := count - len(shown)) > 0:
        lines.append(f"{left:,} more queues; --pattern shows others")
    return [_cut(line, width) for line in lines]


def _of_queue(queue: Mapping[str, Any], now_ms: float) -> tuple[str, ...]:
    counts, rates = queue["counts"], queue["rates"][f"{DRAIN_WINDOW}m"]
    numbers = (_ready(queue), *(counts.get(status, 0) for status in ("active", "delayed", "failed")))
    oldest = queue.get("oldestReadyOn")
    return (
        f"{queue['name']} (p)" if queue["paused"] else queue["name"],
        *map(_short, numbers),
        *(_rate(rates[what]) for what in ("added", "completed", "failed")),
        "-" if oldest is None else _long((now_ms - oldest) / 1000),
        _long(queue["drainMs"] / 1000) if "drainMs" in queue and _ready(queue) else "-",
        _short(queue.get("workers") or 0),
    )


def _ready(queue: Mapping[str, Any]) -> int:
    counts = queue["counts"]
    return int(counts.get("waiting", 0) + counts.get("prioritized", 0))


def _row(cells: Sequence[str], width: int) -> str:
    """Return a line of columns: the name first, cut to what the numbers leave of the width."""
    name, *numbers = cells
    room = max(_NAME_LEAST, width - sum(WIDTHS) - len(WIDTHS))
    return _cut(columns.printable(name), room) + "".join(
        f" {number:>{wide}}" for number, wide in zip(numbers, WIDTHS, strict=True)
    )


def _cut(text: str, width: int) -> str:
    """Return a text in so many cells of the terminal: some characters take two."""
    return set_cell_size(text, width) if cell_len(text) > width else text + " " * (width - cell_len(text))


def _short(number: int) -> str:
    """Return a number in six characters."""
    for unit, size in (("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)):
        if number >= size * (10 if unit == "k" else 1):
            return f"{number / size:.1f}{unit}"
    return str(number)


def _rate(a_second: float) -> str:
    return _short(round(a_second)) if a_second >= 100 else f"{a_second:.1f}"  # noqa: PLR2004 - more digits say nothing


def _long(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    unit, size = next((one for one in _UNITS if seconds >= one[1]), _UNITS[-1])
    return f"{max(0.0, seconds) / size:.0f}{unit}"
