"""Who pressed a button, and whether they may: by the e-mail address that the provider vouches for, and nothing else.

Whoever runs the workspace over there vouches for the addresses of its people; that is why only the connection's own
workspace counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db.models import Model

from bookings.erasure import erased_before
from bookings.meeting import Person
from bookings.personal import folded
from integrations import profiles
from integrations.connectors.base import Connector
from integrations.errors import PermanentError
from integrations.models import Interaction

#: How what the log says of a press begins.
PRESSED = "Pressed"
_FOREIGN = "This was pressed in another workspace than the one that Calsync is connected to, so nothing was done."
_NO_EMAIL = (
    "Calsync was not told a confirmed e-mail address of yours, so it cannot tell whether you may. Nothing was done. "
    "Confirm the address in your profile; the app needs the scope users:read.email."
)


class RefusedError(Exception):
    """This person may not do this, or not now; the message tells them who may, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Hold who pressed: an address, the staff of this site who have it, and as whom of them it is done."""

    email: str = ""
    staff: tuple[User, ...] = ()
    user: User | None = None

    @property
    def username(self) -> str:
        """Return the user's name here; empty for who has no account."""
        return self.user.get_username() if self.user else ""


def actor(connector: Connector, row: Interaction) -> Actor:
    """Ask the provider who pressed, and note it at the press.

    Raises:
        RefusedError: they are of another workspace, or nobody vouches for an address.
        IntegrationError: the provider does not answer, or does not tell.
    """
    organization = _organization(connector, row)
    if row.organization != organization:
        raise RefusedError(_FOREIGN)
    presser = connector.identify(row.presser_id)
    if organization not in presser.organizations:
        raise RefusedError(_FOREIGN)
    _note(row, name=presser.name, email=presser.email)
    if not presser.email:
        raise RefusedError(_NO_EMAIL)
    staff = User.objects.filter(email__iexact=presser.email, is_active=True, is_staff=True)
    found = tuple(staff.order_by("id"))
    return Actor(email=folded(presser.email), staff=found, user=found[0] if found else None)


def allow(
    who: Actor, permission: str, *, what: str, hosts: Iterable[Person] | None = None
) -> Actor:
    """Return as whom it is done: staff with the permission, or one of the hosts where these may.

    Raises:
        RefusedError: they may not; `what` says what, as in "may change bookings".
    """
    for user in who.staff:
        if user.has_perm(permission):
            return replace(who, user=user)
    if who.email in {folded(host.email) for host in hosts or ()} - {""}:
        return who
    others = "the meeting's hosts may, and " if hosts is not None else ""
    raise RefusedError(
        f"You may not do this: {others}staff of Calsync who {what} may. Calsync knows you by your e-mail address here; "
        "ask an administrator of Calsync for an account with that address and the right to do it. Nothing was done."
    )


def log(row: Interaction, who: Actor, *, about: Iterable[Model]) -> None:
    """Note in Django's admin log who pressed and what became of it, where they have an account."""
    if who.user is None:
        return
    message = f"{PRESSED} “{row.action.replace('_', ' ')}” at {row.connection}: {row.get_state_display()}."
    for subject in (row, *about):
        LogEntry.objects.log_actions(
            user_id=who.user.pk, queryset=[subject], action_flag=CHANGE, change_message=message
        )


def _organization(connector: Connector, row: Interaction) -> str:
    """Return the id of the connection's workspace, asked for and stored where it is not known yet."""
    known = str(row.connection.profile.get("organization_uri") or "")
    if known:
        return known
    profile = connector.describe()
    if profile is None or not profile.organization_uri:
        raise PermanentError(
            "The provider does not tell which workspace the connection belongs to.",
            hint="Test the connection in Calsync.",
        )
    profiles.keep(row.connection, profile)
    return profile.organization_uri


def _note(row: Interaction, *, name: str, email: str) -> None:
    """Keep who it was, unless they were erased since they pressed."""
    if any(at >= row.received_at for at in erased_before([email]).values()):
        name = email = ""
    row.presser_name, row.presser_email = (name or row.presser_name)[:255], email[:320]
    Interaction.objects.filter(pk=row.pk).update(
        presser_name=row.presser_name, presser_email=row.presser_email
    )
