"""Databases of many rows, which take longer to fill than to copy."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.support import databases

Copied = Callable[[Callable[[str, int], None], int], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def copied(server_url: str, template: str) -> Iterator[Copied]:
    """Copy a database that a function has filled to a size, which it does once for the tests of a module."""
    filled: dict[tuple[Callable[[str, int], None], int], str] = {}
    with ExitStack() as stack:

        def copy(fill: Callable[[str, int], None], size: int) -> AbstractContextManager[str]:
            if (fill, size) not in filled:
                url = stack.enter_context(databases.fresh(server_url, template=template))
                fill(url, size)
                filled[fill, size] = databases.name_of(url)
            return databases.fresh(server_url, template=filled[fill, size])

        yield copy
