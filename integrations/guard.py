"""Where a request to an address that staff entered may go: out to the internet, and inside only where it is listed.

`check_url` judges how it is written, `resolve` where it leads; `integrations.guarded` connects to what was judged.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from django.conf import settings

from integrations.errors import ConfigurationError

#: Where a host that is not listed may be asked.
PORTS = frozenset({443, 8443})
LONGEST = 2_000
_MOST_ADDRESSES = 4
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
#: What a browser takes for an IPv4 address, however it is written. Source: https://url.spec.whatwg.org/#ends-in-a-number-checker
_NUMBER_AT_THE_END = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)$")


def _networks(*names: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, names))


#: A cloud machine's own keys and names, which nobody has a reason to be sent to.
_METADATA = _networks(
    "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254"
)  # fmt: skip
_LOOPBACK = _networks("127.0.0.0/8", "::1")
_INTERNAL = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
#: Source: https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry
_SPECIAL = _networks(
    "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)  # fmt: skip
#: Outside of it lie IPv4 addresses in disguise (mapped, NAT64), link-local, multicast and what nobody was given.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


def is_listed(host: str, allowed: Iterable[str]) -> bool:
    """Tell whether `host` is in an allow-list; an entry that starts with a dot allows what ends with it."""
    return any(
        host.endswith(entry) if entry.startswith(".") else host == entry for entry in allowed
    )


def check_url(url: str) -> None:
    """Refuse an address by how it is written; nobody is asked.

    Raises:
        ConfigurationError: with what to write instead.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _refused(
            "The address holds characters that no address has.",
            "Write a name with other letters as xn--..., and no blanks.",
        )
    if len(url) > LONGEST:
        raise _refused("The address is too long.", f"Use one of up to {LONGEST} characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("The address cannot be read.") from None
    if "@" in parts.netloc:
        raise _refused(
            "The address holds a user name or password.", "Leave out what stands before the @."
        )
    if parts.scheme not in {"https", "http"}:
        raise _refused("The address does not begin with https://.")
    check_place(
        host, port or (443 if parts.scheme == "https" else 80), secure=parts.scheme == "https"
    )


def checked_url(url: str) -> str:
    """Return an address that `check_url` lets pass, for the models of settings and options.

    Raises:
        ValueError: with what to write instead.
    """
    try:
        check_url(url)
    except ConfigurationError as error:
        raise ValueError(error.answer.rstrip(".")) from error
    return url


def check_place(host: str, port: int, *, secure: bool) -> None:
    """Refuse a host that is no plain name or IP address, and a port or a connection without TLS where it is not listed.

    Raises:
        ConfigurationError: with what to do.
    """
    if _as_address(host) is not None:
        _check_address(host, host)
    elif not _is_name(host):
        raise _refused(
            f"{host or 'Nothing'!r} is no host name.", "Write it as example.com, or 192.0.2.1."
        )
    if is_listed(host, settings.OUTBOUND_ALLOWED_HOSTS):
        return
    if not secure:
        raise _refused(
            f"{host} would be called without encryption.", f"Use https://, or {_how_to_list(host)}."
        )
    if port not in PORTS:
        raise _refused(
            f"Port {port} of {host} is not one that may be called.",
            f"Use port {' or '.join(map(str, sorted(PORTS)))}, or {_how_to_list(host)}.",
        )


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a host, every one of them judged.

    Raises:
        ConfigurationError: one of them is no place to send to.
        OSError: the name cannot be resolved now.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        _check_address(host, address)
    return addresses[:_MOST_ADDRESSES]


def _check_address(host: str, address: str) -> None:
    kind = _kind_of(ipaddress.ip_address(address))
    listed = is_listed(host, settings.OUTBOUND_ALLOWED_HOSTS)
    # A name that is listed may lead to another machine inside, but to this one only where it says so itself.
    own_name = host == "localhost" or _as_address(host) is not None
    if kind == "" or (listed and (kind == "internal" or (kind == "loopback" and own_name))):
        return
    place = host if host == address else f"{host} leads to {address}, which"
    if kind == "special" or listed:
        raise _refused(f"{place} is no place to send to.")
    raise _refused(
        f"{place} is not on the internet.",
        f"If it is a system of yours, {_how_to_list(host)}; otherwise correct the address.",
    )


def _kind_of(address: _Address) -> str:
    """Return nothing for an address on the internet, else `loopback`, `internal` or `special`."""
    if _within(address, _METADATA):
        return "special"
    if _within(address, _LOOPBACK):
        return "loopback"
    if _within(address, _INTERNAL):
        return "internal"
    outside = isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST
    return "special" if outside or _within(address, _SPECIAL) else ""


def _within(
    address: _Address, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    return any(address in network for network in networks)


def _is_name(host: str) -> bool:
    return bool(_NAME.fullmatch(host)) and len(host) <= 253 and not _NUMBER_AT_THE_END.search(host)


def _as_address(host: str) -> _Address | None:
    """Return the IP address that `host` is, in the one spelling that everybody reads alike."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else found


def _how_to_list(host: str) -> str:
    return f"let an administrator add {host} to CALSYNC_OUTBOUND_ALLOWED_HOSTS"


def _refused(message: str, hint: str = "") -> ConfigurationError:
    return ConfigurationError(
        message, hint=hint or "Correct the address: it looks like https://example.com/hook."
    )
