"""Measures "add to start" once for each line of standard input, and prints the median in ms.

Run with the interpreter and the modules of the checkout that is measured, which may be an older one.
"""

import os
import sys

from app.infra import settings
from tests.bench import place, starting


def main() -> None:
    """Say "ready" when the service is on; go on until the end of the input."""
    chosen = settings.from_env(os.environ)
    with place.opened(chosen, seconds=1, backlog=1) as on, starting.idle(on) as api:
        print("ready", flush=True)
        for _ in sys.stdin:
            print(starting.measured(on, api).value, flush=True)


if __name__ == "__main__":
    main()
