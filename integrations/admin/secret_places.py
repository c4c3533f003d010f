"""Where a connection's stored secrets would go by its new settings: to no other host than the one they were entered for.

Who may edit a connection never sees its secrets, and could otherwise have them sent to a host of their own.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from integrations.options import Options

_PORTS = {"https": 443, "http": 80}

SecretHosts = Mapping[str, frozenset[str]]
#: A secret, the place that it was entered for (empty where there was none), the one where it would go, and the setting.
Moved = tuple[str, str, str, str]


def moved(
    secret_hosts: SecretHosts,
    model: type[Options] | None,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Iterator[Moved]:
    """Yield each secret that would go elsewhere, once."""
    told: set[str] = set()
    old, new = _complete(model, before), _complete(model, after)
    for setting, secrets in secret_hosts.items():
        was, is_now = place(old.get(setting)), place(new.get(setting))
        if is_now and is_now != was:
            yield from ((name, was, is_now, setting) for name in sorted(secrets - told))
            told |= secrets


def place(address: object) -> str:
    """Return what a secret is bound to: of a web address scheme, host and port, of anything else all of it."""
    text = str(address or "").strip().lower()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return text
    if not host:
        return text
    shown = "" if port == _PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _complete(model: type[Options] | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings with what holds where they say nothing; as they are where they say it wrong."""
    try:
        return model.model_validate(values).model_dump() if model else values
    except ValidationError:
        return values
