"""Which mail server may be called, and how it is named."""

import ipaddress

from django.conf import settings as installation

from integrations.connectors.email.options import EmailSettings
from integrations.errors import ConfigurationError

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


def require_allowed(settings: EmailSettings) -> None:
    """Refuse a server of this machine where none may be called, and mail that leaves it readable for all.

    Raises:
        ConfigurationError: the server may not be used.
    """
    host = settings.host.strip("[]").lower()
    near = is_near(host)
    if near and host not in installation.OUTBOUND_ALLOWED_HOSTS:
        raise ConfigurationError(
            f"{settings.host} is this machine or its own network link, which this installation does not call.",
            hint="Name the mail server, or add the host to CALSYNC_OUTBOUND_ALLOWED_HOSTS.",
        )
    if settings.security == "none" and not near:
        raise ConfigurationError(
            f"Mail to {settings.host} would travel unencrypted.",
            hint="Set security to starttls (port 587) or tls (port 465).",
        )


def is_near(host: str) -> bool:
    """Tell whether a host is this machine, or an address that only this machine's link has."""
    if host in _LOCAL_NAMES or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # Spellings such as 127.1 or 2130706433, which are no names of hosts.
        return host.replace(".", "").isdigit() or host.startswith("0x")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified


def server_url(settings: EmailSettings) -> str:
    """Return the server's address, without anything secret."""
    scheme = "smtps" if settings.security == "tls" else "smtp"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}"
