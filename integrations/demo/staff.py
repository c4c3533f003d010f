"""Who works here, and what they did: sign-ins of each role, and an afternoon of an operator's in the audit log."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.utils import timezone

from bookings.models import Invitee
from integrations import at_source, outbox, refetch, resync, roles
from integrations.models import Delivery

SUPERUSER = "demo"
#: Whose booking is ignored for good, sent again, and marked as a no-show, by the operator.
IGNORED, SENT_AGAIN, MISSED = "Sven Eriksson", "Jonas Weber", "Vikram Shah"
_WHY_IGNORED = "A test of our own; there is no such company."
_OPERATOR = "operator"
#: Sign-ins by the group they are in.
ROLES = {roles.VIEWER: "viewer", roles.OPERATOR: _OPERATOR, roles.ADMINISTRATOR: "admin"}


def make_staff(password: str) -> None:
    """Make the demo's superuser, and one member of staff for each role, all with this password."""
    sealed = make_password(password)
    # Olivia's address: whoever presses a button on the sandbox's page presses as Olivia.
    User.objects.create(
        username=SUPERUSER, email="olivia@harbor.example", password=sealed, is_staff=True, is_superuser=True,
    )  # fmt: skip
    for role, name in ROLES.items():
        user = User.objects.create(
            username=name, email=f"{name}@harbor.example", password=sealed, is_staff=True
        )
        user.groups.add(Group.objects.get(name=role))


def work() -> None:
    """Do what an operator would have done by now: ignore one failure, send one booking again, mark one no-show."""
    _ignore(_invitee(IGNORED))
    _send_again(_invitee(SENT_AGAIN))
    _mark_no_show(_invitee(MISSED))


def _ignore(invitee: Invitee) -> None:
    failed = Delivery.objects.filter(chain=invitee.chain_id, state=Delivery.State.FAILED)
    rows = list(failed)
    outbox.acknowledge(failed, by=_OPERATOR, now=timezone.now(), reason=_WHY_IGNORED)
    _note(rows, "Ignored.")


def _send_again(invitee: Invitee) -> None:
    """Send the meeting again to where it went; the sweep wakes who sends it."""
    rows = list(resync.sendable([invitee.chain_id or 0]).select_related("connection"))
    resync.send_again(rows, now=timezone.now(), by=_OPERATOR)
    _note([invitee.booking, *rows], "Sent again as the booking is now.")


def _mark_no_show(invitee: Invitee) -> None:
    now, booking = timezone.now(), invitee.booking
    at_source.mark_no_show(at_source.meeting_of(invitee.chain_id), now=now, look_first=True)
    refetch.ask_now(booking.uri, account=booking.account, now=now)
    _note([booking], "Marked a no-show at Calendly.")


def _invitee(name: str) -> Invitee:
    return Invitee.objects.select_related("booking").get(name=name)


def _note(rows: list[Any], message: str) -> None:
    by = User.objects.get(username=_OPERATOR)
    LogEntry.objects.log_actions(
        user_id=by.pk, queryset=rows, action_flag=CHANGE, change_message=message
    )
