"""Who acts on the command line, for the audit."""

import os
import pwd

from app.domain.audit import Actor


def actor() -> Actor:
    """Return the account of this process, whatever its environment says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in a container
        name = str(os.getuid())
    return Actor(id=f"cli:{name}")
