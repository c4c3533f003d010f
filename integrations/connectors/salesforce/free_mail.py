"""The domain that a company is known by: not that of an address where anybody may have a mailbox."""

import re

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:www\.)?([^/:?#\s]+)", re.IGNORECASE)
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def company_domain(email: str, *, free_mail: frozenset[str]) -> str:
    """Return the domain by which the person's company may be known; nothing for a free mailbox or no domain."""
    domain = email.strip().casefold().rpartition("@")[2]
    return domain if _DOMAIN.fullmatch(domain) and domain not in free_mail else ""


def website_domain(website: str) -> str:
    """Return the domain of an Account's website, however it is written, without `www.`."""
    found = _HOST.match(website.strip())
    return found.group(1).casefold() if found else ""
