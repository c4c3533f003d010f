"""Erase a person by e-mail address: from the mirror, the bodies, the deliveries and their attempts, and the log.

A request is carried out in many small transactions, each of which may be the last before a crash: doing it again
finds what is left. The tombstone comes first, the sealed address is forgotten last. What was made before the request
is erased; what the person books afterwards is a new beginning.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from bookings.erasure import digest
from bookings.models import Booking, ErasedAddress, Invitee
from bookings.personal import folded, is_address
from integrations.erasure import anywhere, places
from integrations.erasure.moment import has_older_reader
from integrations.erasure.subject import Circle, Subject
from integrations.models import ErasureRequest, RemoteRecord

logger = logging.getLogger(__name__)

State = ErasureRequest.State
#: What is found, counted: {"invitees": 3, "webhooks": 5, ...}.
Found = Mapping[str, int]

#: Places erased in one transaction.
_BATCH = 20


def request(email: str, *, requested_by: str, now: datetime) -> ErasureRequest:
    """Note that a person is to be erased, and forbid at once to mirror them again.

    One that waits already is returned; it then reaches up to now, for they may have booked again since.

    Raises:
        ValidationError: it is no e-mail address.
    """
    address = checked(email)
    key = digest(address)
    with transaction.atomic():
        row = _waiting(key) or ErasureRequest(digest=key, requested_by=requested_by)
        row.created_at = now
        row.set_email(address)
        row.save()
        _bury(row)
    logger.info("Erasure requested: erasure=%s", row.pk)
    return row


def preview(email: str, *, now: datetime) -> Found:
    """Return what there is of the person by the address; what merely mentions it is found while erasing.

    Raises:
        ValidationError: it is no e-mail address.
    """
    subject = Subject(address=checked(email), until=now)
    circle = Circle(subject, list(subject.invitees().select_related("booking")))
    return {
        "invitees": len(circle.invitees),
        "bookings": len(circle.booking_ids),
        "events": circle.events().count(),
        "deliveries": circle.deliveries().count(),
        "attempts": circle.attempts().count(),
        "match_reviews": circle.reviews().count(),
        "webhooks": circle.webhooks().count(),
        "routing_submissions": len(anywhere.submissions(subject)),
        "hosts": anywhere.hosts(subject).count(),
        "left_at_other_systems": circle.records().count(),
    }


def carry_out(row: ErasureRequest, *, now: datetime) -> bool:
    """Erase what was asked for; return False when something is still on its way and it has to be done again.

    Raises:
        ConfigurationError: no configured key opens the address.
    """
    if row.state == State.DONE:
        return True
    _bury(row)
    subject = Subject(address=row.email, until=row.created_at)
    reason = f"Erased on {now:%d %b %Y}: the person asked for it."
    _erase_places(row, subject, reason=reason, now=now)
    for step in anywhere.steps(subject, reason=reason, now=now):
        with transaction.atomic():
            _note(row, step())
    if (
        subject.invitees().exists()
        or anywhere.waiting_bodies(subject)
        or has_older_reader(ErasedAddress, age=now - row.created_at)
    ):
        logger.info("Erasure not finished, something is on its way: erasure=%s", row.pk)
        return False
    return _finish(row, now=now)


def has_waiting() -> bool:
    """Tell whether a request waits."""
    return ErasureRequest.objects.filter(state=State.WAITING).exists()


def drain(*, until: datetime, clock: Callable[[], datetime]) -> int:
    """Carry out the requests that wait, oldest first, each once; return how many were finished."""
    finished = 0
    for row in ErasureRequest.objects.filter(state=State.WAITING).order_by("id"):
        if clock() >= until:
            break
        try:
            finished += carry_out(row, now=clock())
        except Exception:
            logger.exception("Erasure failed, it is tried again: erasure=%s", row.pk)
    return finished


def checked(email: str) -> str:
    """Return the address as it is compared.

    Raises:
        ValidationError: it is no e-mail address.
    """
    address = folded(email)
    if not is_address(address):
        raise ValidationError("Enter an e-mail address.")
    return address


def _waiting(key: str) -> ErasureRequest | None:
    rows = ErasureRequest.objects.select_for_update().filter(digest=key, state=State.WAITING)
    return rows.order_by("id").first()


def _bury(row: ErasureRequest) -> None:
    """Set the tombstone; an older request never takes back what a newer one forbade."""
    ErasedAddress.objects.get_or_create(digest=row.digest, defaults={"erased_at": row.created_at})
    older = ErasedAddress.objects.filter(digest=row.digest, erased_at__lt=row.created_at)
    older.update(erased_at=row.created_at)


def _erase_places(row: ErasureRequest, subject: Subject, *, reason: str, now: datetime) -> None:
    last = 0
    while batch := list(subject.invitees().filter(pk__gt=last)[:_BATCH]):
        last = batch[-1].pk
        with transaction.atomic():
            circle = Circle(subject, _locked(batch))
            skipped = places.skip_waiting(circle, reason=reason, now=now)
            busy = places.chains_being_sent(circle)
            circle = Circle(subject, [i for i in circle.invitees if i.chain_id not in busy])
            remote = [_describe(record) for record in circle.records()]
            found = places.erase(circle, reason=reason, now=now)
            _note(row, found + Counter(skipped=skipped), remote=remote)


def _locked(batch: list[Invitee]) -> list[Invitee]:
    """Lock the bookings, then the places, as the mirror does; return the places as they are now."""
    pks = [invitee.pk for invitee in batch]
    bookings = {invitee.booking_id for invitee in batch}
    books = Booking.objects.select_for_update().filter(pk__in=bookings).order_by("uri")
    list(books.values_list("pk"))
    rows = Invitee.objects.select_for_update(of=("self",)).select_related("booking")
    return list(rows.filter(pk__in=pks, erased_at=None).order_by("uri"))


def _describe(record: RemoteRecord) -> dict[str, str]:
    return {
        "connection": str(record.connection), "object_type": record.object_type,
        "remote_id": record.remote_id, "url": record.url,
    }  # fmt: skip


def _note(
    row: ErasureRequest, found: Counter[str], *, remote: list[dict[str, str]] | None = None
) -> None:
    """Add what was erased to the request, in the transaction that erased it."""
    held = ErasureRequest.objects.select_for_update().get(pk=row.pk)
    held.found = dict(Counter(held.found) + found)
    held.remote += [record for record in remote or () if record not in held.remote]
    held.save(update_fields=["found", "remote"])
    row.found, row.remote = held.found, held.remote


def _finish(row: ErasureRequest, *, now: datetime) -> bool:
    """Forget the address; return False when the request was made again meanwhile, and reaches further now."""
    done = {"state": State.DONE, "finished_at": now, "sealed_email": ""}
    as_it_was = ErasureRequest.objects.filter(pk=row.pk, created_at=row.created_at)
    if not as_it_was.update(**done):
        return False
    for name, value in done.items():
        setattr(row, name, value)
    logger.info("Erasure done: erasure=%s", row.pk)
    return True
