"""Note what a mail server says later: a message that it took was not delivered after all."""

import enum
import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from bookings.erasure import digest, erased_before
from bookings.models import Invitee
from bookings.personal import Wording, addresses_in
from integrations import outbox
from integrations.connectors.email import addresses, bounces
from integrations.connectors.email.bounces import Bounce
from integrations.connectors.email.inviting import INVITE
from integrations.connectors.email.mailing import MAIL
from integrations.connectors.email.message import person_digest
from integrations.models import Delivery, RemoteRecord

logger = logging.getLogger(__name__)

_HINT = "Check the address with the person. Retry sends the message again, to who has it not."


class Noted(enum.StrEnum):
    """Say what became of a bounce, in words for its log."""

    FAILED = "Noted: the delivery is shown as failed, with the server's words."
    KNOWN = "Known already: nothing was changed."
    HARMLESS = "Nothing to note: no recipient has failed for good."
    UNREADABLE = "This is no bounce of a message of ours: there is no delivery status (RFC 3464) in it, or no Message-ID of ours."  # fmt: skip
    UNKNOWN = "No delivery is known for the message that bounced: it was a notice, or of another installation, or deleted since."  # fmt: skip
    BUSY = "The delivery is not settled yet. Try again later."


def receive(raw: bytes, *, now: datetime) -> Noted:
    """Find the delivery that a bounce is about, and fail it with the server's words; the same twice is once."""
    bounce = bounces.read(raw)
    if bounce is None:
        return Noted.UNREADABLE
    if not bounce.failed:
        return Noted.HARMLESS
    with transaction.atomic():
        noted = _note(bounce, now=now)
    logger.info("Bounce received: outcome=%s", noted.name)
    return noted


def _note(bounce: Bounce, *, now: datetime) -> Noted:
    record = (
        RemoteRecord.objects.select_for_update(of=("self",))
        .filter(connection__provider="email", object_type=MAIL, remote_id=bounce.message_id)
        .first()
    )
    delivery = _delivery(record) if record else None
    if record is None or delivery is None:
        return Noted.UNKNOWN
    error = _told(bounce, delivery)
    if delivery.attempts.filter(error=error).exists():
        return Noted.KNOWN
    if not outbox.fail_settled(delivery, now=now, error=error, hint=_HINT, step="bounced"):
        return Noted.BUSY
    _take_back(record, bounce)
    return Noted.FAILED


def _delivery(record: RemoteRecord) -> Delivery | None:
    number = record.data.get("delivery")
    rows = Delivery.objects.filter(connection=record.connection_id, chain=record.chain_id)
    return rows.filter(pk=number).first() if isinstance(number, int) else None


def _told(bounce: Bounce, delivery: Delivery) -> str:
    """Return what happened, without who was erased since the message was sent."""
    if Invitee.objects.filter(chain=delivery.chain_id, erased_at__isnull=False).exists():
        return "A message was not delivered."
    said = " ".join(
        f"The message to {item.emails[0] if item.emails else 'a recipient'} was not delivered: {item.words!r}."
        for item in bounce.failed
    )
    named = set(addresses_in(said))
    erased = erased_before(named)
    return str(Wording(frozenset(one for one in named if digest(one) in erased)).scrub(said))


def _take_back(record: RemoteRecord, bounce: Bounce) -> None:
    """Forget that the message was accepted for who never got it, so that a retry mails them again."""
    gone = {addresses.folded(email) for item in bounce.failed for email in item.emails}
    digests = set(map(person_digest, gone))
    accepted = record.data.get("accepted", [])
    # Forwarded, it may have failed for an address that we never wrote to.
    left = [one for one in accepted if one not in digests] if len(accepted) > 1 else []
    RemoteRecord.objects.filter(pk=record.pk).update(data={**record.data, "accepted": left})
    _untell(record, gone)


def _untell(record: RemoteRecord, gone: Iterable[str]) -> None:
    """Forget what the calendars of these people show."""
    rows = RemoteRecord.objects.select_for_update(of=("self",))
    invite = rows.filter(
        connection=record.connection_id, chain=record.chain_id, object_type=INVITE
    ).first()
    if invite is None:
        return
    told = [
        {**row, "hash": ""} if addresses.folded(row["email"]) in gone else row
        for row in invite.data.get("told", ())
    ]
    RemoteRecord.objects.filter(pk=invite.pk).update(data={**invite.data, "told": told})
