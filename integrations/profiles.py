"""Who we are at a provider: asked, and stored with the connection, which belongs to one organization for good.

A connection to a target belongs to it from the first record on that was written there.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime

from django.conf import settings
from django.db import transaction

from integrations import breaker, grants
from integrations.connectors.base import Requirement
from integrations.errors import ConfigurationError
from integrations.granting import Profile
from integrations.models import Connection
from integrations.sources.base import get_source


def introduce(connection: Connection, *, now: datetime) -> None:
    """Ask the provider who we are there, unless it is known.

    Raises:
        IntegrationError: as `refresh`.
    """
    if not connection.profile.get("user_uri"):
        refresh(connection, now=now)


def refresh(connection: Connection, *, now: datetime) -> Profile:
    """Ask the provider who we are there, and store it; a connection that it refuses is paused.

    Raises:
        IntegrationError: it does not answer, or refuses us, or we are in another organization now.
    """
    connection.refresh_from_db()
    try:
        profile = get_source(connection.provider).describe(connection.open_account())
        keep(connection, profile)
    except ConfigurationError as error:
        breaker.pause(connection, now=now, reason=str(error), hint=error.hint)
        raise
    connection.refresh_from_db()
    return profile


@transaction.atomic
def keep(
    connection: Connection,
    profile: Profile | None,
    *,
    put: Callable[[Connection], None] | None = None,
) -> None:
    """Store a profile where there is one, and what `put` changes of the locked row with it.

    Raises:
        ConfigurationError: it is another organization than the mirror's rows came from, or went to, or the connection
            is gone.
    """
    row = Connection.objects.select_for_update().filter(pk=connection.pk).first()
    if row is None:
        raise deleted_meanwhile()
    if profile:
        _require_same(row, profile)
        row.profile = asdict(profile)
    if put:
        put(row)
    row.save(update_fields=grants.GRANT_FIELDS)


def keep_requirements(
    connection: Connection, found: Sequence[Requirement], *, now: datetime
) -> None:
    """Store what our settings need of the account, for the connection's page; nothing found keeps what was."""
    if found:
        items = [asdict(item) for item in found]
        kept = {"at": now.isoformat(), "items": items}
        Connection.objects.filter(pk=connection.pk).update(requirements=kept)


def keep_check(connection: Connection, *, ok: bool, said: str, now: datetime) -> None:
    """Store what a test of the connection found, for its page."""
    kept = {"at": now.isoformat(), "ok": ok, "said": said}
    Connection.objects.filter(pk=connection.pk).update(last_check=kept)


def deleted_meanwhile() -> ConfigurationError:
    """Return what to say where a connection went while a person was away to connect it."""
    return ConfigurationError("The connection was deleted meanwhile.", hint="Add it anew, then connect it.")  # fmt: skip


def _require_same(row: Connection, profile: Profile) -> None:
    known = row.profile.get("organization_uri", "")
    binds = row.provider in settings.SOURCES or row.remote_records.exists()
    if known and binds and profile.organization_uri != known:
        name = row.profile.get("organization_name") or known
        other = profile.organization_name or profile.organization_uri
        raise ConfigurationError(
            f"This account is in the organization {other}, but the connection belongs to {name}.",
            hint="Connect the organization it belongs to; make a connection of its own for another one.",
        )
