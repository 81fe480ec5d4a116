"""A model of a queue in memory, and the service beside it."""

import pytest

pytest.register_assert_rewrite("tests.model.machine")
