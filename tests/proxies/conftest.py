"""Without an nginx, as `make proxies` names it, none of these tests is one."""

import os

from tests.proxies.__main__ import VARIABLE

collect_ignore_glob = [] if VARIABLE in os.environ else ["test_*.py"]
