"""Whether descriptors have run out, of the process or the machine: no fault of the endpoint that was to be called."""

import errno
import os

_NONE_LEFT = {errno.EMFILE, errno.ENFILE}


class OutOfDescriptors(Exception):
    """The process or the machine can open no more files: no call was sent, and it says nothing about the endpoint."""


def caused(error: OSError) -> bool:
    """Return whether `error` was raised because no descriptor could be opened."""
    return error.errno in _NONE_LEFT


def are_left() -> bool:
    """Return whether one can be opened now: without, libc's resolver says that a name is unknown or a device busy."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return not caused(error)
    return True
