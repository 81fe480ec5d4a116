"""Without a Prometheus, as `make prometheus` names it, the tests that need one are none."""

import os

from tests.monitoring.__main__ import VARIABLE

collect_ignore_glob = [] if VARIABLE in os.environ else ["test_console.py", "test_prometheus.py"]
