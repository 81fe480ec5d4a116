"""The wall clock of the service and of its database while pictures are made: it shows one moment, and stands still."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import libfaketime

NOW = datetime(2026, 11, 27, 14, 32, 10, tzinfo=UTC)
"""The moment of all pictures."""
LOOKED_AT_S = 3.0
"""Within what time programs have read what the clock shows: they look once in one or two seconds."""


class Clock:
    """A clock for programs that begin with its environment. Timers go by the monotonic clock, which runs as ever."""

    def __init__(self, folder: Path) -> None:
        """Run, so that the moment of the pictures is a minute away."""
        self._file, library = folder / "clock", folder / "libfaketime.so.1"
        [there] = Path(libfaketime.__file__).parent.rglob("libfaketime.so.1")
        shutil.copy(there, library)  # to where the account of the server can read it
        self._set(f"{NOW.timestamp() - 60 - time.time():+.0f}")
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }

    def stop(self) -> None:
        """Show the moment of the pictures from now on, in all programs."""
        self._set(f"{NOW:%Y-%m-%d %H:%M:%S}")
        time.sleep(LOOKED_AT_S)

    def _set(self, shown: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(shown)
        new.rename(self._file)
