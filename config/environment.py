"""Reads the environment for `config.settings`: what production must name, what development makes for itself."""

import os
import secrets
from collections.abc import Callable, Iterable
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

LOOPBACK = ("127.0.0.1", "localhost", "::1")

# What production refuses to start without, and how a person makes each.
HOW_TO_MAKE = {
    "SECRET_KEY": 'python -c "import secrets; print(secrets.token_urlsafe(50))"',
    "CALSYNC_VAULT_KEYS": (
        'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        " (comma-separated; the first encrypts, all decrypt)"
    ),
    "DATABASE_URL": "postgres://USER:PASSWORD@HOST:5432/NAME",
    "REDIS_URL": "redis://:PASSWORD@HOST:6379/0",
    "ALLOWED_HOSTS": "the host names this site answers to, comma-separated",
    "CALSYNC_PUBLIC_URL": "https://calsync.example.com, the address Calendly can reach",
}


def require(names: Iterable[str]) -> None:
    """Refuse to start while a variable is unset or empty.

    Raises:
        ImproperlyConfigured: naming every missing variable and how to make it.
    """
    missing = [name for name in names if not os.environ.get(name, "").strip()]
    if missing:
        lines = [f"  {name}: {HOW_TO_MAKE[name]}" for name in missing]
        raise ImproperlyConfigured(
            "CALSYNC_ENV=production, and these variables are not set:\n" + "\n".join(lines)
        )


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret kept at `path`, made once; readable by its owner only.

    Several processes may start at the same moment, so the file appears complete (written aside, then
    linked) and the first one wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make() + "\n")
        try:
            os.link(aside, path)
        except FileExistsError:
            pass  # another process was first: use its secret
        finally:
            aside.unlink()
    return path.read_text().strip()


def make_secret_key() -> str:
    """Return a new value for SECRET_KEY."""
    return secrets.token_urlsafe(50)


def make_vault_key() -> str:
    """Return a new Fernet key."""
    return Fernet.generate_key().decode()


def check_vault_keys(keys: list[str]) -> None:
    """Refuse keys that Fernet cannot use.

    Raises:
        ImproperlyConfigured: telling which position is wrong, never the key.
    """
    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"CALSYNC_VAULT_KEYS: key {position} is not a Fernet key. "
                f"Make one: {HOW_TO_MAKE['CALSYNC_VAULT_KEYS']}"
            ) from error


def is_allowed_host(host: str, allowed: Iterable[str]) -> bool:
    """Tell whether `host` is in the allow-list; an entry that starts with a dot allows what ends with it."""
    host = host.lower()
    return any(
        host.endswith(entry) if entry.startswith(".") else host == entry for entry in allowed
    )


def check_base_address(name: str, address: str, allowed: Iterable[str]) -> None:
    """Refuse a provider's base address that production must not call.

    Raises:
        ImproperlyConfigured: when it is not https, or its host is not in the allow-list.
    """
    parts = urlsplit(address)
    if parts.scheme != "https":
        raise ImproperlyConfigured(f"{name} must start with https:// in production.")
    if not is_allowed_host(parts.hostname or "", allowed):
        raise ImproperlyConfigured(
            f"{name}: the host {parts.hostname!r} is not one Calsync may call. "
            "If it is right, add it to CALSYNC_OUTBOUND_ALLOWED_HOSTS."
        )


def check_extra_hosts(hosts: Iterable[str]) -> None:
    """Refuse to let production call itself.

    Raises:
        ImproperlyConfigured: when an added host is a loopback one.
    """
    loopback = [host for host in hosts if _is_loopback(host)]
    if loopback:
        raise ImproperlyConfigured(
            f"CALSYNC_OUTBOUND_ALLOWED_HOSTS: {', '.join(loopback)} is not allowed in production."
        )


def _is_loopback(host: str) -> bool:
    this_machine = {"0.0.0.0", "::", *LOOPBACK}  # noqa: S104 - compared, not bound
    return host in this_machine or host.startswith("127.") or host.endswith(".localhost")


def check_time_of_day(name: str, value: str) -> None:
    """Refuse what is no time of day.

    Raises:
        ImproperlyConfigured: when it is not written like 02:00.
    """
    try:
        time.fromisoformat(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a time of day such as 02:00 (UTC).") from error
