"""The rules of `app/docs/firewall.md`, in a network of their own: what they hold back, and whom they let alone."""

import pytest

from tests.proxies import flood


@pytest.fixture(scope="module")
def found() -> dict[str, int]:
    """What came through."""
    if why := flood.missing():
        pytest.skip(f"this machine lets no test have a network and nftables of its own: {why}")
    return flood.run()


def test_an_address_opens_so_many_connections_at_once_and_no_more(found: dict[str, int]) -> None:
    assert flood.BURST <= found["flood"] < flood.MANY
    assert found["flood"] + found["dropped"] >= flood.MANY


def test_another_address_opens_all_of_its_connections_beside_a_flood(found: dict[str, int]) -> None:
    assert found["other"] == flood.FEW


def test_a_trusted_address_and_another_port_have_no_limits(found: dict[str, int]) -> None:
    assert found["trusted"] == found["another port"] == flood.MANY


def test_packets_of_one_byte_are_dropped_but_no_byte_is_lost(found: dict[str, int]) -> None:
    assert found["bytes"] == found["trusted bytes"] == flood.PACKETS
    assert found["bytes dropped"] > 0 == found["trusted bytes dropped"]


def test_who_reads_a_long_response_is_not_held_back(found: dict[str, int]) -> None:
    assert found["acknowledgements dropped"] == 0


def test_other_protocols_at_the_same_port_have_no_limits(found: dict[str, int]) -> None:
    assert found["datagrams"] == flood.FEW + flood.BURST
