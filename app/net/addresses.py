"""Which addresses the service may call: public ones, and those that the operator allows (SSRF protection)."""

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = frozenset({80, 443})
FREE_PORTS_FROM = 1024
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
"""The global unicast range. Mapped (::ffff:0:0/96), compatible, NAT64 (64:ff9b::/96), unique local, link-local,
site-local and multicast addresses are outside of it."""
# Clouds serve metadata to their machines at link-local addresses (169.254.169.254; AWS also 169.254.170.2, Scaleway
# 169.254.42.42, Tencent 169.254.0.23), at 100.100.100.200 (Alibaba), 192.0.0.192 (Oracle), fd00:ec2::254 (AWS) and
# fd20:ce::254 (Google), none of which is public. One more address of that kind is in a public range:
# 168.63.129.16, of Azure, https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_CLOSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a carrier's NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform: virtual, of the host of the machine
        "169.254.0.0/16",  # link-local, and the metadata of cloud machines
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID and others
        "2001:db8::/32",
        "2002::/16",  # 6to4: it embeds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_URL = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?=.{1,253}\.?\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_BRACKETED = re.compile(r"\[[^\[\]]*:[^\[\]]*\](:[0-9]*)?")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


def is_open(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether `address` may be called: it is public, or in an allowed network."""
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if address.version == 6 and address not in _PUBLIC_6:  # noqa: PLR2004 -- the version
        return False
    return not any(address.version == network.version and address in network for network in _CLOSED)


def port_is_open(port: int) -> bool:
    """Return whether `port` may be called: 80, 443, and unprivileged ports, which no system service listens on."""
    return port in PORTS or FREE_PORTS_FROM <= port <= 65535  # noqa: PLR2004 -- the last port


def literal(host: str) -> Address | None:
    """Parse a host that is an address in any notation that a resolver accepts: `127.1`, `0x7f000001`, `[::1]`, `①.1`.

    Returns None for a name. Raises ValueError for a host that ends in a number but is not an address.
    """
    plain = unicodedata.normalize("NFKC", host).replace("\N{IDEOGRAPHIC FULL STOP}", ".").strip("[]")
    if ":" in plain:
        return ipaddress.IPv6Address(plain.partition("%")[0])
    parts = plain.removesuffix(".").split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):  # noqa: PLR2004 -- four bytes
        raise ValueError("is no address, and no name ends in a number")
    *head, tail = [_number(part) for part in parts]
    if any(number > 255 for number in head) or tail >= 256 ** (4 - len(head)):  # noqa: PLR2004 -- bytes
        raise ValueError("is no address, and no name ends in a number")
    return ipaddress.IPv4Address(sum(number << 8 * (3 - place) for place, number in enumerate(head)) + tail)


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    if len(text) > 1 and text.startswith("0"):
        return int(text, 8)  # octal, as for inet_aton; 08 is invalid
    return int(text)


def url_fault(url: str, *, allowed: Sequence[Network]) -> str | None:
    """Return why `url` must not be called, as a predicate; None if it may, as far as the URL itself shows."""
    if not _URL.fullmatch(url):
        return "must be printable ASCII without spaces: write other letters percent-encoded, and in the host as xn--"
    if "\\" in url or "#" in url:
        return "must not contain a backslash or a fragment"
    try:
        parts = urlsplit(url)
        port = port_of(parts)
    except ValueError:
        return "is not a URL"
    return _place_fault(parts, port) or _host_fault(parts, allowed)


def _place_fault(parts: SplitResult, port: int) -> str | None:
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return "must begin with http:// or https:// and a host"
    if "@" in parts.netloc:
        return "must not contain a user or a password: send credentials in headers"
    if not port_is_open(port):
        return f"must have port 80, 443 or one from {FREE_PORTS_FROM}, not {port}"
    return None


def _host_fault(parts: SplitResult, allowed: Sequence[Network]) -> str | None:
    host = parts.hostname or ""
    if ("[" in parts.netloc or "]" in parts.netloc) and not _BRACKETED.fullmatch(parts.netloc):
        return (
            "has a host that is neither a name nor an address"  # what urlsplit reads of it, others may read otherwise
        )
    try:
        address = literal(host)
    except ValueError:
        return "has a host that is neither a name nor an address"
    if f".{host.removesuffix('.')}".endswith(".localhost"):
        address = ipaddress.IPv4Address("127.0.0.1")
    if address is None and not _HOST.fullmatch(host):
        return "has a host that is neither a name nor an address"
    if address is not None and "%" in host:
        return "must not name a zone"
    if address is not None and not is_open(address, allowed):
        return "must have a public host: this one is private, reserved or of this machine"
    return None


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL, or the default port of its scheme."""
    return parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80
